/*
 * base/file_sim_int.h - the data of the test twin, shared by its files (base/file_sim*.c) and nobody else.
 *
 * Everything is guarded by fs_sim.mutex. Nodes live until the sim is freed, so that handles of unlinked files stay
 * good.
 */
#ifndef BASE_FILE_SIM_INT_H
#define BASE_FILE_SIM_INT_H

#include <pthread.h>

#include "base/buf.h"
#include "base/file_ops.h"
#include "base/file_sim.h"
#include "base/rng.h"

enum { SIM_PAGE = 4096, SIM_SECTOR = 512 };

typedef struct sim_node sim_node;

/* One name in a folder. */
typedef struct sim_entry {
    char *name;
    sim_node *node;
} sim_entry;

/* The names of a folder, as one side (program or disk) sees them. */
typedef struct sim_names {
    sim_entry *items;
    size_t count, cap;
} sim_names;

/* One change of a folder that is not on disk yet: `removed` disappears, `set` becomes `node`; either may be NULL. */
typedef struct sim_change {
    char *removed;
    char *set;
    sim_node *node;
} sim_change;

/* A byte-range lock. */
typedef struct sim_lock {
    const file *owner;
    uint64_t at, end;
    bool exclusive;
} sim_lock;

/* A mapped region, one for all who map the same place. */
typedef struct sim_map {
    uint64_t at;
    size_t n;
    void *p;
    int users;
} sim_map;

/* A file or folder: what the program sees and what the disk holds. */
struct sim_node {
    bool is_dir;
    uint64_t number;
    buf now, disk; /* a file's bytes */
    size_t dirty_from, dirty_to; /* bytes that a sync has to bring over */
    sim_names names, disk_names; /* a folder's entries */
    buf changes; /* sim_change: entry changes since the last sync of the folder */
    const file *whole_lock;
    buf locks; /* sim_lock */
    buf maps; /* sim_map */
};

struct fs_sim {
    fs fs; /* first: the handle is cast back */
    pthread_mutex_t mutex;
    rng random;
    sim_node **nodes;
    size_t node_count, node_cap;
    sim_node *root;
    uint64_t open_files;

    unsigned fail_calls;
    uint64_t fail_in; /* counted calls until the failure, 0: none is asked for */
    int fail_error;
    bool fail_sticky;
    bool dying; /* failures are those of a process that is no more */
    bool failed;

    buf sites; /* const char * */
    const char *ignored_site;
    uint64_t syncs;
    bool cold;
    uint64_t cold_turn;
    uint64_t free_bytes;
};

/* A new node, owned by the sim. */
sim_node *sim_node_new(fs_sim *sim, bool is_dir);
/* The node of a name, or NULL. */
sim_node *sim_names_get(const sim_names *names, const char *name);
/* Sets or, with node NULL, removes a name. */
void sim_names_set(sim_names *names, const char *name, sim_node *node);
/* Makes the buffer n bytes long, with zeros where it grows. */
void sim_resize(buf *b, size_t n);
/* The node at a path, or NULL. */
sim_node *sim_find(fs_sim *sim, const char *path);
/* The folder above the last part of a path, or NULL; *name points at that part (inside `storage`, PATH_MAX bytes). */
sim_node *sim_find_parent(fs_sim *sim, const char *path, char *storage, const char **name);
/* Counts a call; a positive errno when it is to fail. */
int sim_count_call(fs_sim *sim, fs_sim_calls call);
/* The functions on names (base/file_sim_names.c). */
int sim_mkdir(fs *sys, const char *path);
int sim_rmdir(fs *sys, const char *path);
int sim_unlink(fs *sys, const char *path);
int sim_rename(fs *sys, const char *from, const char *to);
int sim_list(fs *sys, const char *path, arena *a, buf *entries);
int sim_exists(fs *sys, const char *path);
int sim_sync_dir(fs *sys, const char *path, const char *site);
/* Notes a change of a folder that is not on disk yet. */
void sim_note_change(sim_node *dir, const char *removed, const char *set, sim_node *node);
/* Notes the place of a sync; true when its syncs are to be left out. */
bool sim_site_ignored(fs_sim *sim, const char *site);
/* The functions on locks and mappings (base/file_sim_lock.c). */
int sim_lock_whole(file *f);
int sim_lock_range(file *f, uint64_t at, uint64_t n, file_lock_kind kind);
int sim_lock_test(file *f, uint64_t at, uint64_t n, bool *held);
int sim_map_region(file *f, uint64_t at, size_t n, void **p);
void sim_unmap_region(file *f, void *p, size_t n);
/* Drops all locks of a handle that is being closed. */
void sim_locks_drop(sim_node *node, const file *owner);

/* An open handle. */
typedef struct sim_file {
    file file; /* first */
    sim_node *node;
    bool readonly;
} sim_file;

static inline fs_sim *sim_of(fs *sys)
{
    return (fs_sim *)sys;
}

#endif
