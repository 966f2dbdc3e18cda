/*
 * broker/segment_file.h - open files on a budget: a segment's file that is closed when too many are open.
 *
 * Thread-safe; one mutex per node guards the budget, held for a few instructions except where a file is opened. A
 * file that is pinned, or that holds unsynced writes (closing it could lose the report of a failed write), is never
 * closed. The object is counted: the segment holds one count, every pin another.
 */
#ifndef BROKER_SEGMENT_FILE_H
#define BROKER_SEGMENT_FILE_H

#include "broker/plog.h"

/* The file system of the node. */
fs *plog_env_fs(plog_env *env);

/* A file that may or may not be open, by its path. The caller holds one count. */
segment_file *segment_file_new(plog_env *env, const char *path);
/* Drops the holder's count; the last count closes. */
void segment_file_release(segment_file *f);
const char *segment_file_path(const segment_file *f);

/* Opens it if need be (with FILE_CREATE when `create`) and keeps it open until unpinned. */
bool segment_file_pin(segment_file *f, bool create, file **out, diag *d);
/* The same for writing: marks it dirty. Calls of one file are serialised by the log's append mutex. */
bool segment_file_pin_write(segment_file *f, bool create, file **out, diag *d);
void segment_file_unpin(segment_file *f);

/* Count of pins for writing so far; read it while nobody writes, before a sync. */
uint64_t segment_file_writes(segment_file *f);
/* After a sync: the file is clean again if nobody pinned it for writing since `writes` was read. */
void segment_file_synced(segment_file *f, uint64_t writes);

/*
 * Opens the file and keeps it open until it is freed: before its name goes, for those who still read it. A file that
 * does not exist is no error.
 */
bool segment_file_keep(segment_file *f, diag *d);

#endif
