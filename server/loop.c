#include "server/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"

/* The mailbox closes last: nobody may post to a loop that has ended. */
static void end_if_drained(loop *l)
{
    if (!l->stopping_now || uv_is_closing((uv_handle_t *)&l->alarm)) return;
    if (!l->drained || l->drained(l->stopping_arg)) uv_close((uv_handle_t *)&l->alarm, NULL);
}

/* The alarm is silenced before the box is emptied: a letter that comes in between rings it again. */
static void on_alarm(uv_poll_t *alarm, int status, int events)
{
    loop *l = container_of(alarm, loop, alarm);
    eventfd_t ignored;
    (void)eventfd_read(l->alarm_fd, &ignored);
    mailbox_run(&l->box);
    end_if_drained(l);
}

/* Not uv_async_send: its receiver spins until the sender is back from its write, which a wake-up likes to preempt. */
static void wake(void *arg)
{
    loop *l = arg;
    int failed = eventfd_write(l->alarm_fd, 1);
    check(failed == 0);
}

bool loop_init(loop *l, const char *name, diag *d)
{
    *l = (loop){.name = name};
    l->box.wake = wake;
    l->box.arg = l;
    l->alarm_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->alarm_fd < 0) return diag_os(d, errno, "cannot make the event loop '%s'", name);
    int status = uv_loop_init(&l->uv);
    if (status == 0) status = uv_poll_init(&l->uv, &l->alarm, l->alarm_fd);
    if (status == 0) status = uv_poll_start(&l->alarm, UV_READABLE, on_alarm);
    if (status != 0) close(l->alarm_fd);
    return status == 0 || diag_os(d, -status, "cannot make the event loop '%s'", name);
}

static void *run(void *arg)
{
    loop *l = arg;
    uv_run(&l->uv, UV_RUN_DEFAULT);
    return NULL;
}

bool thread_start(pthread_t *thread, const char *name, void *(*fn)(void *arg), void *arg, diag *d)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(thread, NULL, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) return diag_os(d, failed, "cannot start the thread '%s'", name);
    pthread_setname_np(*thread, name);
    return true;
}

bool loop_start(loop *l, diag *d)
{
    l->started = thread_start(&l->thread, l->name, run, l, d);
    return l->started;
}

void loop_post(loop *l, mail *m)
{
    mailbox_post(&l->box, m);
}

static void on_stop(mail *m)
{
    loop *l = container_of(m, loop, stop);
    if (l->stopping) l->stopping(l->stopping_arg);
    l->stopping_now = true;
}

void loop_stop(loop *l)
{
    l->stop.run = on_stop;
    if (l->started) {
        loop_post(l, &l->stop);
        pthread_join(l->thread, NULL);
    } else {
        loop_post(l, &l->stop);
        uv_run(&l->uv, UV_RUN_DEFAULT);
    }
    int busy = uv_loop_close(&l->uv);
    check(busy == 0);
    close(l->alarm_fd);
}
