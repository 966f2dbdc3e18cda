/* What is left of the test twin's disk after the process is killed or the power fails. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file_sim_int.h"

/* How one copy of a disk is made. */
typedef struct copying {
    fs_sim *to;
    rng random;
    unsigned keep_in_8; /* unsynced pages and entry changes that made it, in eighths */
    bool power_loss;
    sim_node **copies; /* by number of the original node - 1 */
} copying;

static bool made_it(copying *c)
{
    return rng_below(&c->random, 8) < c->keep_in_8;
}

static size_t pick_size(copying *c, const sim_node *node)
{
    size_t a = node->disk.len, b = node->now.len;
    if (a == b) return a;
    size_t low = a < b ? a : b, high = a < b ? b : a;
    switch (rng_below(&c->random, 3)) {
    case 0: return a;
    case 1: return b;
    default: {
        size_t between = (low + rng_below(&c->random, high - low)) / SIM_PAGE * SIM_PAGE;
        return between > low ? between : low;
    }
    }
}

/* Bytes [from, to) of one side, zeros behind its end. */
static void copy_part(buf *out, const buf *side, size_t from, size_t to)
{
    memset(out->data + from, 0, to - from);
    if (from >= side->len) return;
    size_t end = to < side->len ? to : side->len;
    memcpy(out->data + from, side->data + from, end - from);
}

static void copy_page(copying *c, buf *out, const sim_node *node, size_t from, size_t to)
{
    /* Where the program has cut the file and the disk has not, only the old bytes can be there. */
    bool only_old = from >= node->now.len;
    bool torn = !only_old && rng_below(&c->random, 8) == 0;
    if (!torn) {
        copy_part(out, !only_old && made_it(c) ? &node->now : &node->disk, from, to);
        return;
    }
    for (size_t at = from; at < to; at += SIM_SECTOR) {
        size_t end = at + SIM_SECTOR < to ? at + SIM_SECTOR : to;
        copy_part(out, rng_below(&c->random, 2) ? &node->now : &node->disk, at, end);
    }
}

static void copy_bytes(copying *c, sim_node *copy, const sim_node *node)
{
    if (!c->power_loss) {
        buf_add(&copy->now, node->now.data, node->now.len);
        buf_add(&copy->disk, node->disk.data, node->disk.len);
        copy->dirty_from = node->dirty_from;
        copy->dirty_to = node->dirty_to;
        return;
    }
    size_t size = pick_size(c, node);
    sim_resize(&copy->now, size);
    for (size_t at = 0; at < size; at += SIM_PAGE) {
        copy_page(c, &copy->now, node, at, at + SIM_PAGE < size ? at + SIM_PAGE : size);
    }
    buf_add(&copy->disk, copy->now.data, size);
}

static sim_node *copy_node(copying *c, const sim_node *node);

/* The names that a folder has afterwards: those on disk, and of the changes since then any subset, in their order. */
static void copy_names_after_loss(copying *c, sim_node *copy, const sim_node *node)
{
    sim_names left = {0};
    for (size_t i = 0; i < node->disk_names.count; i++) {
        sim_names_set(&left, node->disk_names.items[i].name, node->disk_names.items[i].node);
    }
    const sim_change *changes = (const sim_change *)(const void *)node->changes.data;
    for (size_t i = 0; i < node->changes.len / sizeof *changes; i++) {
        if (!made_it(c)) continue;
        if (changes[i].removed) sim_names_set(&left, changes[i].removed, NULL);
        if (changes[i].set) sim_names_set(&left, changes[i].set, changes[i].node);
    }
    for (size_t i = 0; i < left.count; i++) {
        sim_node *child = copy_node(c, left.items[i].node);
        sim_names_set(&copy->names, left.items[i].name, child);
        sim_names_set(&copy->disk_names, left.items[i].name, child);
        free(left.items[i].name);
    }
    free(left.items);
}

static void copy_names_after_kill(copying *c, sim_node *copy, const sim_node *node)
{
    for (size_t i = 0; i < node->names.count; i++) {
        sim_names_set(&copy->names, node->names.items[i].name, copy_node(c, node->names.items[i].node));
    }
    for (size_t i = 0; i < node->disk_names.count; i++) {
        sim_names_set(&copy->disk_names, node->disk_names.items[i].name, copy_node(c, node->disk_names.items[i].node));
    }
    const sim_change *changes = (const sim_change *)(const void *)node->changes.data;
    for (size_t i = 0; i < node->changes.len / sizeof *changes; i++) {
        sim_node *child = changes[i].node ? copy_node(c, changes[i].node) : NULL;
        sim_note_change(copy, changes[i].removed, changes[i].set, child);
    }
}

static sim_node *copy_node(copying *c, const sim_node *node)
{
    if (c->copies[node->number - 1]) return c->copies[node->number - 1];
    sim_node *copy = node->number == 1 ? c->to->root : sim_node_new(c->to, node->is_dir);
    c->copies[node->number - 1] = copy;
    if (!node->is_dir) {
        copy_bytes(c, copy, node);
    } else if (c->power_loss) {
        copy_names_after_loss(c, copy, node);
    } else {
        copy_names_after_kill(c, copy, node);
    }
    return copy;
}

static fs_sim *copy_disk(fs_sim *sim, uint64_t seed, bool power_loss)
{
    copying c = {.to = fs_sim_new(seed), .power_loss = power_loss};
    rng_seed(&c.random, seed);
    /* Some seeds lose everything unsynced, some nothing, most a part. */
    c.keep_in_8 = (unsigned)rng_below(&c.random, 9);
    pthread_mutex_lock(&sim->mutex);
    c.copies = calloc(sim->node_count, sizeof *c.copies);
    check(c.copies != NULL);
    copy_node(&c, sim->root);
    pthread_mutex_unlock(&sim->mutex);
    free(c.copies);
    return c.to;
}

fs_sim *fs_sim_power_loss(fs_sim *sim, uint64_t seed)
{
    return copy_disk(sim, seed, true);
}

fs_sim *fs_sim_process_kill(fs_sim *sim)
{
    return copy_disk(sim, 1, false);
}
