/* The operating system's files behind base/file.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file_ops.h"

static int posix_open(fs *sys, const char *path, unsigned flags, file **out)
{
    int how = O_CLOEXEC | (flags & FILE_READONLY ? O_RDONLY : O_RDWR);
    if (flags & FILE_CREATE) how |= O_CREAT;
    if (flags & FILE_EXCLUSIVE) how |= O_EXCL;
    int fd;
    do {
        fd = open(path, how, 0644);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) return -errno;
    /* Descriptors 0 to 2 would receive what is printed when a caller has closed its standard streams. */
    while (fd >= 0 && fd <= 2) {
        int low = fd;
        fd = fcntl(low, F_DUPFD_CLOEXEC, 3);
        int saved = errno;
        close(low);
        if (fd < 0) return -saved;
    }
    file *f = calloc(1, sizeof *f);
    check(f != NULL);
    f->fs = sys;
    f->path = strdup(path);
    check(f->path != NULL);
    f->fd = fd;
    *out = f;
    return 0;
}

static void posix_close(file *f)
{
    close(f->fd);
    free(f->path);
    free(f);
}

static ssize_t result(ssize_t rc)
{
    return rc < 0 ? -errno : rc;
}

static ssize_t posix_read(file *f, uint64_t at, void *p, size_t n)
{
    return result(pread(f->fd, p, n, (off_t)at));
}

static ssize_t posix_read_nowait(file *f, uint64_t at, void *p, size_t n)
{
    struct iovec piece = {p, n};
    return result(preadv2(f->fd, &piece, 1, (off_t)at, RWF_NOWAIT));
}

static ssize_t posix_write(file *f, uint64_t at, const struct iovec *pieces, int count)
{
    return result(pwritev(f->fd, pieces, count, (off_t)at));
}

static int posix_truncate(file *f, uint64_t size)
{
    int rc;
    do {
        rc = ftruncate(f->fd, (off_t)size);
    } while (rc < 0 && errno == EINTR);
    return (int)result(rc);
}

static int posix_size(file *f, uint64_t *size)
{
    struct stat st;
    if (fstat(f->fd, &st) < 0) return -errno;
    *size = (uint64_t)st.st_size;
    return 0;
}

/* EINTR is the only answer after which a sync was not tried; every other failure stands. */
static int sync_fd(int fd, file_sync_kind kind)
{
    int rc;
    do {
        rc = kind == FILE_SYNC_DATA ? fdatasync(fd) : fsync(fd);
    } while (rc < 0 && errno == EINTR);
    return (int)result(rc);
}

static int posix_sync(file *f, file_sync_kind kind, const char *site)
{
    (void)site;
    return sync_fd(f->fd, kind);
}

static int posix_lock(file *f)
{
    return (int)result(flock(f->fd, LOCK_EX | LOCK_NB));
}

static int posix_lock_range(file *f, uint64_t at, uint64_t n, file_lock_kind kind)
{
    struct flock lock = {.l_whence = SEEK_SET, .l_start = (off_t)at, .l_len = (off_t)n};
    lock.l_type = kind == FILE_UNLOCK ? F_UNLCK : kind == FILE_LOCK_SHARED ? F_RDLCK : F_WRLCK;
    return (int)result(fcntl(f->fd, F_OFD_SETLK, &lock));
}

static int posix_lock_test(file *f, uint64_t at, uint64_t n, bool *held)
{
    struct flock lock = {.l_whence = SEEK_SET, .l_start = (off_t)at, .l_len = (off_t)n, .l_type = F_WRLCK};
    if (fcntl(f->fd, F_OFD_GETLK, &lock) < 0) return -errno;
    *held = lock.l_type != F_UNLCK;
    return 0;
}

static int posix_map(file *f, uint64_t at, size_t n, void **p)
{
    void *m = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, (off_t)at);
    if (m == MAP_FAILED) return -errno;
    *p = m;
    return 0;
}

static void posix_unmap(file *f, void *p, size_t n)
{
    (void)f;
    check(munmap(p, n) == 0);
}

static int posix_identity(file *f, uint64_t identity[2])
{
    struct stat st;
    if (fstat(f->fd, &st) < 0) return -errno;
    identity[0] = (uint64_t)st.st_dev;
    identity[1] = (uint64_t)st.st_ino;
    return 0;
}

static int posix_sync_dir(fs *sys, const char *path, const char *site)
{
    (void)sys;
    (void)site;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -errno;
    int rc = sync_fd(fd, FILE_SYNC_ALL);
    close(fd);
    return rc;
}

static int posix_rename(fs *sys, const char *from, const char *to)
{
    (void)sys;
    return (int)result(rename(from, to));
}

static int posix_unlink(fs *sys, const char *path)
{
    (void)sys;
    return (int)result(unlink(path));
}

static int posix_rmdir(fs *sys, const char *path)
{
    (void)sys;
    return (int)result(rmdir(path));
}

static int posix_mkdir(fs *sys, const char *path)
{
    (void)sys;
    return (int)result(mkdir(path, 0755));
}

/* Whether an entry is a folder, where the file system does not say so in the listing itself. */
static bool entry_is_dir(int dir, const struct dirent *e)
{
    if (e->d_type != DT_UNKNOWN && e->d_type != DT_LNK) return e->d_type == DT_DIR;
    struct stat st;
    return fstatat(dir, e->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

static int posix_list(fs *sys, const char *path, arena *a, buf *entries)
{
    (void)sys;
    DIR *dir = opendir(path);
    if (!dir) return -errno;
    int rc = 0;
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (!e) {
            rc = -errno;
            break;
        }
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        fs_entry entry = {arena_str(a, str_z(e->d_name)), entry_is_dir(dirfd(dir), e)};
        buf_add(entries, &entry, sizeof entry);
    }
    closedir(dir);
    return rc;
}

static int posix_exists(fs *sys, const char *path)
{
    (void)sys;
    return access(path, F_OK) == 0;
}

static uint64_t posix_free_bytes(fs *sys, const char *path)
{
    (void)sys;
    struct statvfs st;
    if (statvfs(path, &st) < 0) return UINT64_MAX;
    return (uint64_t)st.f_bavail * st.f_frsize;
}

fs *fs_real(void)
{
    static const fs_ops ops = {
        .open = posix_open,
        .close = posix_close,
        .read = posix_read,
        .read_nowait = posix_read_nowait,
        .write = posix_write,
        .truncate = posix_truncate,
        .size = posix_size,
        .sync = posix_sync,
        .lock = posix_lock,
        .lock_range = posix_lock_range,
        .lock_test = posix_lock_test,
        .map = posix_map,
        .unmap = posix_unmap,
        .identity = posix_identity,
        .sync_dir = posix_sync_dir,
        .rename = posix_rename,
        .unlink = posix_unlink,
        .rmdir = posix_rmdir,
        .mkdir = posix_mkdir,
        .list = posix_list,
        .exists = posix_exists,
        .free_bytes = posix_free_bytes,
    };
    static fs real = {&ops};
    return &real;
}
