#include "tests/sim/seeds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Some syncs matter in one of a thousand runs only: before one is called useless, so many times as many seeds are
 * tried.
 */
enum { JOBS_MAX = 16, SEEDS_TO_LOOK_AT = 5, LONGER = 5 };

typedef struct job {
    pid_t pid;
    uint64_t seed;
    sim_result *result; /* shared with the child */
} job;

typedef struct totals {
    uint64_t runs, bad, first_bad;
    sim_result sum;
} totals;

typedef struct seeds {
    const simulation *s;
    sim_options o;
    int jobs;
    job list[JOBS_MAX];
} seeds;

static sim_result *shared(void)
{
    void *p = mmap(NULL, sizeof(sim_result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) exit(2);
    return p;
}

static void start(seeds *all, job *j, uint64_t seed)
{
    sim_options o = all->o;
    o.seed = j->seed = seed;
    memset(j->result, 0, sizeof *j->result);
    fflush(stdout);
    j->pid = fork();
    if (j->pid < 0) exit(2);
    if (j->pid > 0) return;
    if (!freopen("/dev/null", "w", stderr)) _exit(2);
    all->s->run(&o, j->result);
    _exit(j->result->ok ? 0 : 1);
}

static void finish(job *j, totals *t, bool quiet)
{
    int status;
    waitpid(j->pid, &status, 0);
    j->pid = 0;
    const sim_result *r = j->result;
    t->runs++;
    t->sum.lives += r->lives;
    t->sum.records += r->records;
    t->sum.acknowledged += r->acknowledged;
    t->sum.transactions += r->transactions;
    t->sum.commits += r->commits;
    t->sum.failures += r->failures;
    t->sum.restarts += r->restarts;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    if (t->bad++ == 0) t->first_bad = j->seed;
    if (!quiet)
        printf("seed %llu: %s\n", (unsigned long long)j->seed, r->why[0] ? r->why : "the process ended by itself");
}

/* Runs seeds [first, first + count); with `until_bad` it ends at the first that fails, and says nothing. */
static totals run_seeds(seeds *all, uint64_t first, uint64_t count, bool until_bad)
{
    totals t = {0};
    uint64_t next = first;
    for (bool some = true; some;) {
        some = false;
        for (int i = 0; i < all->jobs; i++) {
            job *j = &all->list[i];
            if (j->pid > 0) finish(j, &t, until_bad);
            if (next == first + count || (until_bad && t.bad > 0)) continue;
            start(all, j, next++);
            some = true;
        }
    }
    return t;
}

static const char *excuse(const simulation *s, const char *site)
{
    for (const sim_excuse *e = s->excused; e->site; e++)
        if (strncmp(e->site, site, strlen(e->site)) == 0) return e->why;
    return NULL;
}

/* Takes out the syncs of one place. false: no seed noticed, and it is not excused. */
static bool site_matters(seeds *all, const char *site, uint64_t first, uint64_t count)
{
    all->o.ignore_site = site;
    totals t = run_seeds(all, first, count, true);
    const char *why = excuse(all->s, site);
    if (!t.bad && !why) t = run_seeds(all, first + count, count * LONGER, true);
    printf("%-36s %s", site, t.bad ? "noticed" : why ? "not noticed, excused" : "NOT NOTICED");
    if (t.bad) printf(" by seed %llu", (unsigned long long)t.first_bad);
    printf("\n");
    return t.bad || why;
}

static int run_sites(seeds *all, uint64_t first, uint64_t count)
{
    const char *sites[SIM_SITES];
    int site_count = 0, bad = 0;
    for (uint64_t s = 0; s < SEEDS_TO_LOOK_AT; s++) {
        sim_result r;
        all->o.seed = first + s;
        all->s->run(&all->o, &r);
        for (int i = 0; i < r.site_count; i++) {
            int k = 0;
            while (k < site_count && strcmp(sites[k], r.sites[i]) != 0) k++;
            if (k == site_count && k < SIM_SITES) sites[site_count++] = r.sites[i];
        }
    }
    for (int i = 0; i < site_count; i++) bad += !site_matters(all, sites[i], first, count);
    return bad ? 1 : 0;
}

static int run_one(seeds *all, uint64_t seed)
{
    sim_result r;
    all->o.seed = seed;
    all->s->run(&all->o, &r);
    printf("%s%s\n", r.ok ? "ok" : "", r.why);
    return r.ok ? 0 : 1;
}

static int run_many(seeds *all, uint64_t first, uint64_t count)
{
    totals t = run_seeds(all, first, count, false);
    const struct {
        const char *what;
        uint64_t n;
    } counts[] = {{"lives", t.sum.lives},
                  {"records", t.sum.records},
                  {"acknowledged", t.sum.acknowledged},
                  {"transactions", t.sum.transactions},
                  {"commits", t.sum.commits},
                  {"errors met", t.sum.failures},
                  {"queries started again", t.sum.restarts}};
    printf("%llu seeds, %llu failed", (unsigned long long)t.runs, (unsigned long long)t.bad);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        if (counts[i].n) printf("; %llu %s", (unsigned long long)counts[i].n, counts[i].what);
    printf("\n");
    return t.bad ? 1 : 0;
}

int seeds_main(const simulation *s, int argc, char **argv)
{
    static seeds all;
    all = (seeds){.s = s, .o = {.lives = s->lives}, .jobs = 2};
    uint64_t count = 1000, first = 1;
    bool sites = false, one = false;
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : "0";
        if (strcmp(argv[i], "--seeds") == 0)
            count = strtoull(next, NULL, 10), i++;
        else if (strcmp(argv[i], "--first") == 0)
            first = strtoull(next, NULL, 10), i++;
        else if (strcmp(argv[i], "--jobs") == 0)
            all.jobs = (int)strtol(next, NULL, 10), i++;
        else if (strcmp(argv[i], "--seed") == 0)
            one = true, first = strtoull(next, NULL, 10), i++;
        else if (strcmp(argv[i], "--lives") == 0)
            all.o.lives = (int)strtol(next, NULL, 10), i++;
        else if (strcmp(argv[i], "--ignore") == 0)
            all.o.ignore_site = next, i++;
        else if (strcmp(argv[i], "--errors") == 0)
            all.o.errors = true;
        else if (strcmp(argv[i], "--sites") == 0)
            sites = true;
        else
            return 2;
    }
    if (all.jobs < 1 || all.jobs > JOBS_MAX) all.jobs = 2;
    if (one) return run_one(&all, first);
    for (int i = 0; i < all.jobs; i++) all.list[i].result = shared();
    return sites ? run_sites(&all, first, count) : run_many(&all, first, count);
}
