/* SPDX-License-Identifier: MIT
 * See once.h.
 */
#include "core/once.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/map.h"
#include "core/time/timestamp.h"

enum {
    WATCH_MS = 500,
    LINE_MS = 1000,
    OTHERS_MS = 1000,
    LATE_MS = 5000,
    SAY_MS = 10000,
    LINE_MAX_WIDTH = 79,
    AWAY_MS = 30000,  /* how long it waits for an unavailable store */
    STUCK_MS = 120000 /* and, with the store available, for the first row or the next */
};

struct again {
    struct once *once;
    const struct job *job;
    struct loop_timer *timer;
    struct again *next;
};

struct once {
    struct once_setup setup;
    struct loop_timer *watch;
    size_t waiting; /* runs under way */
    bool began, ended, terminal;
    int status;
    struct again *again;                   /* jobs with records in progress in other processes */
    int64_t watched_ms, moved_ms, said_ms; /* by the boot clock */
    int64_t steps;                         /* engine_steps() then */
    struct map *left;                      /* job -> how many were due still after its last run */
};

static void end(struct once *o, int status, const char *why)
{
    if (o->ended)
        return;
    once_stop(o);
    o->setup.end(o->setup.ctx, status, why);
}

/* ---- how far it is ---- */

static bool so_far(const struct once *o, const struct job *j, struct buf *text)
{
    struct run_result r;
    struct progress reading;
    const char *name = job_configuration(j)->job;
    bool runs = o->began && engine_run_so_far(j, o, &r);
    if (!runs && !job_reading(j, &reading))
        return false;
    buf_printf(text, "%sjob %s: ", text->len ? "; " : "", name);
    if (!runs) {
        char read[PROGRESS_TEXT];
        progress_text(&reading, read);
        buf_text(text, read);
    } else if (r.due)
        buf_printf(text, "%" PRId64 " of %" PRId64 " refreshed, %" PRId64 " failed", r.refreshed, r.due, r.failed);
    else
        buf_printf(text, "%" PRId64 " refreshed, %" PRId64 " failed", r.refreshed, r.failed);
    return true;
}

static void log_so_far(const struct once *o, const struct job *j)
{
    struct run_result r;
    struct progress reading;
    char one[24], two[24], three[24];
    const char *name = job_configuration(j)->job;
    bool runs = o->began && engine_run_so_far(j, o, &r);
    if (!runs && job_reading(j, &reading)) {
        job_log_reading(j, &reading);
    } else if (runs) {
        snprintf(one, sizeof one, "%" PRId64, r.due);
        snprintf(two, sizeof two, "%" PRId64, r.refreshed);
        snprintf(three, sizeof three, "%" PRId64, r.failed);
        log_line(LEVEL_INFO, "the run goes on", "job", name, "due", one, "refreshed", two, "failed", three, NULL);
    }
}

/* Progress: on a terminal one line that is overwritten, also by log lines; otherwise a log line from time to
 * time. */
static void once_say(struct once *o, int64_t now)
{
    struct job *j;
    struct buf text;
    if (now - o->said_ms < (o->terminal ? LINE_MS : SAY_MS))
        return;
    o->said_ms = now;
    buf_init(&text, 4096);
    for (size_t i = 0; (j = engine_job(o->setup.engine, i)); i++)
        if (o->terminal)
            so_far(o, j, &text);
        else
            log_so_far(o, j);
    if (text.len)
        fprintf(stderr, "\033[K%.*s\r", (int)(text.len < LINE_MAX_WIDTH ? text.len : LINE_MAX_WIDTH), text.data);
    buf_done(&text);
}

/* ---- when it is given up ---- */

static void give_up_away(struct once *o, const struct engine_status *s)
{
    char text[1024];
    if (o->began) {
        end(o, EXIT_FAILURE,
            "the connection to the database was lost and did not come back within 30 s; what was received is on the "
            "spool and is written to the database at the next start");
        return;
    }
    snprintf(text, sizeof text, "the database could not be used within 30 s%s%s; nothing was refreshed",
             s->store_why ? ": " : "", s->store_why ? s->store_why : "");
    end(o, EXIT_FAILURE, text);
}

static void give_up_stuck(struct once *o)
{
    struct job *j;
    struct progress reading;
    const char *name = NULL;
    char text[512];
    for (size_t i = 0; (j = engine_job(o->setup.engine, i)) && !name; i++)
        if (job_reading(j, &reading))
            name = job_configuration(j)->job;
    snprintf(text, sizeof text,
             "the database answers, but there was no progress for %d s: %s%s; the lines above say why. "
             "Nothing was refreshed",
             STUCK_MS / 1000,
             name ? "no further row could be read from the table of job "
                  : "the attempts that an earlier process left are not settled",
             name ? name : "");
    end(o, EXIT_FAILURE, text);
}

static void watch(void *ctx)
{
    struct once *o = ctx;
    struct engine_status s;
    int64_t now = clock_boot_ms(), late = now - o->watched_ms - WATCH_MS, steps = engine_steps(o->setup.engine);
    o->watch = loop_after(o->setup.loop, WATCH_MS, watch, o);
    engine_status(o->setup.engine, &s);
    if (late > LATE_MS) /* the machine slept */
        o->moved_ms += late;
    o->watched_ms = now;
    if (steps != o->steps || s.migrates || (s.store_up && o->began)) /* what is sent has its own deadline */
        o->moved_ms = now;
    o->steps = steps;
    once_say(o, now);
    if (!s.store_up && now - o->moved_ms >= AWAY_MS)
        give_up_away(o, &s);
    else if (now - o->moved_ms >= STUCK_MS)
        give_up_stuck(o);
}

/* ---- the runs ---- */

static bool once_wanted(const struct once *o, const struct job *j)
{
    if (!*o->setup.jobs)
        return true;
    for (char **name = o->setup.jobs; *name; name++)
        if (strcmp(*name, job_configuration(j)->job) == 0)
            return true;
    return false;
}

/* Checked at the end, since the result of its first attempt may hold a job. */
static void all_ended(struct once *o)
{
    struct job *j;
    for (size_t i = 0; (j = engine_job(o->setup.engine, i)); i++) {
        bool mistyped = false;
        const char *unheld = once_wanted(o, j) ? job_only_unheld(j, &mistyped) : NULL;
        if (unheld)
            fprintf(stderr, "renewd: job %s: %s\n", job_configuration(j)->job, unheld);
        if (mistyped)
            o->status = EXIT_FAILURE;
        if (once_wanted(o, j) && job_row_security(j)) {
            fprintf(stderr, "renewd: job %s: %s\n", job_configuration(j)->job, job_row_security(j));
            o->status = EXIT_FAILURE;
        }
        if (once_wanted(o, j) && job_unreadable(j)) {
            fprintf(stderr,
                    "renewd: job %s: %" PRId64 " of its rows cannot be read; the lines above name them, and "
                    "nothing was sent for them\n",
                    job_configuration(j)->job, job_unreadable(j));
            o->status = EXIT_FAILURE;
        }
        if (!once_wanted(o, j) || (!job_held(j) && !job_paused(j)))
            continue;
        const struct job_config *c = job_configuration(j);
        o->status = EXIT_FAILURE;
        if (!job_held(j)) {
            fprintf(stderr, "renewd: job %s is paused: nothing of it was refreshed; renewctl resume %s\n", c->job,
                    c->job);
            continue;
        }
        fprintf(stderr, "renewd: job %s is held: %s\n", c->job,
                c->mistake ? "its configuration has mistakes, see above" : job_held(j));
    }
    end(o, o->status, NULL);
}

static void put_part(struct buf *text, int64_t count, const char *one, const char *many)
{
    if (count)
        buf_printf(text, "%s%" PRId64 " %s", text->len ? ", " : "", count, count == 1 ? one : many);
}

/* Reports records that were due and not refreshed, and those that cannot be; false when there are none. */
static bool say_left(const struct once *o, const struct run_result *r)
{
    const struct left *l = &r->left;
    const struct job *j = engine_job_by_name(o->setup.engine, r->job);
    int64_t limit = j ? job_configuration(j)->limit : 0;
    char until[32] = "";
    struct buf text;
    buf_init(&text, 4096);
    put_part(&text, l->due, "is due still", "are due still");
    if (l->due && limit && r->refreshed + r->failed >= limit)
        buf_printf(&text, " (limit = %" PRId64 ")", limit);
    put_part(&text, l->waiting, "waits after a failure", "wait after a failure");
    if (l->waiting && l->next_at && timestamp_rfc3339(l->next_at, until, sizeof until) == 0)
        buf_printf(&text, ", until %s%s", until, l->waiting == 1 ? "" : " the first");
    put_part(&text, l->refused, "is misconfigured or withheld", "are misconfigured or withheld");
    put_part(&text, l->pending, "has a new token that its row does not take",
             "have new tokens that their rows do not take");
    if (text.len)
        printf("%s: not well: %s\n", r->job, text.data);
    bool any = text.len > 0;
    buf_done(&text);
    return any;
}

static void once_run_ended(void *ctx, const struct run_result *r);

static void run_again(void *ctx)
{
    struct again *a = ctx;
    struct once *o = a->once;
    for (struct again **p = &o->again; *p; p = &(*p)->next)
        if (*p == a) {
            *p = a->next;
            break;
        }
    struct job *j = engine_job_by_name(o->setup.engine, job_configuration(a->job)->job);
    free(a);
    engine_run(o->setup.engine, j, "once", false, once_run_ended, o);
}

/* Records are still due although nothing prevents the job from claiming them: when two processes claim at the
 * same time, each skips the rows that the other has locked, so one may find none. It runs again while the number
 * decreases each time; otherwise another run would find the same. */
static bool left_out(struct once *o, const struct job *j, const struct run_result *r)
{
    int64_t limit = job_configuration(j)->limit;
    int64_t before = (intptr_t)map_get(o->left, r->job);
    if (r->left.due)
        map_put(o->left, r->job, (void *)(intptr_t)r->left.due);
    else
        map_remove(o->left, r->job);
    return r->left.due && (!before || r->left.due < before) && !(limit && r->refreshed + r->failed >= limit) &&
           !job_stands(j) && !job_paused(j);
}

/* Another process has leases on some of them; it waits for their results, at most as long as a lease lasts. */
static bool wait_for_others(struct once *o, const struct run_result *r)
{
    struct job *j = engine_job_by_name(o->setup.engine, r->job);
    if (r->why || !j || o->ended || (!left_out(o, j, r) && !r->left.elsewhere))
        return false;
    struct again *a = xcalloc(1, sizeof *a);
    *a = (struct again){o, j, NULL, o->again};
    a->timer = loop_after(o->setup.loop, OTHERS_MS, run_again, a);
    o->again = a;
    return true;
}

static void say_counts(const struct run_result *r)
{
    int64_t empty = r->left.without_credential;
    printf("%s: %" PRId64 " due, %" PRId64 " refreshed, %" PRId64 " failed", r->job, r->due, r->refreshed,
           r->failed);
    if (empty)
        printf("; %" PRId64 " record%s no credential", empty, empty == 1 ? " has" : "s have");
    printf("\n");
}

static void once_run_ended(void *ctx, const struct run_result *r)
{
    struct once *o = ctx;
    if (r->why) {
        fprintf(stderr, "renewd: job %s: %s\n", r->job, r->why);
        o->status = EXIT_FAILURE;
    }
    if (r->failed)
        o->status = EXIT_FAILURE;
    for (size_t i = 0; i < r->failure_count; i++)
        printf("  %s: %s%s%s%s%s\n", r->failures[i].key, r->failures[i].outcome, r->failures[i].code ? " " : "",
               r->failures[i].code ? r->failures[i].code : "", r->failures[i].text ? ": " : "",
               r->failures[i].text ? r->failures[i].text : "");
    bool waits = wait_for_others(o, r);
    if (!waits || r->refreshed + r->failed)
        say_counts(r);
    fflush(stdout);
    if (waits)
        return;
    if (say_left(o, r))
        o->status = EXIT_FAILURE;
    fflush(stdout);
    if (--o->waiting == 0)
        all_ended(o);
}

void once_ready(struct once *o)
{
    struct job *j;
    o->began = true;
    o->waiting = 1;
    for (size_t i = 0; (j = engine_job(o->setup.engine, i)); i++) {
        if (!once_wanted(o, j) || job_stands(j) || job_paused(j))
            continue;
        o->waiting++;
        engine_run(o->setup.engine, j, "once", false, once_run_ended, o);
    }
    if (--o->waiting == 0)
        all_ended(o);
}

struct once *once_new(const struct once_setup *s)
{
    struct once *o = xcalloc(1, sizeof *o);
    o->setup = *s;
    o->terminal = isatty(STDERR_FILENO);
    o->left = map_new();
    o->watched_ms = o->moved_ms = o->said_ms = clock_boot_ms();
    o->watch = loop_after(s->loop, WATCH_MS, watch, o);
    return o;
}

void once_stop(struct once *o)
{
    if (o->terminal && !o->ended)
        fputs("\033[K", stderr);
    o->ended = true;
    loop_cancel(&o->watch);
    while (o->again) {
        struct again *a = o->again;
        o->again = a->next;
        loop_cancel(&a->timer);
        free(a);
    }
}

void once_free(struct once *o)
{
    if (!o)
        return;
    loop_cancel(&o->watch);
    map_free(o->left, NULL);
    free(o);
}
