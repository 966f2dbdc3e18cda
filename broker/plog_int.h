/*
 * broker/plog_int.h - the inside of a partition's log, shared by broker/plog*.c and nobody else.
 *
 * Locks, in the order in which they are taken: sync_mutex (held over disk I/O by syncs, checkpoints, retention and
 * deletion), append_mutex (held over one pwritev), list_mutex (a few instructions; guards the pointer to the list of
 * segments, the configuration and the epochs). Lists are immutable and counted, so a reader holds list_mutex only to
 * take a count.
 */
#ifndef BROKER_PLOG_INT_H
#define BROKER_PLOG_INT_H

#include "broker/plog.h"
#include "broker/producer_state.h"
#include "broker/segment.h"

/* The segments in order of their bases; the last is the one that grows. Each is held by a count. */
typedef struct segment_list {
    atomic_int counts;
    int n;
    segment *s[];
} segment_list;

/* An entry of leader-epoch-checkpoint. */
typedef struct plog_epoch {
    int32_t epoch;
    int64_t start;
} plog_epoch;

/* What weir.checkpoint says. */
typedef struct plog_point {
    int64_t recovery; /* everything below is on disk */
    int64_t index_point; /* indexes and producer snapshot hold for what is below */
    int64_t index_base; /* the segment and the position of the index point */
    int64_t index_position;
    int64_t log_start;
    bool has_snapshot; /* <index_point>.snapshot was written; else there was no producer */
} plog_point;

struct plog {
    plog_env *env;
    fs *fs;
    char *folder;
    plog_listener *listener;
    void *listener_arg;
    int32_t leader_epoch;

    _Atomic int64_t end, last_stable, start, synced_end, bytes;
    _Atomic int64_t unsynced_bytes;
    _Atomic int64_t unsynced_since; /* ms of the first append that is not synced, INT64_MAX: none */
    atomic_bool failed, deleted;

    pthread_mutex_t list_mutex;
    segment_list *list; /* never NULL; empty before the first append */
    plog_config config;
    buf epochs; /* plog_epoch, ascending */

    pthread_mutex_t append_mutex;
    segment *active; /* the last of the list, NULL: none */
    producer_state producers;
    batch_builder marker;
    bool folder_made; /* the folder is there */
    bool parent_dirty, folder_dirty, epochs_dirty;
    bool checkpoint_due; /* a roll, or many bytes since the index point */

    pthread_mutex_t sync_mutex;
    plog_point point; /* as last written; log_start and recovery may be ahead in memory */
    segment_file *point_file;
    uint64_t point_turn;
    bool point_named; /* sync_mutex: the folder was synced while it held the checkpoint */
    int64_t indexed_bytes; /* log bytes appended since the index point; guarded by append_mutex */

    /* The thread that compacts: */
    int64_t clean_to; /* below it every key has one record; read from "weir.compacted" at first use */
    bool clean_known;
    bool uncleanable; /* damaged batches were met */
};

enum {
    PLOG_SYNC_BYTES = 64 << 20,
    PLOG_SYNC_MS = 5000,
    PLOG_EXPANDED_MAX = 256 << 20,
    PLOG_PATH_EXTRA = 64,
};

/* ---- lists (broker/plog.c) ---- */
/* A count of the present list. */
segment_list *plog_list(plog *log);
void segment_list_release(segment_list *l);
/* Replaces the list by the n segments, whose counts it takes over. append_mutex. */
void plog_set_list(plog *log, segment **s, int n);
/* Number of the last segment whose base is at or below the offset, -1: none. */
int segment_list_find(const segment_list *l, int64_t offset);
/* "<folder>/<name>" */
void plog_path(const plog *log, char *out, size_t cap, const char *name);
/* Puts the log out of service after a failure that cannot be undone. */
void plog_fail(plog *log, const diag *d);
/* Recomputes and publishes the last stable offset. append_mutex. */
void plog_publish_stable(plog *log);
/* Reports corruption of stored data once it is met. */
void plog_report(plog *log, const diag *d);

/* ---- appending (broker/plog_append.c) ---- */
/* Notes that the epoch begins at the offset; nothing when it is already known. append_mutex. */
void plog_note_epoch(plog *log, int32_t epoch, int64_t offset);
/* Closes the active segment and starts one at the end of the log. append_mutex. */
bool plog_roll(plog *log, int64_t now_ms, diag *d);
/* Makes the folder when it is missing. append_mutex. */
bool plog_make_folder(plog *log, diag *d);

/* ---- checkpoint files (broker/plog_point.c) ---- */
/* Reads weir.checkpoint; false when there is none that is whole (and *p is all zero). */
bool plog_point_read(plog *log, plog_point *p);
/* Writes log->point into the older of its two places; synced only when `durable`. sync_mutex. */
bool plog_point_write(plog *log, bool durable, diag *d);
/* leader-epoch-checkpoint. */
bool plog_epochs_read(plog *log, diag *d);
bool plog_epochs_write(plog *log, const plog_epoch *e, size_t n, diag *d);
/* <offset>.snapshot */
bool plog_snapshot_read(plog *log, int64_t offset, int64_t now_ms, diag *d);
bool plog_snapshot_write(plog *log, int64_t offset, const buf *bytes, diag *d);
/* Removes the snapshots but this one and the one before it. */
void plog_snapshots_prune(plog *log, int64_t newest);

/* ---- recovery (broker/plog_recover.c) ---- */
bool plog_recover(plog *log, int64_t now_ms, diag *d);

/* ---- syncing (broker/plog_sync.c) ---- */
/* plog_sync with sync_mutex held; `checkpoint`: indexes and snapshot as well. */
bool plog_sync_locked(plog *log, bool checkpoint, diag *d);

/* ---- compaction (broker/plog_swap.c) ---- */
/*
 * Puts a whole, synced segment written aside in the place of the n segments that it was made of, if they are all still
 * there (*done says so). `offset_last` is the last offset of both.
 */
bool plog_swap(plog *log, segment *fresh, segment *const *old, int n, int64_t now_ms, bool *done, diag *d);
/* Removes a segment's files that were written aside and are of no use. */
void plog_discard_aside(plog *log, segment *fresh);
/* Completes or undoes what a stop has interrupted, before the segments are looked for. */
bool plog_finish_swaps(plog *log, diag *d);

/* ---- fetching (broker/plog_fetch.c) ---- */
/* First offset that a reader of this isolation level must not see. */
int64_t plog_limit(const plog *log, plog_isolation isolation);

#endif
