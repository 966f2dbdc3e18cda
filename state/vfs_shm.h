/*
 * state/vfs_shm.h - the shared memory beside a WAL database: the -shm file, mapped, with its lock bytes.
 *
 * One per connection, used by that connection's thread. The layout of the locks is SQLite's, so that connections of
 * other processes take part. The file needs no durability: SQLite rebuilds it from the WAL.
 */
#ifndef STATE_VFS_SHM_H
#define STATE_VFS_SHM_H

#include "base/file.h"

typedef struct vfs_shm vfs_shm;

/*
 * Opens the shared memory of a database; an SQLite result code, with the diag set unless it is SQLITE_OK or
 * SQLITE_BUSY.
 */
int vfs_shm_open(fs *sys, const char *database, vfs_shm **out, diag *d);
/* Unmaps and closes; unlinks the file when remove is set. */
void vfs_shm_close(vfs_shm *m, bool remove);
/* The region of this number, or *p NULL when the file is shorter and may not be extended. */
bool vfs_shm_region(vfs_shm *m, int region, int size, bool extend, void **p, diag *d);
/* SQLite's xShmLock: flags are SQLITE_SHM_*. */
int vfs_shm_lock(vfs_shm *m, int slot, int n, int flags, diag *d);

#endif
