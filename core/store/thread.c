/* SPDX-License-Identifier: MIT
 * See thread.h. One list of jobs under one mutex. The thread takes the first one, and with a commit those that
 * directly follow it, so that nothing overtakes earlier work. Results are posted to the loop in the order of their
 * work.
 */
#include "core/store/thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/alloc.h"
#include "core/base/secret.h"
#include "core/rules/hash.h"

enum { GATHER_MAX = 500, GATHER_MS = 3, RETRY_FIRST_MS = 200, RETRY_MAX_MS = 5000, STEADY_MS = 10000 };

typedef void commit_done(void *arg, struct commit *c, int result, const struct error *e);

struct thread_task {
    struct thread_task *next;
    struct store_thread *st;
    struct commit *commit; /* a commit, or else work */
    store_work work;
    store_work_many many; /* or this */
    void *arg;
    store_done done;
    commit_done *committed;
    int result;
    struct error error;
    bool past_refusal;
};

/* The last report; each differs from the one before, a denial also by its reason. */
enum told { TOLD_NOTHING, TOLD_UP, TOLD_DOWN, TOLD_REFUSED, TOLD_DENIED };

struct store_thread {
    struct loop *loop;
    struct store_events events;
    struct store_options options;
    char *driver, *path;
    struct secret *dsn;

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct thread_task *first, **last; /* protected by lock */
    bool stopping, away, refused;      /* protected by lock; refused: the connection exists, away is true too */
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    bool joined;
    struct migration_watch migration;

    struct db *db; /* only used by the thread from here on; NULL = not connected */
    enum told told;
    char *told_why;
    int64_t pause_ms, retry_at;
    int64_t up_at;   /* 0 = never */
    size_t gathered; /* commits of the last transaction */
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t); /* the clock that the condition variable uses */
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- on the loop's thread ---- */

static void job_done(void *ctx)
{
    struct thread_task *j = ctx;

    if (j->commit)
        j->committed(j->arg, j->commit, j->result, &j->error);
    else
        j->done(j->arg, j->result, &j->error);
    free(j);
}

struct news {
    struct store_thread *st;
    enum told what;
    char *why;
};

static void news_tell(void *ctx)
{
    struct news *n = ctx;

    const struct store_events *to = &n->st->events;
    if (n->what == TOLD_UP)
        to->up(to->ctx);
    else if (n->what == TOLD_DENIED && to->denied)
        to->denied(to->ctx, n->why);
    else
        (n->what == TOLD_REFUSED ? to->refused : to->down)(to->ctx, n->why);
    free(n->why);
    free(n);
}

static void tell_stopped(void *ctx)
{
    struct store_thread *st = ctx;

    pthread_join(st->thread, NULL);
    st->joined = true;
    st->stopped(st->stopped_ctx);
}

/* ---- on the store's thread ---- */

/* The loop's inbox takes a million calls; with more, the thread waits until the loop has read some. */
static void post(struct store_thread *st, loop_fn *fn, void *ctx)
{
    const struct timespec moment = {0, 1000000};

    while (loop_post(st->loop, fn, ctx) == -ENOBUFS)
        nanosleep(&moment, NULL);
}

static void store_thread_tell(struct store_thread *st, enum told what, const char *why)
{
    if (st->told == what && (what != TOLD_DENIED || strcmp(why, st->told_why) == 0))
        return;
    free(st->told_why);
    st->told_why = why ? xstrdup(why) : NULL;
    struct news *n = xcalloc(1, sizeof(*n));
    n->st = st;
    n->what = what;
    n->why = why ? xstrdup(why) : NULL;
    st->told = what;
    post(st, news_tell, n);
}

static void store_thread_finish(struct store_thread *st, struct thread_task *j, int result)
{
    j->result = result;
    post(st, job_done, j);
}

/* Spread at random, so that many hosts do not reconnect at the same time. */
static void retry_later(struct store_thread *st, int64_t pause_ms)
{
    st->retry_at = now_ms() + pause_ms -
                   (int64_t)(hash_mix((uintptr_t)st ^ (uint64_t)now_ms()) % (uint64_t)(pause_ms / 2 + 1));
    st->pause_ms = pause_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : pause_ms * 2;
}

/* A full disk is treated like a database that is not available: nothing new is attempted meanwhile. */
static bool is_lost(const struct store_thread *st, int result)
{
    return st->db && (result == -ENOTCONN || result == -ENOSPC || !db_alive(st->db));
}

static void store_thread_lost(struct store_thread *st, int result, const char *why)
{
    db_close(st->db);
    st->db = NULL;
    if (now_ms() - st->up_at > STEADY_MS) /* otherwise it was available for a moment only */
        st->pause_ms = RETRY_FIRST_MS;
    retry_later(st, result == -ENOSPC ? RETRY_MAX_MS : st->pause_ms);
    store_thread_tell(st, TOLD_DOWN, why);
}

/* From here on work is taken; set before `up` is called, so that no work submitted there is refused. */
static void take_work(struct store_thread *st, bool taken, bool refused)
{
    pthread_mutex_lock(&st->lock);
    st->away = !taken;
    st->refused = refused;
    pthread_mutex_unlock(&st->lock);
}

static void connect_store(struct store_thread *st)
{
    struct error e = {{0}};
    int r = st->db ? 0 : db_open(&st->options, &st->db, &e);

    if (r == 0 && st->events.admit)
        r = st->events.admit(st->events.ctx, st->db, &e);
    if (r == -EROFS) {
        retry_later(st, RETRY_MAX_MS);
        take_work(st, false, true);
        store_thread_tell(st, TOLD_REFUSED, e.text);
        return;
    }
    if (r == 0)
        r = store_migrate(st->db, &st->migration, &e);
    if (r == 0 && !st->options.read_only)
        r = store_probe(st->db, st->up_at != 0, &e);
    take_work(st, r == 0, false);
    if (r == 0) {
        st->up_at = now_ms();
        store_thread_tell(st, TOLD_UP, NULL);
        return;
    }
    db_close(st->db);
    st->db = NULL;
    retry_later(st, st->pause_ms);
    store_thread_tell(st, r == -EACCES || r == -EINVAL ? TOLD_DENIED : TOLD_DOWN, e.text);
}

static int do_work(struct store_thread *st, struct thread_task **list, size_t count, struct error *e)
{
    void *args[GATHER_MAX];

    if (!st->db)
        return error_set(e, -ENOTCONN, "the database is not available");
    if (!list[0]->many)
        return list[0]->work(st->db, list[0]->arg, e);
    for (size_t i = 0; i < count; i++)
        args[i] = list[i]->arg;
    return list[0]->many(st->db, args, count, e);
}

static void run_work(struct store_thread *st, struct thread_task **list, size_t count)
{
    struct error e = {{0}};
    int r = do_work(st, list, count, &e);

    if (is_lost(st, r)) {
        store_thread_lost(st, r, e.text[0] ? e.text : "the connection to the store was lost");
        if (r < 0 && r != -ENOSPC) /* whatever the driver reported: the connection ended during the work */
            r = -ENOTCONN;
    }
    if (list[0]->past_refusal)
        st->retry_at = now_ms();
    for (size_t i = 0; i < count; i++) {
        list[i]->error = e;
        store_thread_finish(st, list[i], r);
    }
}

static void run_commits(struct store_thread *st, struct thread_task **list, size_t count)
{
    struct commit *commits[GATHER_MAX];
    struct error e = {{0}};
    int r = 0;

    for (size_t i = 0; i < count; i++)
        commits[i] = list[i]->commit;
    r = st->db ? store_commit(st->db, commits, count, &e)
               : error_set(&e, -ENOTCONN, "the database is not available");
    bool was_up = st->db != NULL;
    if (is_lost(st, r))
        store_thread_lost(st, r, e.text[0] ? e.text : "the connection to the store was lost");
    for (size_t i = 0; i < count; i++) {
        bool settled = was_up && commits[i]->result != COMMIT_WAITING;
        list[i]->error = e;
        store_thread_finish(st, list[i], settled ? 0 : r < 0 ? r : -EAGAIN);
    }
}

/* ---- the list ---- */

static struct thread_task *store_thread_take(struct store_thread *st)
{
    struct thread_task *j = st->first;

    st->first = j->next;
    if (!st->first)
        st->last = &st->first;
    j->next = NULL;
    return j;
}

static void wait_until(struct store_thread *st, int64_t at_ms)
{
    struct timespec at = {at_ms / 1000, (at_ms % 1000) * 1000000};

    pthread_cond_timedwait(&st->changed, &st->lock, &at);
}

static bool goes_with(const struct thread_task *first, const struct thread_task *next)
{
    return first->commit ? next->commit != NULL : first->many && first->many == next->many;
}

/* With the first one those that follow it: those in the list, and where the last commit was not alone either, commits
 * that arrive within 3 ms. */
static size_t gather(struct store_thread *st, struct thread_task *list[GATHER_MAX])
{
    size_t count = 0;

    list[count++] = store_thread_take(st);
    int64_t end = list[0]->commit && st->gathered > 1 ? now_ms() + GATHER_MS : 0;
    while ((list[0]->commit || list[0]->many) && count < GATHER_MAX) {
        if (st->first && !goes_with(list[0], st->first))
            break;
        if (st->first)
            list[count++] = store_thread_take(st);
        else if (now_ms() < end && !st->stopping)
            wait_until(st, end);
        else
            break;
    }
    if (list[0]->commit)
        st->gathered = count;
    return count;
}

/* Waits for something to do: 0 with *ret_end false means that it is time to connect. */
static size_t next_jobs(struct store_thread *st, struct thread_task *list[GATHER_MAX], bool *ret_end)
{
    size_t count = 0;

    pthread_mutex_lock(&st->lock);
    st->away = !st->db || st->refused;
    while (!st->first && !st->stopping && (!st->away || now_ms() < st->retry_at)) {
        if (!st->away)
            pthread_cond_wait(&st->changed, &st->lock);
        else
            wait_until(st, st->retry_at);
    }
    if (st->first)
        count = gather(st, list);
    *ret_end = count == 0 && st->stopping;
    pthread_mutex_unlock(&st->lock);
    return count;
}

static void *thread_main(void *arg)
{
    struct store_thread *st = arg;
    struct thread_task *list[GATHER_MAX];
    bool end = false;

    while (!end) {
        size_t count = next_jobs(st, list, &end);
        if (count == 0 && !end)
            connect_store(st);
        else if (count > 0 && list[0]->commit)
            run_commits(st, list, count);
        else if (count > 0)
            run_work(st, list, count);
    }
    db_close(st->db);
    st->db = NULL;
    if (st->stopped)
        post(st, tell_stopped, st);
    return NULL;
}

/* ---- on the loop's thread again ---- */

/* While the database is not available nothing waits for it. */
static void store_thread_submit(struct store_thread *st, struct thread_task *j)
{
    pthread_mutex_lock(&st->lock);
    bool refused = (st->away && !(st->refused && j->past_refusal)) || st->stopping;
    if (!refused) {
        *st->last = j;
        st->last = &j->next;
        pthread_cond_signal(&st->changed);
    }
    pthread_mutex_unlock(&st->lock);
    if (!refused)
        return;
    j->result = error_set(&j->error, -ENOTCONN, "the database is not available");
    post(st, job_done, j);
}

void store_submit(struct store_thread *st, store_work work, void *arg, store_done done)
{
    struct thread_task *j = xcalloc(1, sizeof(*j));

    j->work = work;
    j->arg = arg;
    j->done = done;
    store_thread_submit(st, j);
}

void store_submit_many(struct store_thread *st, store_work_many work, void *arg, store_done done)
{
    struct thread_task *j = xcalloc(1, sizeof(*j));

    j->many = work;
    j->arg = arg;
    j->done = done;
    store_thread_submit(st, j);
}

void store_submit_refused(struct store_thread *st, store_work work, void *arg, store_done done)
{
    struct thread_task *j = xcalloc(1, sizeof(*j));

    j->work = work;
    j->arg = arg;
    j->done = done;
    j->past_refusal = true;
    store_thread_submit(st, j);
}

void store_submit_commit(struct store_thread *st, struct commit *c, commit_done *done, void *arg)
{
    struct thread_task *j = xcalloc(1, sizeof(*j));

    j->commit = c;
    j->arg = arg;
    j->committed = done;
    store_thread_submit(st, j);
}

static int start_thread(struct store_thread *st)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&st->thread, NULL, thread_main, st);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

static void init_waiting(struct store_thread *st)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&st->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&st->lock, NULL);
    st->last = &st->first;
}

int store_thread_start(struct loop *loop, const struct store_options *o, const struct store_events *ev,
                       struct store_thread **ret, struct error *e)
{
    struct store_thread *st = xcalloc(1, sizeof(*st));

    st->loop = loop;
    st->events = *ev;
    st->driver = xstrdup(o->driver);
    st->path = o->path ? xstrdup(o->path) : NULL;
    st->dsn = o->dsn ? secret_keep(secret_text(o->dsn), secret_len(o->dsn)) : NULL;
    st->options = *o;
    st->options.driver = st->driver;
    st->options.path = st->path;
    st->options.dsn = st->dsn;
    st->away = true;
    st->pause_ms = RETRY_FIRST_MS;
    st->retry_at = now_ms();
    init_waiting(st);
    int r = start_thread(st);
    if (r < 0) {
        st->joined = true;
        store_thread_free(st);
        return error_set(e, r, "the store's thread could not be started: %s", strerror(-r));
    }
    *ret = st;
    return 0;
}

void store_thread_stop(struct store_thread *st, void (*stopped)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&st->lock);
    st->stopped = stopped;
    st->stopped_ctx = ctx;
    st->stopping = true;
    atomic_store(&st->migration.ends, true);
    pthread_cond_signal(&st->changed);
    pthread_mutex_unlock(&st->lock);
}

bool store_thread_migrates(const struct store_thread *st)
{
    return atomic_load(&st->migration.goes_on);
}

void store_thread_free(struct store_thread *st)
{
    if (!st)
        return;
    if (!st->joined) {
        store_thread_stop(st, NULL, NULL);
        pthread_join(st->thread, NULL);
    }
    pthread_cond_destroy(&st->changed);
    pthread_mutex_destroy(&st->lock);
    secret_free(st->dsn);
    free(st->told_why);
    free(st->driver);
    free(st->path);
    free(st);
}
