#include "broker/segment_file.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct plog_env {
    fs *fs;
    pthread_mutex_t mutex;
    size_t open_max;
    size_t open_count;
    segment_file *first, *last; /* open, clean and unpinned files; last used first */
};

struct segment_file {
    plog_env *env;
    char *path;
    /* Below: guarded by env->mutex. */
    file *handle;
    segment_file *prev, *next;
    bool listed;
    bool dirty;
    bool gone; /* about to be unlinked: cannot be opened again, so it stays open */
    int pins;
    int counts; /* holders, pins included */
    uint64_t writes;
};

plog_env *plog_env_new(fs *sys, size_t open_files_max)
{
    plog_env *env = calloc(1, sizeof *env);
    check(env != NULL);
    check(open_files_max > 0);
    env->fs = sys;
    env->open_max = open_files_max;
    pthread_mutex_init(&env->mutex, NULL);
    return env;
}

void plog_env_free(plog_env *env)
{
    if (!env) return;
    check(env->open_count == 0);
    pthread_mutex_destroy(&env->mutex);
    free(env);
}

fs *plog_env_fs(plog_env *env)
{
    return env->fs;
}

size_t plog_env_open_files(plog_env *env)
{
    pthread_mutex_lock(&env->mutex);
    size_t n = env->open_count;
    pthread_mutex_unlock(&env->mutex);
    return n;
}

static void unlist(segment_file *f)
{
    if (!f->listed) return;
    plog_env *env = f->env;
    *(f->prev ? &f->prev->next : &env->first) = f->next;
    *(f->next ? &f->next->prev : &env->last) = f->prev;
    f->prev = f->next = NULL;
    f->listed = false;
}

/* Puts a file that may be closed at the front of the list. */
static void list_if_idle(segment_file *f)
{
    if (f->listed || !f->handle || f->pins > 0 || f->dirty || f->gone) return;
    plog_env *env = f->env;
    f->next = env->first;
    if (env->first) env->first->prev = f;
    env->first = f;
    if (!env->last) env->last = f;
    f->listed = true;
}

static void close_handle(segment_file *f)
{
    unlist(f);
    if (!f->handle) return;
    file_close(f->handle);
    f->handle = NULL;
    f->env->open_count--;
}

static void keep_budget(plog_env *env)
{
    while (env->open_count > env->open_max && env->last) close_handle(env->last);
}

segment_file *segment_file_new(plog_env *env, const char *path)
{
    segment_file *f = calloc(1, sizeof *f);
    check(f != NULL);
    f->env = env;
    f->path = strdup(path);
    check(f->path != NULL);
    f->counts = 1;
    return f;
}

const char *segment_file_path(const segment_file *f)
{
    return f->path;
}

/* Called with the mutex held; lets it go. */
static void drop_count(segment_file *f)
{
    plog_env *env = f->env;
    check(f->counts > 0);
    bool last = --f->counts == 0;
    if (last) close_handle(f);
    pthread_mutex_unlock(&env->mutex);
    if (!last) return;
    free(f->path);
    free(f);
}

void segment_file_release(segment_file *f)
{
    if (!f) return;
    pthread_mutex_lock(&f->env->mutex);
    drop_count(f);
}

static bool pin(segment_file *f, bool create, bool writing, file **out, diag *d)
{
    plog_env *env = f->env;
    pthread_mutex_lock(&env->mutex);
    if (!f->handle) {
        if (!fs_open(env->fs, f->path, create ? FILE_CREATE : 0, &f->handle, d)) {
            pthread_mutex_unlock(&env->mutex);
            return false;
        }
        env->open_count++;
    }
    unlist(f);
    f->pins++;
    f->counts++;
    if (writing) {
        f->dirty = true;
        f->writes++;
    }
    keep_budget(env);
    *out = f->handle;
    pthread_mutex_unlock(&env->mutex);
    return true;
}

bool segment_file_pin(segment_file *f, bool create, file **out, diag *d)
{
    return pin(f, create, false, out, d);
}

bool segment_file_pin_write(segment_file *f, bool create, file **out, diag *d)
{
    return pin(f, create, true, out, d);
}

void segment_file_unpin(segment_file *f)
{
    pthread_mutex_lock(&f->env->mutex);
    check(f->pins > 0);
    f->pins--;
    list_if_idle(f);
    keep_budget(f->env);
    drop_count(f);
}

uint64_t segment_file_writes(segment_file *f)
{
    pthread_mutex_lock(&f->env->mutex);
    uint64_t n = f->writes;
    pthread_mutex_unlock(&f->env->mutex);
    return n;
}

void segment_file_synced(segment_file *f, uint64_t writes)
{
    pthread_mutex_lock(&f->env->mutex);
    if (f->writes == writes) {
        f->dirty = false;
        list_if_idle(f);
        keep_budget(f->env);
    }
    pthread_mutex_unlock(&f->env->mutex);
}

bool segment_file_keep(segment_file *f, diag *d)
{
    plog_env *env = f->env;
    diag own = {0};
    pthread_mutex_lock(&env->mutex);
    bool ok = f->handle != NULL;
    if (!ok) {
        ok = fs_open(env->fs, f->path, 0, &f->handle, &own);
        if (ok) env->open_count++;
    }
    if (ok) {
        unlist(f);
        f->gone = true;
    }
    pthread_mutex_unlock(&env->mutex);
    if (ok || own.code == DIAG_NOT_FOUND) return true;
    if (!diag_is_set(d)) *d = own;
    return false;
}

file *segment_file_handle(segment_file *f)
{
    check(f->handle != NULL);
    return f->handle;
}

void segment_file_ref(segment_file *f)
{
    pthread_mutex_lock(&f->env->mutex);
    check(f->pins > 0);
    f->pins++;
    f->counts++;
    pthread_mutex_unlock(&f->env->mutex);
}

void segment_file_unref(segment_file *f)
{
    segment_file_unpin(f);
}
