/* Folders of the test twin: paths, entries, and the changes of them that are not on disk yet. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file_sim_int.h"

sim_node *sim_names_get(const sim_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].name, name) == 0) return names->items[i].node;
    }
    return NULL;
}

void sim_names_set(sim_names *names, const char *name, sim_node *node)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].name, name) != 0) continue;
        if (node) {
            names->items[i].node = node;
        } else {
            free(names->items[i].name);
            names->items[i] = names->items[--names->count];
        }
        return;
    }
    if (!node) return;
    if (names->count == names->cap) {
        names->cap = names->cap ? names->cap * 2 : 8;
        names->items = realloc(names->items, names->cap * sizeof *names->items);
        check(names->items != NULL);
    }
    char *copy = strdup(name);
    check(copy != NULL);
    names->items[names->count++] = (sim_entry){copy, node};
}

static char *copy_name(const char *name)
{
    if (!name) return NULL;
    char *copy = strdup(name);
    check(copy != NULL);
    return copy;
}

void sim_note_change(sim_node *dir, const char *removed, const char *set, sim_node *node)
{
    sim_change change = {copy_name(removed), copy_name(set), node};
    buf_add(&dir->changes, &change, sizeof change);
}

/* Walks to the node of a path; with `last`, to the folder above its last part, which is put there. */
static sim_node *walk(fs_sim *sim, const char *path, char *storage, const char **last)
{
    if (strlen(path) >= PATH_MAX) return NULL;
    memcpy(storage, path, strlen(path) + 1);
    sim_node *node = sim->root;
    sim_node *above = NULL;
    const char *name = NULL;
    char *rest = storage;
    for (char *part = strsep(&rest, "/"); part; part = strsep(&rest, "/")) {
        if (part[0] == '\0' || strcmp(part, ".") == 0) continue;
        if (!node || !node->is_dir) return NULL;
        above = node;
        name = part;
        node = sim_names_get(&above->names, part);
    }
    if (!last) return node;
    *last = name;
    return name ? above : NULL;
}

sim_node *sim_find(fs_sim *sim, const char *path)
{
    char storage[PATH_MAX];
    return walk(sim, path, storage, NULL);
}

sim_node *sim_find_parent(fs_sim *sim, const char *path, char *storage, const char **name)
{
    return walk(sim, path, storage, name);
}

int sim_mkdir(fs *sys, const char *path)
{
    fs_sim *sim = sim_of(sys);
    pthread_mutex_lock(&sim->mutex);
    int rc = -sim_count_call(sim, FS_SIM_NAMES);
    char storage[PATH_MAX];
    const char *name;
    sim_node *dir = sim_find_parent(sim, path, storage, &name);
    if (!rc && !dir) rc = sim_find(sim, path) ? -EEXIST : -ENOENT;
    if (!rc && sim_names_get(&dir->names, name)) rc = -EEXIST;
    if (!rc) {
        sim_node *node = sim_node_new(sim, true);
        sim_names_set(&dir->names, name, node);
        sim_note_change(dir, NULL, name, node);
    }
    pthread_mutex_unlock(&sim->mutex);
    return rc;
}

static int remove_name(fs *sys, const char *path, bool folder)
{
    fs_sim *sim = sim_of(sys);
    pthread_mutex_lock(&sim->mutex);
    int rc = -sim_count_call(sim, FS_SIM_NAMES);
    char storage[PATH_MAX];
    const char *name;
    sim_node *dir = sim_find_parent(sim, path, storage, &name);
    sim_node *node = dir ? sim_names_get(&dir->names, name) : NULL;
    if (!rc && !node) rc = -ENOENT;
    if (!rc && folder && !node->is_dir) rc = -ENOTDIR;
    if (!rc && folder && node->names.count > 0) rc = -ENOTEMPTY;
    if (!rc && !folder && node->is_dir) rc = -EISDIR;
    if (!rc) {
        sim_note_change(dir, name, NULL, NULL);
        sim_names_set(&dir->names, name, NULL);
    }
    pthread_mutex_unlock(&sim->mutex);
    return rc;
}

int sim_unlink(fs *sys, const char *path)
{
    return remove_name(sys, path, false);
}

int sim_rmdir(fs *sys, const char *path)
{
    return remove_name(sys, path, true);
}

/* A rename inside one folder is one change; between folders each folder has its part. */
int sim_rename(fs *sys, const char *from, const char *to)
{
    fs_sim *sim = sim_of(sys);
    pthread_mutex_lock(&sim->mutex);
    int rc = -sim_count_call(sim, FS_SIM_NAMES);
    char from_storage[PATH_MAX], to_storage[PATH_MAX];
    const char *from_name, *to_name;
    sim_node *from_dir = sim_find_parent(sim, from, from_storage, &from_name);
    sim_node *to_dir = sim_find_parent(sim, to, to_storage, &to_name);
    sim_node *node = from_dir ? sim_names_get(&from_dir->names, from_name) : NULL;
    if (!rc && (!node || !to_dir)) rc = -ENOENT;
    sim_node *target = rc ? NULL : sim_names_get(&to_dir->names, to_name);
    if (!rc && target && target->is_dir && (!node->is_dir || target->names.count > 0)) rc = -ENOTEMPTY;
    if (!rc && !(from_dir == to_dir && strcmp(from_name, to_name) == 0)) {
        if (from_dir == to_dir) {
            sim_note_change(from_dir, from_name, to_name, node);
        } else {
            sim_note_change(to_dir, NULL, to_name, node);
            sim_note_change(from_dir, from_name, NULL, NULL);
        }
        sim_names_set(&from_dir->names, from_name, NULL);
        sim_names_set(&to_dir->names, to_name, node);
    }
    pthread_mutex_unlock(&sim->mutex);
    return rc;
}

int sim_list(fs *sys, const char *path, arena *a, buf *entries)
{
    fs_sim *sim = sim_of(sys);
    pthread_mutex_lock(&sim->mutex);
    int rc = -sim_count_call(sim, FS_SIM_READ);
    sim_node *dir = sim_find(sim, path);
    if (!rc && !dir) rc = -ENOENT;
    if (!rc && !dir->is_dir) rc = -ENOTDIR;
    for (size_t i = 0; !rc && i < dir->names.count; i++) {
        const sim_entry *e = &dir->names.items[i];
        fs_entry entry = {arena_str(a, str_z(e->name)), e->node->is_dir};
        buf_add(entries, &entry, sizeof entry);
    }
    pthread_mutex_unlock(&sim->mutex);
    return rc;
}

int sim_exists(fs *sys, const char *path)
{
    fs_sim *sim = sim_of(sys);
    pthread_mutex_lock(&sim->mutex);
    bool found = sim_find(sim, path) != NULL;
    pthread_mutex_unlock(&sim->mutex);
    return found;
}

static void forget_changes(sim_node *dir)
{
    sim_change *changes = (sim_change *)(void *)dir->changes.data;
    for (size_t i = 0; i < dir->changes.len / sizeof *changes; i++) {
        free(changes[i].removed);
        free(changes[i].set);
    }
    buf_clear(&dir->changes);
}

int sim_sync_dir(fs *sys, const char *path, const char *site)
{
    fs_sim *sim = sim_of(sys);
    pthread_mutex_lock(&sim->mutex);
    int rc = -sim_count_call(sim, FS_SIM_SYNC);
    sim_node *dir = sim_find(sim, path);
    if (!rc && !dir) rc = -ENOENT;
    if (!rc && !dir->is_dir) rc = -ENOTDIR;
    bool ignored = sim_site_ignored(sim, site);
    if (!rc && !ignored) {
        while (dir->disk_names.count > 0) sim_names_set(&dir->disk_names, dir->disk_names.items[0].name, NULL);
        for (size_t i = 0; i < dir->names.count; i++) {
            sim_names_set(&dir->disk_names, dir->names.items[i].name, dir->names.items[i].node);
        }
        forget_changes(dir);
        sim->syncs++;
    }
    pthread_mutex_unlock(&sim->mutex);
    return rc;
}
