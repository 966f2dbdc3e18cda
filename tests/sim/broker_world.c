/* Lives and deaths of the simulated broker, and its wire. */
#include "tests/sim/broker_world.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "tests/fuzz/kafka_requests.h"

enum { WAIT_TRIES = 4000, OPEN_TRIES = 6, STEPS_MIN = 60, STEPS_MORE = 900 };

bool world_fail(world *w, const char *format, ...)
{
    if (w->result->why[0]) return false;
    va_list args;
    va_start(args, format);
    vsnprintf(w->result->why, sizeof w->result->why, format, args);
    va_end(args);
    return false;
}

const char *world_topic(int which)
{
    static const char *const names[TOPICS] = {"plain", "idem", "txn", "compacted"};
    return names[which];
}

int32_t world_make(world *w, int which, int32_t partition)
{
    if (w->made_len == w->made_cap) {
        w->made_cap = w->made_cap ? w->made_cap * 2 : 256;
        w->made = realloc(w->made, (size_t)w->made_cap * sizeof *w->made);
        check(w->made);
    }
    w->made[w->made_len] =
        (made){.topic = (uint8_t)which, .partition = (uint8_t)partition, .offset = -1, .txn = -1, .certainty = UNKNOWN};
    w->result->records++;
    return w->made_len++;
}

/* ---- the wire --------------------------------------------------------------------------------------------------- */

void world_send_frame(world *w, client *c, int16_t key, int16_t version)
{
    broker_conn_options options = {
        .user = w, .peer_host = STR("10.0.0.1"), .advertised_host = STR("sim"), .advertised_port = 9};
    if (!c->conn) c->conn = broker_conn_open(w->b, &options);
    c->key = key;
    c->version = version;
    c->waiting = true;
    uint8_t *copy = malloc(w->frame.len);
    check(copy);
    memcpy(copy, w->frame.data, w->frame.len);
    bool good = broker_conn_request(c->conn, copy, w->frame.len, w->now);
    free(copy);
    if (!good && !broker_conn_must_close(c->conn)) world_fail(w, "request %d version %d is malformed", key, version);
}

void world_send(world *w, client *c, int16_t key, int16_t version, const char *fields, ...)
{
    char text[400];
    va_list args;
    va_start(args, fields);
    int n = vsnprintf(text, sizeof text, fields, args);
    va_end(args);
    check(n > 0 && (size_t)n < sizeof text);
    buf_clear(&w->frame);
    kafka_make_request(&w->frame, key, version, text);
    world_send_frame(w, c, key, version);
}

bool world_take(world *w, client *c, wire_in *in)
{
    diag d = {0};
    check(c->waiting);
    broker_response *r = c->conn ? broker_conn_take(c->conn) : NULL;
    if (!r) {
        if (c->conn && broker_conn_must_close(c->conn)) {
            broker_conn_close(c->conn);
            c->conn = NULL;
            c->waiting = false;
        }
        return false;
    }
    buf_clear(&w->response);
    bool good = broker_response_bytes(r, &w->response, &d);
    broker_response_free(r);
    c->waiting = false;
    if (w->dead || (!w->o.errors && fs_sim_failed(w->disk))) return false; /* nobody is there to send it */
    if (!good && !w->o.errors) world_fail(w, "an answer cannot be read: %s", d.text);
    if (!good) return false;
    bool flexible = kafka_is_flexible(c->key, c->version);
    *in = wire_in_of(w->response.data + 8, w->response.len - 8, flexible);
    if (c->key != 18) wire_tags(in);
    return true;
}

bool world_sync_one(world *w)
{
    if (w->syncs_len == 0) return false;
    diag d = {0};
    size_t i = rng_below(&w->r, (uint64_t)w->syncs_len);
    broker_partition *p = w->syncs[i];
    w->syncs[i] = w->syncs[--w->syncs_len];
    bool ok = broker_partition_sync(p, &d);
    broker_sync_done(w->b, p, ok, w->now);
    return true;
}

void world_pass(world *w, int64_t ms)
{
    int64_t end = w->now.mono_ms + ms;
    do {
        int64_t next = broker_next_deadline(w->b);
        if (next > end) next = end;
        if (next > w->now.mono_ms) {
            w->now.wall_ms += next - w->now.mono_ms;
            w->now.mono_ms = next;
        }
        broker_run(w->b, w->now);
    } while (w->now.mono_ms < end);
}

bool world_wait(world *w, client *c, wire_in *in)
{
    for (int i = 0; i < WAIT_TRIES && c->waiting; i++) {
        if (world_take(w, c, in)) return true;
        if (!world_sync_one(w)) world_pass(w, 5);
    }
    return false;
}

/* ---- life and death --------------------------------------------------------------------------------------------- */

static void on_sync(void *user, broker_partition *p)
{
    world *w = user;
    check(w->syncs_len < (int)ARRAY_LEN(w->syncs));
    w->syncs[w->syncs_len++] = p;
}

static bool open_broker(world *w, diag *d)
{
    static const broker_config_entry configs[] = {{{"offsets.topic.num.partitions", 28}, {"1", 1}},
                                                  {{"transaction.state.log.num.partitions", 36}, {"1", 1}},
                                                  {{"group.initial.rebalance.delay.ms", 32}, {"0", 1}}};
    broker_options options = {configs, ARRAY_LEN(configs), STR("sim-cluster-id-0000000"), 1, ++w->starts};
    w->hooks = (broker_hooks){.user = w, .sync = on_sync};
    *d = (diag){0};
    w->b = broker_open(fs_sim_fs(w->disk), STR("/data"), &options, &w->hooks, w->now, d);
    if (w->b) broker_run(w->b, w->now);
    return w->b != NULL;
}

/* The machine as the next start finds it. */
static void replace_disk(world *w, bool power)
{
    fs_sim *next = power ? fs_sim_power_loss(w->disk, rng_u64(&w->r)) : fs_sim_process_kill(w->disk);
    sim_note_sites(w->result, w->disk);
    fs_sim *old = w->disk;
    w->disk = next;
    broker_close(w->b);
    w->b = NULL;
    w->syncs_len = 0;
    fs_sim_free(old);
    fs_sim_ignore_site(w->disk, w->o.ignore_site);
    w->powerless = w->powerless || power;
}

static void hang_up(world *w)
{
    for (int i = 0; i < CLIENTS; i++)
        if (w->clients[i].conn) broker_conn_close(w->clients[i].conn);
    clients_forget(w);
}

/*
 * A sync that failed leaves pages that look clean and are not on the disk: whatever comes later, a loss of power may
 * take them, and nobody can tell. So a world has either syncs that fail or losses of power beside its errors.
 */
static bool syncs_fail(const world *w)
{
    return w->o.errors && w->o.seed % 4 >= 2;
}

static unsigned failing_calls(const world *w, unsigned calls)
{
    return syncs_fail(w) ? calls : calls & ~(unsigned)FS_SIM_SYNC;
}

/* Starts the broker, which may die or fail at that, too; in the end it must come up. */
static bool start(world *w)
{
    diag d;
    for (int i = 0;; i++) {
        bool sure = i == OPEN_TRIES || rng_below(&w->r, 3) > 0;
        uint64_t call = 1 + rng_below(&w->r, 150);
        if (!sure && w->o.errors)
            fs_sim_fail(w->disk, failing_calls(w, FS_SIM_ALL), call, rng_below(&w->r, 2) ? EIO : ENOSPC, false);
        if (!sure && !w->o.errors) fs_sim_die(w->disk, call);
        bool opened = open_broker(w, &d);
        bool failed = fs_sim_failed(w->disk);
        if (opened && !failed) {
            fs_sim_fail(w->disk, FS_SIM_ALL, 0, 0, false);
            return true;
        }
        if (!opened && (sure || !failed)) return world_fail(w, "the broker does not start: %s", d.text);
        replace_disk(w, !syncs_fail(w) && rng_below(&w->r, 2) > 0);
    }
}

static void fail_something(world *w)
{
    static const unsigned calls[] = {
        FS_SIM_WRITE, FS_SIM_WRITE, FS_SIM_SYNC, FS_SIM_ALL, FS_SIM_NAMES | FS_SIM_TRUNCATE, FS_SIM_READ, FS_SIM_OPEN};
    unsigned mask = failing_calls(w, calls[rng_below(&w->r, ARRAY_LEN(calls))]);
    if (mask == 0) return;
    fs_sim_fail(w->disk, mask, 1 + rng_below(&w->r, 15), rng_below(&w->r, 2) ? EIO : ENOSPC, rng_below(&w->r, 4) == 0);
}

static void maintain(world *w)
{
    switch (rng_below(&w->r, 3)) {
    case 0: broker_clean(w->b, w->now); return;
    case 1: broker_compact(w->b, w->now); return;
    default: broker_checkpoint_idle(w->b);
    }
}

static void live(world *w)
{
    int steps = STEPS_MIN + (int)rng_below(&w->r, STEPS_MORE);
    if (!w->o.errors && rng_below(&w->r, 2)) fs_sim_die(w->disk, 1 + rng_below(&w->r, 2500));
    for (int i = 0; i < steps && !w->dead && !w->result->why[0]; i++) {
        switch (rng_below(&w->r, 16)) {
        case 0:
        case 1:
        case 2: world_sync_one(w); break;
        case 3: world_pass(w, 1 + (int64_t)rng_below(&w->r, 50)); break;
        case 4: world_pass(w, 1 + (int64_t)rng_below(&w->r, 3000)); break;
        case 5: maintain(w); break;
        case 6:
            if (w->o.errors && rng_below(&w->r, 6) == 0) fail_something(w);
            break;
        case 7:
            if (w->o.errors && rng_below(&w->r, 4) == 0) fs_sim_fail(w->disk, FS_SIM_ALL, 0, 0, false);
            break;
        default: client_step(w, (int)rng_below(&w->r, CLIENTS));
        }
        if (!w->o.errors && fs_sim_failed(w->disk)) w->dead = true;
    }
}

/* Ends the life in one of the ways that there are. */
static void die(world *w)
{
    w->powerless = false;
    bool clean = rng_below(&w->r, 3) == 0, power = rng_below(&w->r, 2) > 0;
    hang_up(w);
    if (w->o.errors && rng_below(&w->r, 2)) fs_sim_fail(w->disk, FS_SIM_ALL, 0, 0, false);
    if (clean) {
        broker_close(w->b);
        w->b = NULL;
        w->syncs_len = 0;
        clean = !fs_sim_failed(w->disk);
    }
    replace_disk(w, power && !syncs_fail(w));
    if (clean) w->powerless = false;
    w->dead = false;
    w->result->lives++;
    w->now.mono_ms += 1000;
    w->now.wall_ms += 1000;
}

static bool make_topics(world *w)
{
    static const broker_config_entry rolling[] = {{{"segment.ms", 10}, {"4000", 4}}};
    static const broker_config_entry compacting[] = {{{"segment.ms", 10}, {"1500", 4}},
                                                     {{"cleanup.policy", 14}, {"compact", 7}},
                                                     {{"min.cleanable.dirty.ratio", 25}, {"0.01", 4}},
                                                     {{"delete.retention.ms", 19}, {"3000", 4}}};
    diag d = {0};
    for (int i = 0; i < TOPICS; i++) {
        bool compacted = i == COMPACTED;
        if (!broker_topic_create(w->b, str_z(world_topic(i)), compacted ? 1 : PARTITIONS,
                                 compacted ? compacting : rolling,
                                 compacted ? ARRAY_LEN(compacting) : ARRAY_LEN(rolling), &d))
            return world_fail(w, "a topic cannot be made: %s", d.text);
    }
    return true;
}

void broker_sim_run(const sim_options *options, sim_result *result)
{
    static world w;
    w = (world){.o = *options, .result = result, .now = {1700000000000, 1000}};
    *result = (sim_result){0};
    log_set_level((log_level)(LOG_ERROR + 1));
    rng_seed(&w.r, options->seed);
    w.disk = fs_sim_new(options->seed);
    fs_sim_ignore_site(w.disk, options->ignore_site);
    w.group_offset = (setting){-1, -1};
    w.quota = (setting){0, 0};
    for (int i = 0; i < NAMES; i++) w.names[i].sure_gone = true;
    for (int i = 0; i < CLIENTS; i++) w.clients[i].producer_id = -1;
    diag d;
    bool good = open_broker(&w, &d) ? make_topics(&w) : world_fail(&w, "the first start fails: %s", d.text);
    for (int i = 0; good && i < options->lives; i++) {
        live(&w);
        die(&w);
        good = !result->why[0] && start(&w) && world_check(&w);
    }
    hang_up(&w);
    broker_close(w.b);
    fs_sim_free(w.disk);
    buf_free(&w.frame);
    buf_free(&w.response);
    free(w.made);
    free(w.txns);
    result->ok = !result->why[0];
}
