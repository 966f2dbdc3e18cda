/*
 * base/file_ops.h - what a file system behind base/file.h provides. For base/file*.c only.
 *
 * Every function returns 0 (or a count) on success and a negative errno on failure; base/file.c makes diags of them,
 * loops over short transfers, and remembers failed syncs. Thread rules as in base/file.h.
 */
#ifndef BASE_FILE_OPS_H
#define BASE_FILE_OPS_H

#include <stdatomic.h>
#include <sys/types.h>

#include "base/file.h"

/* One open file. A file system may embed it as the first member of something larger. */
struct file {
    fs *fs;
    char *path;
    atomic_int sync_error; /* errno of the sync that failed, 0: none did */
    int fd; /* -1: the file has none */
};

/* The functions of a file system. */
typedef struct fs_ops {
    int (*open)(fs *sys, const char *path, unsigned flags, file **out);
    void (*close)(file *f);
    ssize_t (*read)(file *f, uint64_t at, void *p, size_t n);
    ssize_t (*read_nowait)(file *f, uint64_t at, void *p, size_t n); /* -EAGAIN: not in memory */
    ssize_t (*write)(file *f, uint64_t at, const struct iovec *pieces, int count);
    int (*truncate)(file *f, uint64_t size);
    int (*size)(file *f, uint64_t *size);
    int (*sync)(file *f, file_sync_kind kind, const char *site);
    int (*lock)(file *f);
    int (*lock_range)(file *f, uint64_t at, uint64_t n, file_lock_kind kind);
    int (*lock_test)(file *f, uint64_t at, uint64_t n, bool *held);
    int (*map)(file *f, uint64_t at, size_t n, void **p);
    void (*unmap)(file *f, void *p, size_t n);
    int (*identity)(file *f, uint64_t identity[2]);
    int (*sync_dir)(fs *sys, const char *path, const char *site);
    int (*rename)(fs *sys, const char *from, const char *to);
    int (*unlink)(fs *sys, const char *path);
    int (*rmdir)(fs *sys, const char *path);
    int (*mkdir)(fs *sys, const char *path);
    int (*list)(fs *sys, const char *path, arena *a, buf *entries); /* fs_entry records, any order */
    int (*exists)(fs *sys, const char *path); /* 1 yes, 0 no */
    uint64_t (*free_bytes)(fs *sys, const char *path);
} fs_ops;

/* One file system. May be embedded as the first member of something larger. */
struct fs {
    const fs_ops *ops;
};

#endif
