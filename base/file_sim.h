/*
 * base/file_sim.h - the test twin of base/file: a file system in memory that fails on command and loses power.
 *
 * Thread-safe. The twin keeps two versions of everything: what the program sees, and what is on the simulated disk. A
 * sync brings one file's bytes and size, or one folder's entries, over. fs_sim_power_loss builds a disk as a machine
 * may find it after losing power: for every unsynced page of 4 KiB the old or the new bytes, or a mix of them by
 * 512-byte sectors; the old size, the new one or one between; and any subset of the unsynced entry changes of each
 * folder (a rename is one change). Freed with fs_sim_free after all its files are closed.
 */
#ifndef BASE_FILE_SIM_H
#define BASE_FILE_SIM_H

#include "base/file.h"

typedef struct fs_sim fs_sim;

/* Calls that can be made to fail; a set of them is counted. */
typedef enum fs_sim_calls {
    FS_SIM_READ = 1,
    FS_SIM_WRITE = 2,
    FS_SIM_SYNC = 4, /* files and folders */
    FS_SIM_OPEN = 8,
    FS_SIM_NAMES = 16, /* rename, unlink, mkdir, rmdir */
    FS_SIM_TRUNCATE = 32,
    FS_SIM_ALL = 63,
} fs_sim_calls;

/* An empty disk with the root folder "/". The seed decides when pages reach the disk unasked, as a kernel's do. */
fs_sim *fs_sim_new(uint64_t seed);
void fs_sim_free(fs_sim *sim);
/* The file system to hand to the code under test; lives as long as sim. */
fs *fs_sim_fs(fs_sim *sim);

/* The disk after power loss, by seed; the original is unchanged and may be asked again. The caller frees it. */
fs_sim *fs_sim_power_loss(fs_sim *sim, uint64_t seed);
/* The files after the process was killed: everything written is there, synced or not; locks are gone. */
fs_sim *fs_sim_process_kill(fs_sim *sim);

/*
 * Makes the nth (from 1) of the counted calls from now on fail with this errno; sticky: and all later ones. A
 * failing write puts half of its bytes in place first. n == 0 ends it.
 */
void fs_sim_fail(fs_sim *sim, unsigned calls, uint64_t n, int os_error, bool sticky);
/*
 * The process dies at the nth call from now on: it and all later ones fail, and what was not synced stays unsynced (a
 * sync that fails otherwise loses it, as Linux does).
 */
void fs_sim_die(fs_sim *sim, uint64_t n);
/* Whether the failure asked for has happened: a sweep ends with the first n for which it has not. */
bool fs_sim_failed(fs_sim *sim);

/* Sync places in the order of their first call: how many there were, and the name of each (valid until fs_sim_free). */
size_t fs_sim_site_count(fs_sim *sim);
const char *fs_sim_site(fs_sim *sim, size_t i);
/* Every sync of this place does nothing from now on and reports success. NULL ends it. */
void fs_sim_ignore_site(fs_sim *sim, const char *site);
/* Syncs that were carried out so far. */
uint64_t fs_sim_sync_count(fs_sim *sim);

/* Reads without waiting report FILE_READ_WAIT every other time when set: both paths of a reader are then taken. */
void fs_sim_cold(fs_sim *sim, bool cold);
/* Flips bits of one stored byte, as a bad disk does; false when the file has no such byte. */
bool fs_sim_corrupt(fs_sim *sim, const char *path, uint64_t at, uint8_t mask);
/* Bytes that may still be written before writes fail with ENOSPC; UINT64_MAX: no limit (the start). */
void fs_sim_set_free_bytes(fs_sim *sim, uint64_t bytes);

#endif
