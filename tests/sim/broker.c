/*
 * The broker by simulation: thousands of seeds of tests/sim/broker_world.h, each in a process of its own, since code
 * that checks itself may end it.
 *
 *     broker [--seeds N] [--first N] [--jobs N]     clean stops, kills and power losses, also in the middle of calls
 *     broker --errors [...]                         single calls fail, also half done, and the process lives on
 *     broker --sites [--seeds N] [...]              each place that syncs is left out until a seed notices
 *     broker --seed N [--errors] [--lives N] [--ignore SITE]     one seed, in this process
 *
 * The exit status is 0 when all is as it should be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/broker_world.h"

enum { LIVES = 5, JOBS_MAX = 16 };

/* Places whose syncs no seed can miss, and why they stay. */
static const struct {
    const char *site; /* how its name begins */
    const char *why;
} excused[] = {
    {"broker/plog_", "the tests plog_power and plog_compact_power take out each sync of a log"},
    {NULL, NULL},
};

static const char *excuse(const char *site)
{
    for (size_t i = 0; excused[i].site; i++)
        if (strncmp(excused[i].site, site, strlen(excused[i].site)) == 0) return excused[i].why;
    return NULL;
}

typedef struct job {
    pid_t pid;
    uint64_t seed;
    broker_sim_result *result; /* shared with the child */
} job;

static broker_sim_result *shared(void)
{
    void *p = mmap(NULL, sizeof(broker_sim_result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) exit(2);
    return p;
}

static void start(job *j, broker_sim_options o)
{
    j->seed = o.seed;
    memset(j->result, 0, sizeof *j->result);
    fflush(stdout);
    j->pid = fork();
    if (j->pid < 0) exit(2);
    if (j->pid > 0) return;
    broker_sim_run(&o, j->result);
    _exit(j->result->ok ? 0 : 1);
}

/* Adds the job's figures; false: it found something. */
static bool finish(job *j, bool quiet, broker_sim_result *total)
{
    int status;
    waitpid(j->pid, &status, 0);
    j->pid = 0;
    const broker_sim_result *r = j->result;
    total->records += r->records;
    total->acknowledged += r->acknowledged;
    total->transactions += r->transactions;
    total->commits += r->commits;
    total->failures += r->failures;
    total->lives += r->lives;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    if (!quiet)
        printf("seed %llu: %s\n", (unsigned long long)j->seed, r->why[0] ? r->why : "the process ended by itself");
    return false;
}

/* Runs seeds [first, first + count), with `quiet` until one fails. The number of those that failed is returned. */
static uint64_t run_seeds(broker_sim_options o, uint64_t first, uint64_t count, int jobs, bool quiet,
                          broker_sim_result *total)
{
    static job list[JOBS_MAX];
    uint64_t next = first, bad = 0;
    for (int i = 0; i < jobs; i++)
        if (!list[i].result) list[i].result = shared();
    for (bool some = true; some;) {
        some = false;
        for (int i = 0; i < jobs; i++) {
            if (list[i].pid > 0) bad += !finish(&list[i], quiet, total);
            if (next == first + count || (quiet && bad > 0)) continue;
            o.seed = next++;
            start(&list[i], o);
            some = true;
        }
    }
    return bad;
}

/* Takes out the sync of each place in turn: some seed must notice. */
static int run_sites(broker_sim_options o, uint64_t first, uint64_t count, int jobs)
{
    static const char *sites[BROKER_SIM_SITES];
    int sites_len = 0, bad = 0;
    for (o.seed = first; o.seed < first + 5; o.seed++) {
        broker_sim_result r;
        broker_sim_run(&o, &r);
        for (int i = 0; i < r.site_count; i++) {
            int k = 0;
            while (k < sites_len && strcmp(sites[k], r.sites[i]) != 0) k++;
            if (k == sites_len && k < BROKER_SIM_SITES) sites[sites_len++] = r.sites[i];
        }
    }
    for (int i = 0; i < sites_len; i++) {
        broker_sim_result total = {0};
        o.ignore_site = sites[i];
        bool noticed = run_seeds(o, first, count, jobs, true, &total) > 0;
        const char *why = noticed ? NULL : excuse(sites[i]);
        printf("%-36s %s\n", sites[i], noticed ? "noticed" : why ? "not noticed, excused" : "NOT NOTICED");
        bad += !noticed && !why;
    }
    return bad ? 1 : 0;
}

int main(int argc, char **argv)
{
    uint64_t seeds = 1000, first = 1;
    int jobs = 2;
    bool one = false, sites = false;
    broker_sim_options o = {.lives = LIVES};
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : "0";
        if (strcmp(argv[i], "--seeds") == 0)
            seeds = strtoull(next, NULL, 10), i++;
        else if (strcmp(argv[i], "--first") == 0)
            first = strtoull(next, NULL, 10), i++;
        else if (strcmp(argv[i], "--jobs") == 0)
            jobs = (int)strtol(next, NULL, 10), i++;
        else if (strcmp(argv[i], "--lives") == 0)
            o.lives = (int)strtol(next, NULL, 10), i++;
        else if (strcmp(argv[i], "--seed") == 0)
            one = true, o.seed = strtoull(next, NULL, 10), i++;
        else if (strcmp(argv[i], "--ignore") == 0)
            o.ignore_site = argv[++i];
        else if (strcmp(argv[i], "--errors") == 0)
            o.errors = true;
        else if (strcmp(argv[i], "--sites") == 0)
            sites = true;
        else
            return 2;
    }
    if (jobs < 1 || jobs > JOBS_MAX) jobs = 2;
    broker_sim_result total = {0};
    uint64_t bad = 0;
    if (one) {
        broker_sim_run(&o, &total);
        printf("%s%s\n", total.ok ? "ok" : "", total.why);
        return total.ok ? 0 : 1;
    }
    if (sites) return run_sites(o, first, seeds, jobs);
    bad = run_seeds(o, first, seeds, jobs, false, &total);
    printf("broker: %llu seeds, %llu failed; %llu lives, %llu records, %llu acknowledged, %llu transactions, %llu "
           "commits, "
           "%llu errors met\n",
           (unsigned long long)seeds, (unsigned long long)bad, (unsigned long long)total.lives,
           (unsigned long long)total.records, (unsigned long long)total.acknowledged,
           (unsigned long long)total.transactions, (unsigned long long)total.commits,
           (unsigned long long)total.failures);
    return bad ? 1 : 0;
}
