/*
 * broker/plog.h - the log of one partition: segments on disk, producers' sequences, open transactions, leader epochs.
 *
 * Threads: any thread may call anything, unless a comment says otherwise. An append takes the partition's mutex for the
 * sequence check, the offset and one pwritev; the new end is then published by a release store. Readers never wait
 * for an append: they take a reference to the list of segments and look at published ends. plog_sync, plog_checkpoint,
 * retention and deletion may block on the disk and belong on threads that may. The time is always told, in ms since
 * 1970.
 *
 * Files (Kafka's formats) lie in the partition's folder: <base>.log .index .timeindex .txnindex .snapshot,
 * leader-epoch-checkpoint, and one of our own, weir.checkpoint (recovery point and log start). The folder is made
 * by the first append. A plog is opened on first use and costs well below a kilobyte while nothing happens.
 *
 * On one node the high watermark is the end of the log: what is appended is readable. What is *durable* is
 * plog_synced_end.
 */
#ifndef BROKER_PLOG_H
#define BROKER_PLOG_H

#include <stdatomic.h>

#include "base/file.h"
#include "broker/batch.h"

typedef struct plog plog;
typedef struct plog_env plog_env;
typedef struct segment_file segment_file;

/*
 * What all partitions of a node share: the file system and the budget of open segment files (least recently used
 * closed).
 */
plog_env *plog_env_new(fs *fs, size_t open_files_max);
/* After all its plogs are closed. */
void plog_env_free(plog_env *env);
/* Segment files that are open now. */
size_t plog_env_open_files(plog_env *env);

/* A topic's settings as the log uses them (Kafka's topic configs); plog_config_default gives Kafka's defaults. */
typedef struct plog_config {
    int64_t segment_bytes;
    int64_t segment_ms;
    int64_t segment_jitter_ms; /* taken off segment_ms, a part of it that differs from segment to segment */
    int64_t flush_messages; /* records that may lie in the page cache alone */
    int64_t flush_ms; /* and for how long */
    int64_t segment_index_bytes;
    int64_t index_interval_bytes;
    int64_t retention_ms; /* -1: none */
    int64_t retention_bytes; /* -1: none */
    bool policy_delete;
    bool policy_compact;
    int64_t max_message_bytes;
    bool log_append_time;
    int64_t timestamp_before_max_ms;
    int64_t timestamp_after_max_ms;
    int codec; /* compression.type: -1 the producer's */
    int level;
    int64_t producer_id_expiration_ms;
    int64_t delete_retention_ms;
    int64_t min_compaction_lag_ms;
    int64_t max_compaction_lag_ms;
    double min_dirty_ratio; /* min.cleanable.dirty.ratio */
} plog_config;

/* Kafka's defaults. */
plog_config plog_config_default(void);

/* Called on the appending thread after a new end or last stable offset was published, without locks held. */
typedef void plog_listener(void *arg, plog *log);

/*
 * Opens the log in `folder` ("<data>/topics/<topic>-<partition>"), recovering what an unclean stop left: only what lies
 * above the recovery point is checked, and only there a bad batch is a torn tail and cut. leader_epoch is the node's
 * epoch, written into every batch. A folder that does not exist is an empty log. listener may be NULL.
 */
plog *plog_open(plog_env *env, const char *folder, const plog_config *config, int32_t leader_epoch, int64_t now_ms,
                plog_listener *listener, void *arg, diag *d);
/* Syncs, writes the checkpoint, closes. False when the sync failed; the log is closed anyway. */
bool plog_close(plog *log, diag *d);
/* Closes without writing anything, as a killed process would; for tests and after a failed disk. */
void plog_abandon(plog *log);
/*
 * Removes the log's files: the folder is renamed to "<folder>.<now_ms>-delete", synced and emptied. Extents and
 * readers that exist stay good; everything else answers UNKNOWN_TOPIC_OR_PARTITION. Afterwards plog_close frees it.
 */
bool plog_delete(plog *log, int64_t now_ms, diag *d);
/* Removes folders "*-delete" that a crash left behind under `topics`. */
bool plog_remove_leftovers(plog_env *env, const char *topics, diag *d);

/* Takes new settings; appends that were checked by the old ones may still arrive. */
void plog_set_config(plog *log, const plog_config *config);
/* The settings now. */
void plog_get_config(plog *log, plog_config *out);
/* The rules for batch_check by the present settings. */
batch_rules plog_rules(plog *log);
/* The folder, for messages. */
const char *plog_folder(const plog *log);

/* ---- offsets: lock-free -------------------------------------------------------------------------------- */

/* Offset of the next record; also the high watermark. */
int64_t plog_end(const plog *log);
/* First offset of the earliest open transaction, else the high watermark. */
int64_t plog_last_stable(const plog *log);
int64_t plog_start(const plog *log);
/* Everything below is on disk. */
int64_t plog_synced_end(const plog *log);
/* Bytes of all segments. */
int64_t plog_bytes(const plog *log);
/* True after a failed write or sync: everything answers KAFKA_STORAGE_ERROR until the log is opened again. */
bool plog_failed(const plog *log);

/* ---- appending ----------------------------------------------------------------------------------------- */

/* Who appends; decides which producer checks apply, as Kafka's AppendOrigin. */
typedef enum plog_origin {
    PLOG_CLIENT, /* sequences and epochs are checked */
    PLOG_COORDINATOR, /* internal topics and internal producers: epochs are checked, sequences only when they are set */
} plog_origin;

/* The outcome of an append, for the response. */
typedef struct plog_appended {
    kafka_error error;
    const char *message; /* a constant text, or NULL */
    int64_t base_offset; /* of the original batch when duplicate; -1 on error */
    int64_t last_offset;
    int64_t append_time_ms; /* with log append time, else -1 */
    int64_t log_start;
    bool duplicate; /* nothing was written: one of the producer's last five batches came again */
} plog_appended;

/*
 * Appends one checked batch. Base offset and leader epoch are written into its bytes. Returns true when out->error is
 * KAFKA_NONE. For acks=all wait until plog_synced_end(log) > out->last_offset.
 */
bool plog_append(plog *log, batch_checked *batch, plog_origin origin, int64_t now_ms, plog_appended *out);

/* Ends a producer's transaction here: appends the marker and, for an abort, notes the aborted range. */
bool plog_append_marker(plog *log, int64_t producer_id, int16_t producer_epoch, int32_t coordinator_epoch, bool commit,
                        int64_t now_ms, plog_appended *out);

/* ---- syncing ----------------------------------------------------------------------------------------------------- */

/*
 * Brings everything appended before the call to disk: the active segment, unsynced ones before it, indexes of aborted
 * transactions, leader epochs, and new folder entries; then moves plog_synced_end and the recovery point. Calls of
 * several threads queue, and one whose end another has synced meanwhile returns at once (group commit). After a failure
 * the log is failed for good and every call fails.
 */
bool plog_sync(plog *log, diag *d);
/* plog_sync, then indexes and a producer snapshot as well, so that the next start has nothing to walk. */
bool plog_checkpoint(plog *log, diag *d);
/* Whether a sync is due by itself: 64 MiB or 5 s of unsynced appends. Cheap, lock-free. */
bool plog_sync_due(plog *log, int64_t now_ms);
/* Whether so many records are not on disk yet that even acks=1 waits (flush.messages). */
bool plog_flush_wanted(plog *log);

/* ---- fetching: extents of files ------------------------------------------------------------------------ */

typedef enum plog_isolation { PLOG_READ_UNCOMMITTED = 0, PLOG_READ_COMMITTED = 1 } plog_isolation;

enum { PLOG_EXTENTS_MAX = 4 };

/* Bytes of one segment file. The reference keeps the file open and readable until plog_fetched_free. */
typedef struct plog_extent {
    segment_file *file;
    uint64_t at;
    uint64_t n;
} plog_extent;

/* The outcome of plog_fetch. The offsets are set on errors as well. */
typedef struct plog_fetched {
    kafka_error error;
    int64_t high_watermark;
    int64_t last_stable;
    int64_t log_start;
    int64_t next_offset; /* no extent holds this offset or a later one (at most a little too high, never too low) */
    uint64_t bytes;
    int extent_count;
    plog_extent extents[PLOG_EXTENTS_MAX];
} plog_fetched;

/*
 * Finds whole batches from the one that holds `offset`, together at most max_bytes; with at_least_one the first batch
 * comes even when it is larger (KIP-74). An offset outside [start, end] is OFFSET_OUT_OF_RANGE, at the end the result
 * is empty. May read some kilobytes of index and headers. plog_fetched_free always, also after an error.
 */
void plog_fetch(plog *log, int64_t offset, uint64_t max_bytes, bool at_least_one, plog_isolation isolation,
                plog_fetched *out);
/* Drops the references. */
void plog_fetched_free(plog_fetched *f);
/* The file of an extent, for file_fd or file_read; valid until plog_fetched_free. */
file *segment_file_handle(segment_file *f);
/* Takes and drops further references to an extent's file (an answer that is sent piece by piece). */
void segment_file_ref(segment_file *f);
void segment_file_unref(segment_file *f);

/* An aborted transaction, as Fetch lists it. */
typedef struct plog_aborted_txn {
    int64_t producer_id;
    int64_t first_offset;
} plog_aborted_txn;

/*
 * Appends (as plog_aborted_txn, ordered by first offset) the aborted transactions that reach into [from, to) to the
 * buffer.
 */
bool plog_aborted(plog *log, int64_t from, int64_t to, buf *out, diag *d);

/* ---- reading: copies for the engine and the coordinators ----------------------------------------------- */

/* A position in a log that keeps its segment open between reads. One thread at a time. */
typedef struct plog_reader plog_reader;

/* The outcome of plog_read. */
typedef enum plog_read_status {
    PLOG_READ_OK,
    PLOG_READ_END, /* nothing (more) to read now */
    PLOG_READ_WAIT, /* not in memory: call again with may_block on a thread that may */
    PLOG_READ_ERROR, /* the diag is set; plog_reader_error gives Kafka's code */
} plog_read_status;

/* A reader at this offset; the log must outlive it. */
plog_reader *plog_reader_new(plog *log, int64_t offset);
void plog_reader_free(plog_reader *r);
/* Goes elsewhere. */
void plog_reader_seek(plog_reader *r, int64_t offset);
/* Offset behind the last batch that was returned. */
int64_t plog_reader_offset(const plog_reader *r);
/* OFFSET_OUT_OF_RANGE, CORRUPT_MESSAGE or KAFKA_STORAGE_ERROR after PLOG_READ_ERROR. */
kafka_error plog_reader_error(const plog_reader *r);
/*
 * Reads whole batches, CRC checked, about max_bytes of them (one at least), up to the limit of the isolation level.
 * *data (BATCH_PADDING readable bytes behind it) is valid until the next call. The first batch may begin below the
 * offset asked for: skip its first records.
 */
plog_read_status plog_read(plog_reader *r, plog_isolation isolation, size_t max_bytes, bool may_block,
                           const uint8_t **data, size_t *n, diag *d);

/* ---- looking up ---------------------------------------------------------------------------------------- */

/*
 * The first record with this timestamp or a later one, below the limit of the isolation level: offset and timestamp, or
 * -1, -1. *epoch is the leader epoch of the offset.
 */
bool plog_offset_for_time(plog *log, int64_t timestamp, plog_isolation isolation, int64_t *offset, int64_t *found,
                          int32_t *epoch, diag *d);
/* The record with the highest timestamp (ListOffsets -3); -1, -1 in an empty log. */
bool plog_offset_of_max_time(plog *log, int64_t *offset, int64_t *timestamp, int32_t *epoch, diag *d);
/* Epoch of the last batch; -1 in an empty log. */
int32_t plog_last_epoch(plog *log);
/* The epoch an offset was written in, -1 when unknown. */
int32_t plog_epoch_of(plog *log, int64_t offset);
/*
 * OffsetForLeaderEpoch: the largest known epoch <= the one asked for, and where it ends. False (-1, -1) when there is
 * none.
 */
bool plog_end_of_epoch(plog *log, int32_t epoch, int32_t *found, int64_t *end);

/* One producer, for DescribeProducers and ListTransactions. */
typedef struct plog_producer {
    int64_t producer_id;
    int32_t coordinator_epoch; /* -1: none */
    int32_t last_sequence;
    int64_t last_timestamp;
    int64_t txn_start; /* first offset of the open transaction, -1: none */
    int16_t epoch;
} plog_producer;

/* Appends the producers (as plog_producer) to the buffer. */
void plog_producers(plog *log, buf *out);
/* State of one producer; false when it is not known here. */
bool plog_producer_get(plog *log, int64_t producer_id, plog_producer *out);
/* Forgets producers that were idle for producer.id.expiration.ms and have no open transaction. */
void plog_expire_producers(plog *log, int64_t now_ms);

/* ---- getting shorter ----------------------------------------------------------------------------------- */

/*
 * DeleteRecords: moves the start of the log up to `offset` (-1: the high watermark), durably before it returns.
 * *error is OFFSET_OUT_OF_RANGE beyond the high watermark. Whole segments below it go with the next retention.
 */
bool plog_delete_records(plog *log, int64_t offset, int64_t *low_watermark, kafka_error *error, diag *d);
/*
 * Retention by time, by size and by log start; rolls an active segment that is due. Returns the number of segments
 * removed.
 */
bool plog_retain(plog *log, int64_t now_ms, int *removed, diag *d);

/* How a log is compacted. */
typedef struct plog_compaction {
    int64_t now_ms;
    size_t map_bytes; /* most memory for the keys of one pass; more keys take more passes */
    uint64_t seed; /* of the hash that stands for a key; unknown to clients */
    const atomic_bool *cancel; /* NULL, or: end soon without a change when it becomes true */
} plog_compaction;

/* What a compaction did. */
typedef struct plog_compacted {
    int segments; /* that were written anew; 0: nothing was due */
    int64_t bytes_before, bytes_after; /* of them */
} plog_compacted;

/*
 * Compacts what is due by Kafka's rules (cleanup.policy, dirty ratio, lags): of each key the last record stays,
 * tombstones and markers go once their time has passed, records of aborted transactions go. Segments are written anew
 * beside the old ones and put in their place in one step that survives a power loss; offsets stay what they are,
 * readers go on with what they hold. The active segment is not touched. One thread at a time. DIAG_CORRUPT when stored
 * batches are damaged: the log is not looked at again.
 */
bool plog_compact(plog *log, const plog_compaction *how, plog_compacted *out, diag *d);

#endif
