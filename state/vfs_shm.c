#include "state/vfs_shm.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

enum {
    LOCK_BASE = (22 + SQLITE_SHM_NLOCK) * 4, /* of the first lock byte, behind the header of the WAL index */
    ALIVE_BYTE = LOCK_BASE + SQLITE_SHM_NLOCK, /* every connection holds it shared; who gets it alone starts afresh */
    FRESH_SIZE = 3, /* what a fresh file is cut to: anything shorter than a header makes SQLite rebuild it */
    REGIONS_MAX = 4096,
};

struct vfs_shm {
    fs *sys;
    file *f;
    char *path;
    void **regions;
    int region_count;
    size_t region_size;
};

/* The first connection empties what a crash may have left; all then hold the byte that says somebody is there. */
static int join(vfs_shm *m, diag *d)
{
    bool alone, got;
    if (!file_lock_range(m->f, ALIVE_BYTE, 1, FILE_LOCK_EXCLUSIVE, &alone, d)) return SQLITE_IOERR_SHMLOCK;
    if (alone && !file_truncate(m->f, FRESH_SIZE, d)) return SQLITE_IOERR_SHMOPEN;
    if (!file_lock_range(m->f, ALIVE_BYTE, 1, FILE_LOCK_SHARED, &got, d)) return SQLITE_IOERR_SHMLOCK;
    return got ? SQLITE_OK : SQLITE_BUSY;
}

int vfs_shm_open(fs *sys, const char *database, vfs_shm **out, diag *d)
{
    vfs_shm *m = calloc(1, sizeof *m);
    check(m != NULL);
    m->sys = sys;
    size_t n = strlen(database) + sizeof "-shm";
    m->path = malloc(n);
    check(m->path != NULL);
    snprintf(m->path, n, "%s-shm", database);
    int rc = SQLITE_CANTOPEN;
    if (fs_open(sys, m->path, FILE_CREATE, &m->f, d)) rc = join(m, d);
    if (rc != SQLITE_OK) {
        vfs_shm_close(m, false);
        return rc;
    }
    *out = m;
    return SQLITE_OK;
}

void vfs_shm_close(vfs_shm *m, bool remove)
{
    for (int i = 0; i < m->region_count; i++) {
        if (m->regions[i]) file_unmap(m->f, m->regions[i], m->region_size);
    }
    diag ignored = {0};
    if (remove) fs_unlink(m->sys, m->path, &ignored);
    file_close(m->f);
    free(m->regions);
    free(m->path);
    free(m);
}

bool vfs_shm_region(vfs_shm *m, int region, int size, bool extend, void **p, diag *d)
{
    check(region >= 0 && region < REGIONS_MAX);
    if (region >= m->region_count) {
        m->regions = realloc(m->regions, (size_t)(region + 1) * sizeof *m->regions);
        check(m->regions != NULL);
        while (m->region_count <= region) m->regions[m->region_count++] = NULL;
        m->region_size = (size_t)size;
    }
    if (!m->regions[region]) {
        uint64_t at = (uint64_t)region * (uint64_t)size;
        if (!file_map(m->f, at, (size_t)size, extend, &m->regions[region], d)) return false;
    }
    *p = m->regions[region];
    return true;
}

int vfs_shm_lock(vfs_shm *m, int slot, int n, int flags, diag *d)
{
    check(slot >= 0 && n >= 1 && slot + n <= SQLITE_SHM_NLOCK);
    file_lock_kind kind = FILE_UNLOCK;
    if (flags & SQLITE_SHM_LOCK) kind = flags & SQLITE_SHM_EXCLUSIVE ? FILE_LOCK_EXCLUSIVE : FILE_LOCK_SHARED;
    bool got;
    if (!file_lock_range(m->f, LOCK_BASE + (uint64_t)slot, (uint64_t)n, kind, &got, d)) return SQLITE_IOERR_SHMLOCK;
    return got ? SQLITE_OK : SQLITE_BUSY;
}
