/*
 * The file methods, locks and shared memory follow SQLite's documented contract (sqlite.org/vfs.html,
 * fileformat2.html for the locking bytes, walformat.html for the -shm file), so that other programs can open the same
 * database meanwhile.
 */
#include "state/vfs.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "state/vfs_shm.h"

enum {
    PENDING_BYTE = 0x40000000,
    RESERVED_BYTE = PENDING_BYTE + 1,
    SHARED_FIRST = PENDING_BYTE + 2,
    SHARED_SIZE = 510,
    PATH_BYTES = 512,
    VFS_MAX = 64,
};

typedef struct vfs_file {
    sqlite3_file base;
    fs *sys;
    file *f;
    int lock; /* SQLITE_LOCK_* held now */
    bool sync_dir; /* the file was created: its first sync brings the folder's entry along */
    bool delete_on_close;
    const char *site; /* names its syncs for tests that take one out */
    vfs_shm *shm;
} vfs_file;

typedef struct vfs {
    sqlite3_vfs base;
    fs *sys;
    char name[32];
} vfs;

static __thread diag last_error;

/* Notes why a call failed and gives SQLite's code for it. */
static int failed(const diag *d, int code)
{
    last_error = *d;
    return d->os_error == ENOSPC ? SQLITE_FULL : code;
}

const char *vfs_last_error(void)
{
    return last_error.text;
}

/* ---- one file -------------------------------------------------------------------------------------------- */

static vfs_file *file_of(sqlite3_file *base)
{
    return (vfs_file *)base;
}

static int vfs_close(sqlite3_file *base)
{
    vfs_file *v = file_of(base);
    if (v->shm) vfs_shm_close(v->shm, false);
    diag d = {0};
    if (v->delete_on_close) fs_unlink(v->sys, file_path(v->f), &d);
    file_close(v->f);
    return SQLITE_OK;
}

static int vfs_read(sqlite3_file *base, void *p, int n, sqlite3_int64 at)
{
    diag d = {0};
    size_t got;
    if (!file_read(file_of(base)->f, (uint64_t)at, p, (size_t)n, &got, &d)) return failed(&d, SQLITE_IOERR_READ);
    if (got == (size_t)n) return SQLITE_OK;
    memset((char *)p + got, 0, (size_t)n - got);
    return SQLITE_IOERR_SHORT_READ;
}

static int vfs_write(sqlite3_file *base, const void *p, int n, sqlite3_int64 at)
{
    diag d = {0};
    if (!file_write(file_of(base)->f, (uint64_t)at, p, (size_t)n, &d)) return failed(&d, SQLITE_IOERR_WRITE);
    return SQLITE_OK;
}

static int vfs_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    diag d = {0};
    if (!file_truncate(file_of(base)->f, (uint64_t)size, &d)) return failed(&d, SQLITE_IOERR_TRUNCATE);
    return SQLITE_OK;
}

/* The folder that a path lies in. */
static void folder_of(const char *path, char out[PATH_BYTES])
{
    size_t n = strlen(path);
    while (n > 0 && path[n - 1] != '/') n--;
    while (n > 1 && path[n - 1] == '/') n--;
    if (n == 0) {
        memcpy(out, ".", 2);
        return;
    }
    memcpy(out, path, n);
    out[n] = '\0';
}

static int vfs_sync(sqlite3_file *base, int flags)
{
    vfs_file *v = file_of(base);
    diag d = {0};
    file_sync_kind kind = flags & SQLITE_SYNC_DATAONLY ? FILE_SYNC_DATA : FILE_SYNC_ALL;
    if (!file_sync_at(v->f, kind, v->site, &d)) return failed(&d, SQLITE_IOERR_FSYNC);
    if (v->sync_dir) {
        char folder[PATH_BYTES];
        folder_of(file_path(v->f), folder);
        if (!fs_sync_dir(v->sys, folder, &d)) return failed(&d, SQLITE_IOERR_DIR_FSYNC);
        v->sync_dir = false;
    }
    return SQLITE_OK;
}

static int vfs_size(sqlite3_file *base, sqlite3_int64 *size)
{
    diag d = {0};
    uint64_t n;
    if (!file_size(file_of(base)->f, &n, &d)) return failed(&d, SQLITE_IOERR_FSTAT);
    *size = (sqlite3_int64)n;
    return SQLITE_OK;
}

/* ---- locks of the database file -------------------------------------------------------------------------- */

static int lock_range(vfs_file *v, uint64_t at, uint64_t n, file_lock_kind kind)
{
    diag d = {0};
    bool got;
    if (!file_lock_range(v->f, at, n, kind, &got, &d)) return failed(&d, SQLITE_IOERR_LOCK);
    return got ? SQLITE_OK : SQLITE_BUSY;
}

static int lock_shared(vfs_file *v)
{
    int rc = lock_range(v, PENDING_BYTE, 1, FILE_LOCK_SHARED);
    if (rc != SQLITE_OK) return rc;
    rc = lock_range(v, SHARED_FIRST, SHARED_SIZE, FILE_LOCK_SHARED);
    int undo = lock_range(v, PENDING_BYTE, 1, FILE_UNLOCK);
    return rc != SQLITE_OK ? rc : undo;
}

static int vfs_lock(sqlite3_file *base, int level)
{
    vfs_file *v = file_of(base);
    if (v->lock >= level) return SQLITE_OK;
    int rc = SQLITE_OK;
    if (level == SQLITE_LOCK_SHARED) {
        rc = lock_shared(v);
    } else if (level == SQLITE_LOCK_RESERVED) {
        rc = lock_range(v, RESERVED_BYTE, 1, FILE_LOCK_EXCLUSIVE);
    } else {
        if (v->lock < SQLITE_LOCK_PENDING) {
            rc = lock_range(v, PENDING_BYTE, 1, FILE_LOCK_EXCLUSIVE);
            if (rc == SQLITE_OK) v->lock = SQLITE_LOCK_PENDING;
        }
        if (rc == SQLITE_OK) rc = lock_range(v, SHARED_FIRST, SHARED_SIZE, FILE_LOCK_EXCLUSIVE);
    }
    if (rc == SQLITE_OK) v->lock = level;
    return rc;
}

static int vfs_unlock(sqlite3_file *base, int level)
{
    vfs_file *v = file_of(base);
    if (v->lock <= level) return SQLITE_OK;
    int rc = SQLITE_OK;
    if (level == SQLITE_LOCK_SHARED && v->lock == SQLITE_LOCK_EXCLUSIVE) {
        rc = lock_range(v, SHARED_FIRST, SHARED_SIZE, FILE_LOCK_SHARED);
    }
    if (rc == SQLITE_OK) rc = lock_range(v, PENDING_BYTE, 2, FILE_UNLOCK);
    if (rc == SQLITE_OK && level == SQLITE_LOCK_NONE) rc = lock_range(v, SHARED_FIRST, SHARED_SIZE, FILE_UNLOCK);
    if (rc == SQLITE_OK) v->lock = level;
    return rc;
}

static int vfs_check_reserved(sqlite3_file *base, int *held)
{
    vfs_file *v = file_of(base);
    diag d = {0};
    bool other = false;
    *held = 0;
    if (v->lock <= SQLITE_LOCK_SHARED && !file_lock_test(v->f, RESERVED_BYTE, 1, &other, &d)) {
        return failed(&d, SQLITE_IOERR_CHECKRESERVEDLOCK);
    }
    *held = v->lock > SQLITE_LOCK_SHARED || other;
    return SQLITE_OK;
}

static int vfs_control(sqlite3_file *base, int op, void *arg)
{
    vfs_file *v = file_of(base);
    if (op == SQLITE_FCNTL_LOCKSTATE) {
        *(int *)arg = v->lock;
        return SQLITE_OK;
    }
    return SQLITE_NOTFOUND;
}

static int vfs_sector_size(sqlite3_file *base)
{
    return 4096;
}

/* Bytes beside those of a write stay as they are when the power goes: pages are written whole. */
static int vfs_characteristics(sqlite3_file *base)
{
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* ---- shared memory of WAL -------------------------------------------------------------------------------- */

static int vfs_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **out)
{
    vfs_file *v = file_of(base);
    diag d = {0};
    *out = NULL;
    if (!v->shm) {
        int rc = vfs_shm_open(v->sys, file_path(v->f), &v->shm, &d);
        if (rc != SQLITE_OK) return failed(&d, rc);
    }
    void *p;
    if (!vfs_shm_region(v->shm, region, size, extend, &p, &d)) return failed(&d, SQLITE_IOERR_SHMMAP);
    *out = p;
    return SQLITE_OK;
}

static int vfs_shm_lock_method(sqlite3_file *base, int slot, int n, int flags)
{
    vfs_file *v = file_of(base);
    diag d = {0};
    if (!v->shm) return SQLITE_IOERR_SHMLOCK;
    int rc = vfs_shm_lock(v->shm, slot, n, flags, &d);
    return diag_is_set(&d) ? failed(&d, rc) : rc;
}

static void vfs_shm_barrier(sqlite3_file *base)
{
    __sync_synchronize();
}

static int vfs_shm_unmap(sqlite3_file *base, int delete)
{
    vfs_file *v = file_of(base);
    if (v->shm) vfs_shm_close(v->shm, delete != 0);
    v->shm = NULL;
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = vfs_close,
    .xRead = vfs_read,
    .xWrite = vfs_write,
    .xTruncate = vfs_truncate,
    .xSync = vfs_sync,
    .xFileSize = vfs_size,
    .xLock = vfs_lock,
    .xUnlock = vfs_unlock,
    .xCheckReservedLock = vfs_check_reserved,
    .xFileControl = vfs_control,
    .xSectorSize = vfs_sector_size,
    .xDeviceCharacteristics = vfs_characteristics,
    .xShmMap = vfs_shm_map,
    .xShmLock = vfs_shm_lock_method,
    .xShmBarrier = vfs_shm_barrier,
    .xShmUnmap = vfs_shm_unmap,
};

/* ---- the file system ------------------------------------------------------------------------------------- */

static const char *site_of(int flags)
{
    if (flags & SQLITE_OPEN_MAIN_DB) return "sqlite database";
    if (flags & SQLITE_OPEN_WAL) return "sqlite wal";
    return "sqlite journal";
}

static int vfs_open(sqlite3_vfs *base, const char *name, sqlite3_file *out, int flags, int *out_flags)
{
    vfs *self = (vfs *)base;
    vfs_file *v = file_of(out);
    memset(v, 0, sizeof *v);
    /* A temporary file has no name; SQLite is told to keep those in memory (PRAGMA temp_store), so none is expected. */
    if (!name) return SQLITE_CANTOPEN;
    diag d = {0};
    unsigned how = flags & SQLITE_OPEN_READWRITE ? 0 : FILE_READONLY;
    if (flags & SQLITE_OPEN_CREATE) how |= FILE_CREATE;
    if (flags & SQLITE_OPEN_EXCLUSIVE) how |= FILE_EXCLUSIVE;
    if (!fs_open(self->sys, name, how, &v->f, &d)) return failed(&d, SQLITE_CANTOPEN);
    v->sys = self->sys;
    /* A file that is there already may have been made by a process that was killed before it synced the folder. */
    v->sync_dir = (how & FILE_CREATE) != 0;
    v->delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    v->site = site_of(flags);
    v->base.pMethods = &methods;
    if (out_flags) *out_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *base, const char *name, int sync_dir)
{
    vfs *self = (vfs *)base;
    diag d = {0};
    if (!fs_unlink(self->sys, name, &d)) {
        return d.code == DIAG_NOT_FOUND ? SQLITE_IOERR_DELETE_NOENT : failed(&d, SQLITE_IOERR_DELETE);
    }
    char folder[PATH_BYTES];
    folder_of(name, folder);
    if (sync_dir && !fs_sync_dir(self->sys, folder, &d)) return failed(&d, SQLITE_IOERR_DIR_FSYNC);
    return SQLITE_OK;
}

/* An empty journal counts as absent, as in SQLite's own VFS. */
static int vfs_access(sqlite3_vfs *base, const char *name, int flags, int *result)
{
    vfs *self = (vfs *)base;
    *result = fs_exists(self->sys, name);
    if (*result && flags == SQLITE_ACCESS_EXISTS) {
        diag d = {0};
        file *f;
        uint64_t size = 0;
        if (fs_open(self->sys, name, FILE_READONLY, &f, &d)) {
            if (file_size(f, &size, &d)) *result = size > 0;
            file_close(f);
        }
    }
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *base, const char *name, int n, char *out)
{
    if (name[0] == '/') {
        if (snprintf(out, (size_t)n, "%s", name) >= n) return SQLITE_CANTOPEN;
        return SQLITE_OK;
    }
    char cwd[PATH_MAX];
    if (!getcwd(cwd, sizeof cwd) || snprintf(out, (size_t)n, "%s/%s", cwd, name) >= n) return SQLITE_CANTOPEN;
    return SQLITE_OK;
}

static int vfs_get_last_error(sqlite3_vfs *base, int n, char *out)
{
    if (n > 0) snprintf(out, (size_t)n, "%s", last_error.text);
    return last_error.os_error;
}

/* ---- registration ---------------------------------------------------------------------------------------- */

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static vfs *registry[VFS_MAX];

/* Randomness, time and sleeping are those of SQLite's default VFS: they touch no file. */
static vfs *register_vfs(fs *sys, int slot)
{
    sqlite3_vfs *system = sqlite3_vfs_find(NULL);
    check(system != NULL);
    vfs *v = calloc(1, sizeof *v);
    check(v != NULL);
    snprintf(v->name, sizeof v->name, "weir-%d", slot);
    v->sys = sys;
    v->base = (sqlite3_vfs){.iVersion = 1,
                            .szOsFile = sizeof(vfs_file),
                            .mxPathname = PATH_BYTES - 1,
                            .zName = v->name,
                            .xOpen = vfs_open,
                            .xDelete = vfs_delete,
                            .xAccess = vfs_access,
                            .xFullPathname = vfs_full_path,
                            .xRandomness = system->xRandomness,
                            .xSleep = system->xSleep,
                            .xCurrentTime = system->xCurrentTime,
                            .xGetLastError = vfs_get_last_error};
    check(sqlite3_vfs_register(&v->base, 0) == SQLITE_OK);
    return v;
}

const char *vfs_name(fs *sys)
{
    pthread_mutex_lock(&registry_lock);
    int slot = -1;
    for (int i = 0; i < VFS_MAX; i++) {
        if (registry[i] && registry[i]->sys == sys) {
            slot = i;
            break;
        }
        if (!registry[i] && slot < 0) slot = i;
    }
    check(slot >= 0);
    if (!registry[slot]) registry[slot] = register_vfs(sys, slot);
    const char *name = registry[slot]->name;
    pthread_mutex_unlock(&registry_lock);
    return name;
}

void vfs_forget(fs *sys)
{
    pthread_mutex_lock(&registry_lock);
    for (int i = 0; i < VFS_MAX; i++) {
        if (!registry[i] || registry[i]->sys != sys) continue;
        sqlite3_vfs_unregister(&registry[i]->base);
        free(registry[i]);
        registry[i] = NULL;
    }
    pthread_mutex_unlock(&registry_lock);
}
