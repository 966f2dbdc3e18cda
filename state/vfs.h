/*
 * state/vfs.h - SQLite's file access over base/file, so that one place does all writing and the test twin sees it.
 *
 * A registered VFS serves one fs. Databases opened through it use open-file-description locks, which any other process
 * with the ordinary sqlite3 respects and which survive that several connections of this process open and close the
 * same file; WAL's shared memory is a mapped -shm file in SQLite's own format. Register once per fs; any thread.
 */
#ifndef STATE_VFS_H
#define STATE_VFS_H

#include "base/file.h"

/*
 * The name of the VFS that serves this fs, registered with SQLite at the first call. Never unregistered for fs_real();
 * vfs_forget ends the one of a test's fs.
 */
const char *vfs_name(fs *sys);

/* Unregisters the VFS of an fs that is going away; all its databases are closed. */
void vfs_forget(fs *sys);

/* Why the last call of this thread into a VFS failed, with the path and the system's reason; empty when none did. */
const char *vfs_last_error(void);

#endif
