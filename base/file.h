/*
 * base/file.h - files and folders: the only place in the program that writes, renames, truncates, allocates,
 * unlinks or syncs.
 *
 * An `fs` is a file system behind a table of functions: fs_real() is the operating system, fs_sim (base/file_sim.h) the
 * test twin in memory that fails on command and loses power. Any thread may use an fs. A `file` may be used by
 * several threads at once for reading and writing at stated positions; open and close have one owner. A failed
 * operation returns false and sets the diag with errno in os_error; short transfers are completed inside.
 *
 * Durability: what was written is on disk after file_sync on the file AND, when the file was created or renamed,
 * fs_sync_dir on its folder AND, when the folder is new, fs_sync_dir on the folder's folder. A sync that failed is
 * never retried (the kernel may have dropped the pages and would call a second try good): the file remembers it, and
 * every later sync of the file fails with the same error.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/arena.h"
#include "base/diag.h"

typedef struct fs fs;
typedef struct file file;

/* How fs_open opens. Without FILE_READONLY the file is opened for reading and writing. */
typedef enum file_flags {
    FILE_CREATE = 1, /* make it when it is missing */
    FILE_EXCLUSIVE = 2, /* with FILE_CREATE: it must not exist (DIAG_EXISTS) */
    FILE_READONLY = 4,
} file_flags;

/* What a sync must bring to disk beside the bytes and the size. */
typedef enum file_sync_kind {
    FILE_SYNC_DATA, /* fdatasync: bytes and size */
    FILE_SYNC_ALL, /* fsync: times and the like as well */
} file_sync_kind;

/* Kinds of byte-range lock; a lock belongs to the open file (OFD), not to the process. */
typedef enum file_lock_kind { FILE_UNLOCK, FILE_LOCK_SHARED, FILE_LOCK_EXCLUSIVE } file_lock_kind;

/* The outcome of file_read_nowait. */
typedef enum file_read_status {
    FILE_READ_DONE, /* *got bytes were read; fewer than asked for: the file ends, or the rest is not in memory */
    FILE_READ_WAIT, /* nothing of it is in memory: read it with file_read on a thread that may block */
    FILE_READ_ERROR, /* the diag is set */
} file_read_status;

/* Names the place of a sync, so that a test can take this one sync out (base/file_sim.h). */
#define FILE_SITE_TEXT(line) #line
#define FILE_SITE_LINE(line) FILE_SITE_TEXT(line)
#define FILE_SITE __FILE__ ":" FILE_SITE_LINE(__LINE__)

/* The operating system's files. Never freed. */
fs *fs_real(void);

/*
 * Opens a file; the caller closes it. A missing file (without FILE_CREATE) or folder gives DIAG_NOT_FOUND, an
 * existing one with FILE_EXCLUSIVE DIAG_EXISTS, everything else DIAG_IO. Descriptors are close-on-exec.
 */
bool fs_open(fs *sys, const char *path, unsigned flags, file **out, diag *d);
/* Closes and frees; releases its locks and mappings are left to file_unmap. NULL is allowed. Makes nothing durable. */
void file_close(file *f);

/* Reads n bytes at a position; *got is smaller only when the file ends before. */
bool file_read(file *f, uint64_t at, void *p, size_t n, size_t *got, diag *d);
/* Reads exactly n bytes; a file that ends before them is DIAG_CORRUPT. */
bool file_read_all(file *f, uint64_t at, void *p, size_t n, diag *d);
/* Reads without waiting for the disk (preadv2 with RWF_NOWAIT). */
file_read_status file_read_nowait(file *f, uint64_t at, void *p, size_t n, size_t *got, diag *d);

/* Writes all n bytes at a position. After a failure any part of them may be in the file. */
bool file_write(file *f, uint64_t at, const void *p, size_t n, diag *d);
/* The same for several pieces, one behind the other, in as few system calls as possible; count <= 1024. */
bool file_writev(file *f, uint64_t at, const struct iovec *pieces, int count, diag *d);
bool file_truncate(file *f, uint64_t size, diag *d);
bool file_size(file *f, uint64_t *size, diag *d);

/* Brings the file to disk; see "Durability" above. */
#define file_sync(f, kind, d) file_sync_at((f), (kind), FILE_SITE, (d))
/* The form with an explicit name of the place; it must be a string that lives forever. */
bool file_sync_at(file *f, file_sync_kind kind, const char *site, diag *d);
/* True once a sync of this handle has failed. */
bool file_sync_failed(const file *f);

/* Brings a folder's entries (what was created, renamed and unlinked in it) to disk. */
#define fs_sync_dir(fs, path, d) fs_sync_dir_at((fs), (path), FILE_SITE, (d))
bool fs_sync_dir_at(fs *sys, const char *path, const char *site, diag *d);

/* Renames within one file system; an existing target file is replaced. */
bool fs_rename(fs *sys, const char *from, const char *to, diag *d);
/* Removes a file; one that is missing gives DIAG_NOT_FOUND. Open handles of it go on working. */
bool fs_unlink(fs *sys, const char *path, diag *d);
/* Removes an empty folder. */
bool fs_rmdir(fs *sys, const char *path, diag *d);
/*
 * Makes a folder with all missing folders above it, and syncs the parent of each that it made. Existing ones
 * are no error.
 */
#define fs_mkdirs(fs, path, d) fs_mkdirs_at((fs), (path), FILE_SITE, (d))
bool fs_mkdirs_at(fs *sys, const char *path, const char *site, diag *d);
/* Makes one folder and syncs nothing; an existing one is no error. *made (may be NULL) says whether it was made. */
bool fs_mkdir(fs *sys, const char *path, bool *made, diag *d);

/* One entry of a folder. */
typedef struct fs_entry {
    str name; /* terminated */
    bool is_dir;
} fs_entry;

/* The entries of a folder without "." and "..", sorted by name, in the arena. */
bool fs_list(fs *sys, const char *path, arena *a, fs_entry **out, size_t *count, diag *d);
/* Whether a file or folder of this name exists. */
bool fs_exists(fs *sys, const char *path);

/* Bytes that a new file could still take where path lies; UINT64_MAX when that is unknown. */
uint64_t fs_free_bytes(fs *sys, const char *path);

/*
 * Advisory lock on the whole file, held until close; DIAG_BUSY when somebody else holds it. For the data folder's
 * `lock`.
 */
bool file_lock(file *f, diag *d);
/* Takes, converts or drops a lock on a range without waiting; *got is false when somebody else is in the way. */
bool file_lock_range(file *f, uint64_t at, uint64_t n, file_lock_kind kind, bool *got, diag *d);
/* Whether somebody else holds a lock that would stop this handle from taking an exclusive one on the range. */
bool file_lock_test(file *f, uint64_t at, uint64_t n, bool *held, diag *d);

/*
 * Maps a region (page aligned) shared and writable, extending the file when it is shorter and `extend` is set; *p is
 * NULL when it is shorter and may not grow. For memory that needs no durability (SQLite's -shm). file_unmap ends it.
 */
bool file_map(file *f, uint64_t at, size_t n, bool extend, void **p, diag *d);
void file_unmap(file *f, void *p, size_t n);

/* The descriptor, for sendfile of extents; -1 when the file has none (the test twin). It stays the file's. */
int file_fd(const file *f);
/* The path it was opened by, for messages. */
const char *file_path(const file *f);
/* A number that is the same for two handles of the same file (device and inode), to find shared state of one file. */
bool file_identity(file *f, uint64_t identity[2], diag *d);

#endif
