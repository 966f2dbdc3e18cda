#include "base/file.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file_ops.h"

enum { WRITE_PIECES_MAX = 1024 };

static bool fail(diag *d, int os_error, const char *what, const char *path)
{
    switch (os_error) {
    case ENOENT:
    case ENOTDIR: diag_set(d, DIAG_NOT_FOUND, "cannot %s %s: %s", what, path, strerror(os_error)); break;
    case EEXIST: diag_set(d, DIAG_EXISTS, "cannot %s %s: it exists", what, path); break;
    default: return diag_os(d, os_error, "cannot %s %s", what, path);
    }
    if (d->os_error == 0) d->os_error = os_error;
    return false;
}

bool fs_open(fs *sys, const char *path, unsigned flags, file **out, diag *d)
{
    check(!(flags & FILE_READONLY) || !(flags & FILE_CREATE));
    *out = NULL;
    int rc = sys->ops->open(sys, path, flags, out);
    if (rc < 0) return fail(d, -rc, flags & FILE_CREATE ? "create" : "open", path);
    check(*out != NULL);
    return true;
}

void file_close(file *f)
{
    if (f) f->fs->ops->close(f);
}

bool file_read(file *f, uint64_t at, void *p, size_t n, size_t *got, diag *d)
{
    *got = 0;
    while (*got < n) {
        ssize_t rc = f->fs->ops->read(f, at + *got, (char *)p + *got, n - *got);
        if (rc == -EINTR) continue;
        if (rc < 0) return fail(d, (int)-rc, "read", f->path);
        if (rc == 0) return true;
        *got += (size_t)rc;
    }
    return true;
}

bool file_read_all(file *f, uint64_t at, void *p, size_t n, diag *d)
{
    size_t got;
    if (!file_read(f, at, p, n, &got, d)) return false;
    if (got == n) return true;
    return diag_set(d, DIAG_CORRUPT, "%s ends at byte %llu, before byte %llu", f->path, (unsigned long long)(at + got),
                    (unsigned long long)(at + n));
}

file_read_status file_read_nowait(file *f, uint64_t at, void *p, size_t n, size_t *got, diag *d)
{
    *got = 0;
    for (;;) {
        ssize_t rc = f->fs->ops->read_nowait(f, at, p, n);
        if (rc == -EINTR) continue;
        if (rc == -EAGAIN) return FILE_READ_WAIT;
        /* File systems that cannot tell (overlays, some network mounts) are read on a thread that may block. */
        if (rc == -EOPNOTSUPP || rc == -ENOSYS) return FILE_READ_WAIT;
        if (rc < 0) {
            fail(d, (int)-rc, "read", f->path);
            return FILE_READ_ERROR;
        }
        *got = (size_t)rc;
        return FILE_READ_DONE;
    }
}

bool file_write(file *f, uint64_t at, const void *p, size_t n, diag *d)
{
    struct iovec piece = {(void *)(uintptr_t)p, n};
    return file_writev(f, at, &piece, 1, d);
}

bool file_writev(file *f, uint64_t at, const struct iovec *pieces, int count, diag *d)
{
    check(count >= 0 && count <= WRITE_PIECES_MAX);
    int done = 0; /* pieces that are written whole */
    struct iovec cut = {0}; /* the rest of a piece that was written in part */
    while (done < count) {
        ssize_t rc;
        if (cut.iov_len > 0) {
            rc = f->fs->ops->write(f, at, &cut, 1);
        } else if (pieces[done].iov_len == 0) {
            done++;
            continue;
        } else {
            rc = f->fs->ops->write(f, at, pieces + done, count - done);
        }
        if (rc == -EINTR) continue;
        if (rc < 0) return fail(d, (int)-rc, "write", f->path);
        if (rc == 0) return fail(d, EIO, "write", f->path);
        at += (uint64_t)rc;
        size_t left = (size_t)rc;
        if (cut.iov_len > 0) {
            cut.iov_base = (char *)cut.iov_base + left;
            cut.iov_len -= left;
            if (cut.iov_len == 0) done++;
            continue;
        }
        while (done < count && left >= pieces[done].iov_len) left -= pieces[done++].iov_len;
        if (left > 0) cut = (struct iovec){(char *)pieces[done].iov_base + left, pieces[done].iov_len - left};
    }
    return true;
}

bool file_truncate(file *f, uint64_t size, diag *d)
{
    int rc = f->fs->ops->truncate(f, size);
    return rc < 0 ? fail(d, -rc, "truncate", f->path) : true;
}

bool file_size(file *f, uint64_t *size, diag *d)
{
    int rc = f->fs->ops->size(f, size);
    return rc < 0 ? fail(d, -rc, "look at", f->path) : true;
}

bool file_sync_at(file *f, file_sync_kind kind, const char *site, diag *d)
{
    int before = atomic_load_explicit(&f->sync_error, memory_order_acquire);
    if (before != 0) return diag_os(d, before, "an earlier sync failed of %s", f->path);
    int rc = f->fs->ops->sync(f, kind, site);
    if (rc == 0) return true;
    int none = 0;
    atomic_compare_exchange_strong(&f->sync_error, &none, -rc);
    return diag_os(d, -rc, "cannot sync %s", f->path);
}

bool file_sync_failed(const file *f)
{
    return atomic_load_explicit(&f->sync_error, memory_order_acquire) != 0;
}

bool fs_sync_dir_at(fs *sys, const char *path, const char *site, diag *d)
{
    int rc = sys->ops->sync_dir(sys, path, site);
    return rc < 0 ? fail(d, -rc, "sync the folder", path) : true;
}

bool fs_rename(fs *sys, const char *from, const char *to, diag *d)
{
    int rc = sys->ops->rename(sys, from, to);
    return rc < 0 ? fail(d, -rc, "rename", from) : true;
}

bool fs_unlink(fs *sys, const char *path, diag *d)
{
    int rc = sys->ops->unlink(sys, path);
    return rc < 0 ? fail(d, -rc, "remove", path) : true;
}

bool fs_rmdir(fs *sys, const char *path, diag *d)
{
    int rc = sys->ops->rmdir(sys, path);
    return rc < 0 ? fail(d, -rc, "remove the folder", path) : true;
}

bool fs_mkdir(fs *sys, const char *path, bool *made, diag *d)
{
    int rc = sys->ops->mkdir(sys, path);
    if (made) *made = rc == 0;
    if (rc < 0 && rc != -EEXIST) return fail(d, -rc, "make the folder", path);
    return true;
}

/* Makes one folder of the path and, when it is new, brings its entry in the folder above to disk. */
static bool make_and_sync(fs *sys, char *path, const char *site, diag *d)
{
    bool made;
    if (!fs_mkdir(sys, path, &made, d)) return false;
    if (!made) return true;
    char *slash = strrchr(path, '/');
    if (!slash) return fs_sync_dir_at(sys, ".", site, d);
    if (slash == path) return fs_sync_dir_at(sys, "/", site, d);
    *slash = '\0';
    bool ok = fs_sync_dir_at(sys, path, site, d);
    *slash = '/';
    return ok;
}

bool fs_mkdirs_at(fs *sys, const char *path, const char *site, diag *d)
{
    char copy[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof copy) return diag_set(d, DIAG_INVALID, "the path has %zu bytes: %.200s", n, path);
    memcpy(copy, path, n + 1);
    while (n > 1 && copy[n - 1] == '/') copy[--n] = '\0';
    for (size_t i = 1; i < n; i++) {
        if (copy[i] != '/' || copy[i - 1] == '/') continue;
        copy[i] = '\0';
        bool ok = make_and_sync(sys, copy, site, d);
        copy[i] = '/';
        if (!ok) return false;
    }
    return make_and_sync(sys, copy, site, d);
}

static int entry_order(const void *a, const void *b)
{
    return str_cmp(((const fs_entry *)a)->name, ((const fs_entry *)b)->name);
}

bool fs_list(fs *sys, const char *path, arena *a, fs_entry **out, size_t *count, diag *d)
{
    buf entries = {0};
    *out = NULL;
    *count = 0;
    int rc = sys->ops->list(sys, path, a, &entries);
    if (rc == 0) {
        *count = entries.len / sizeof(fs_entry);
        *out = ARENA_ARRAY(a, fs_entry, *count ? *count : 1);
        if (*count > 0) memcpy(*out, entries.data, entries.len);
        qsort(*out, *count, sizeof **out, entry_order);
    }
    buf_free(&entries);
    return rc < 0 ? fail(d, -rc, "list the folder", path) : true;
}

bool fs_exists(fs *sys, const char *path)
{
    return sys->ops->exists(sys, path) > 0;
}

uint64_t fs_free_bytes(fs *sys, const char *path)
{
    return sys->ops->free_bytes(sys, path);
}

bool file_lock(file *f, diag *d)
{
    int rc = f->fs->ops->lock(f);
    if (rc == -EWOULDBLOCK || rc == -EACCES) return diag_set(d, DIAG_BUSY, "%s is locked by another process", f->path);
    return rc < 0 ? fail(d, -rc, "lock", f->path) : true;
}

bool file_lock_range(file *f, uint64_t at, uint64_t n, file_lock_kind kind, bool *got, diag *d)
{
    int rc = f->fs->ops->lock_range(f, at, n, kind);
    *got = rc == 0;
    if (rc == 0 || rc == -EAGAIN || rc == -EACCES) return true;
    return fail(d, -rc, "lock a range of", f->path);
}

bool file_lock_test(file *f, uint64_t at, uint64_t n, bool *held, diag *d)
{
    int rc = f->fs->ops->lock_test(f, at, n, held);
    return rc < 0 ? fail(d, -rc, "test a lock of", f->path) : true;
}

bool file_map(file *f, uint64_t at, size_t n, bool extend, void **p, diag *d)
{
    *p = NULL;
    uint64_t size;
    if (!file_size(f, &size, d)) return false;
    if (size < at + n) {
        if (!extend) return true;
        if (!file_truncate(f, at + n, d)) return false;
    }
    int rc = f->fs->ops->map(f, at, n, p);
    return rc < 0 ? fail(d, -rc, "map", f->path) : true;
}

void file_unmap(file *f, void *p, size_t n)
{
    f->fs->ops->unmap(f, p, n);
}

int file_fd(const file *f)
{
    return f->fd;
}

const char *file_path(const file *f)
{
    return f->path;
}

bool file_identity(file *f, uint64_t identity[2], diag *d)
{
    int rc = f->fs->ops->identity(f, identity);
    return rc < 0 ? fail(d, -rc, "look at", f->path) : true;
}
