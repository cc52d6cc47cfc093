/* SPDX-License-Identifier: MIT
 * The commands that make renewd work and wait for it: run, refresh, pause, resume, reload.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/cli/cli.h"

static void print_failures(const struct json *doc)
{
    static const char *const titles[] = {"ID", "OUTCOME", "CODE", "TEXT", NULL};
    static const char *const names[] = {"id", "outcome", "code", "text"};
    cleanup(table_output_done) struct table_output s;
    size_t count = 0;

    table_output_begin(&s, titles);
    (void)json_array_length(doc, "failures", &count);
    for (size_t i = 0; i < count; i++) {
        char *cells[4];
        for (size_t k = 0; k < 4; k++) {
            cleanup(free_p) char *path = xasprintf("failures.%zu.%s", i, names[k]);
            cells[k] = print_member(doc, path);
        }
        table_output_row(&s, cells);
    }
    if (count) {
        putchar('\n');
        table_output_flush(&s);
    }
    int64_t failed = print_integer(doc, "failed");
    if (count && failed > (int64_t)count)
        printf("and %" PRId64 " more\n", failed - (int64_t)count);
}

static void print_skipped(const struct json *doc)
{
    size_t count = 0;

    (void)json_array_length(doc, "skipped_because", &count);
    for (size_t i = 0; i < count; i++) {
        cleanup(free_p) char *n = xasprintf("skipped_because.%zu.count", i);
        cleanup(free_p) char *path = xasprintf("skipped_because.%zu.why", i), *why = print_member(doc, path);
        printf("%8" PRId64 "  skipped: %s\n", print_integer(doc, n), why);
    }
}

/* Of a run that renewd's stop cut short. */
static bool stopping(const struct answer_doc *d)
{
    bool is = false;

    (void)json_boolean(d->json, "stopping", &is);
    return is;
}

static void print_run(const struct ctl *c, const struct answer_doc *d)
{
    if (c->json) {
        fputs(d->body.data, stdout);
        return;
    }
    printf("refreshed %" PRId64 ", failed %" PRId64 ", skipped %" PRId64 "\n", print_integer(d->json, "refreshed"),
           print_integer(d->json, "failed"), print_integer(d->json, "skipped"));
    print_skipped(d->json);
    if (stopping(d))
        puts("renewd is stopping: what was skipped is left to its next start");
    print_failures(d->json);
}

/* Records that are neither due nor well, and rows that are none. */
static void print_left(const struct ctl *c, const struct json *doc)
{
    const char *job = c->args[0];
    int64_t empty = print_integer(doc, "without_credential");
    cleanup(free_p) char *only = print_member(doc, "only");

    int64_t waiting = print_integer(doc, "waiting"), unreadable = print_integer(doc, "unreadable");
    cleanup(free_p) char *until = print_time(doc, "waiting_until"), *held = print_member(doc, "held");
    bool is_held = strcmp(held, "-") != 0;

    if (is_held) {
        fputs("job ", stdout);
        print_text(job);
        printf(" is held: %s\n", held);
    }
    if (waiting) {
        int64_t own = is_held || c->now ? 0 : print_integer(doc, "waiting_own");
        printf("%" PRId64 " failed before and wait%s, until %s%s", waiting, waiting == 1 ? "s" : "", until,
               waiting == 1 ? "" : " the first");
        if (own) {
            fputs("; renewctl run ", stdout);
            print_text(job);
            fputs(" --now tries ", stdout);
            if (own < waiting)
                printf("%" PRId64 " of ", own);
            fputs("them at once", stdout);
        }
        putchar('\n');
    }
    if (unreadable) {
        printf("%" PRId64 " row%s cannot be read; renewctl records ", unreadable, unreadable == 1 ? "" : "s");
        print_text(job);
        puts(" --state misconfigured lists what is wrong");
    }
    if (empty)
        printf("%" PRId64 " record%s no credential\n", empty, empty == 1 ? " has" : "s have");
    if (strcmp(only, "-") != 0)
        printf("warning: %s\n", only);
}

int ctl_run(const struct ctl *c)
{
    cleanup(answer_doc_done) struct answer_doc d = {0};
    cleanup(free_p) char *path = ctl_path(c->now ? "/v1/jobs/%s/run?now=1" : "/v1/jobs/%s/run", c->args[0], NULL);
    int r = ctl_call(c, "POST", path, &d);

    if (r != 0)
        return r;
    print_run(c, &d);
    if (!c->json)
        print_left(c, d.json);
    return print_integer(d.json, "failed") || json_kind(d.json, "held") == JSON_STRING || stopping(&d) ? EXIT_FAILED
                                                                                                       : EXIT_DONE;
}

struct of_owner {
    int64_t refreshed;
    bool failed;
    int runs;
};

/* Of one job. */
static int refresh_owner(const struct ctl *c, const char *job, bool named, struct of_owner *io)
{
    cleanup(answer_doc_done) struct answer_doc d = {0};
    cleanup(free_p) char *path = ctl_path("/v1/jobs/%s/refresh", job, NULL);
    cleanup(buf_done) struct buf body = {0};
    struct json_writer w;
    struct error e = {""};

    buf_init(&body, 1024 * 1024);
    json_writer_init(&w, &body);
    json_begin_object(&w, NULL);
    json_put_text(&w, "owner", c->owner);
    json_end(&w);
    if (json_finish(&w) < 0)
        return ctl_fail(c, EXIT_USAGE, "usage", "the owner's name is not UTF-8 text");
    int r = ctl_ask(c, "POST", path, "application/json", &body, &d, &e);
    if (r < 0)
        return ctl_no_answer(c, r, &e);
    if (d.status < 200 || d.status >= 300)
        return ctl_refused(c, &d);
    int64_t refreshed = print_integer(d.json, "refreshed"), failed = print_integer(d.json, "failed"),
            skipped = print_integer(d.json, "skipped");
    io->refreshed += refreshed;
    io->failed = io->failed || failed || skipped;
    if (!named && !refreshed && !failed && !skipped)
        return 0; /* no record of this job belongs to that owner */
    if (!named && c->json) {
        fputs(io->runs ? "," : "", stdout);
    } else if (!named) {
        fputs("job ", stdout);
        print_text(job);
        fputs(": ", stdout);
    }
    io->runs++;
    print_run(c, &d);
    return 0;
}

static int refresh_owners(const struct ctl *c)
{
    cleanup(answer_doc_done) struct answer_doc jobs = {0};
    struct of_owner sum = {0};
    size_t count = 0;
    const char *job;

    if (c->arg_count > 1)
        return ctl_fail(c, EXIT_USAGE, "usage",
                        "--owner OWNER stands in an id's place: refresh [JOB] --owner OWNER");
    int r = c->arg_count ? refresh_owner(c, c->args[0], true, &sum) : ctl_call(c, "GET", "/v1/jobs", &jobs);
    bool list = c->json && !c->arg_count && r == 0;
    if (list)
        puts("{\"runs\":[");
    if (!c->arg_count && r == 0)
        (void)json_array_length(jobs.json, "jobs", &count);
    for (size_t i = 0; r == 0 && i < count; i++) {
        cleanup(free_p) char *name = xasprintf("jobs.%zu.job", i);
        if (json_text(jobs.json, name, &job, NULL) == 0)
            r = refresh_owner(c, job, false, &sum);
    }
    if (list)
        puts("]}");
    if (r != 0)
        return r;
    if (!sum.refreshed && !sum.failed && list)
        return EXIT_FAILED;
    if (!sum.refreshed && !sum.failed)
        return ctl_fail(c, EXIT_FAILED, "unknown_owner", "no record of %s%s belongs to %s",
                        c->arg_count ? "job " : "any job", c->arg_count ? c->args[0] : "", c->owner);
    return sum.failed ? EXIT_FAILED : EXIT_DONE;
}

int ctl_refresh(const struct ctl *c)
{
    if (c->owner)
        return refresh_owners(c);
    if (!c->arg_count)
        return ctl_fail(c, EXIT_USAGE, "usage",
                        "name the job: refresh JOB [ID], or an owner: refresh --owner OWNER");
    cleanup(answer_doc_done) struct answer_doc d = {0};
    bool one = c->arg_count > 1;
    cleanup(free_p) char *path = ctl_path(one ? "/v1/jobs/%s/records/%s/refresh" : "/v1/jobs/%s/refresh",
                                          c->args[0], one ? c->args[1] : NULL);
    int r = ctl_call(c, "POST", path, &d);

    if (r != 0)
        return r;
    print_run(c, &d);
    int64_t skipped = print_integer(d.json, "skipped");
    if (skipped && !c->json)
        puts("renewctl explain JOB ID says why one of them is not refreshed, and until when");
    bool all = !skipped && !print_integer(d.json, "failed") && (!one || print_integer(d.json, "refreshed") > 0);
    return all ? EXIT_DONE : EXIT_FAILED;
}

static int switch_job(const struct ctl *c, const char *route, const char *done, bool goes_on)
{
    cleanup(answer_doc_done) struct answer_doc d = {0};
    cleanup(free_p) char *path = ctl_path(route, c->args[0], NULL);
    const char *held = NULL;
    int r = ctl_call(c, "POST", path, &d);

    if (r != 0)
        return r;
    bool stands = goes_on && json_text(d.json, "held", &held, NULL) == 0;
    if (c->json) {
        fputs(d.body.data, stdout);
    } else {
        fputs("job ", stdout);
        print_text(c->args[0]);
        fputs(stands ? " is not paused, but it is held all the same: " : done, stdout);
        if (stands)
            print_text(held);
        putchar('\n');
    }
    return stands ? EXIT_FAILED : EXIT_DONE;
}

int ctl_pause(const struct ctl *c)
{
    return switch_job(c, "/v1/jobs/%s/pause", " is paused until it is resumed, also after a restart", false);
}

int ctl_resume(const struct ctl *c)
{
    return switch_job(
        c, c->believe ? "/v1/jobs/%s/resume?believe=1" : "/v1/jobs/%s/resume",
        c->believe
            ? " goes on; an account has to be connected again if its provider says once more that its grant is "
              "dead. Accounts that are refused for another reason (misconfigured) are only tried again: correct "
              "the job's settings for those"
            : " goes on",
        true);
}

int ctl_adopt(const struct ctl *c)
{
    cleanup(answer_doc_done) struct answer_doc d = {0};
    int r = ctl_call(c, "POST", "/v1/adopt", &d);

    if (r != 0)
        return r;
    if (c->json)
        fputs(d.body.data, stdout);
    else
        puts("this database is the one in use from now on; renewd goes on with it");
    return EXIT_DONE;
}

/* Each mistake is printed on its own line. */
static void print_lines(const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        cleanup(free_p) char *line = xstrndup(text, len);
        print_text(line);
        putchar('\n');
        text += len + (text[len] == '\n');
    }
}

int ctl_reload(const struct ctl *c)
{
    cleanup(answer_doc_done) struct answer_doc d = {0};
    const char *text = NULL, *why = NULL;
    int r = ctl_call(c, "POST", "/v1/reload", &d);

    if (r != 0)
        return r;
    bool unchecked = json_text(d.json, "unchecked", &why, NULL) == 0;
    int status = unchecked || print_integer(d.json, "held") ? EXIT_FAILED : EXIT_DONE;
    if (c->json) {
        fputs(d.body.data, stdout);
        return status;
    }
    printf("loaded %" PRId64 ", unchanged %" PRId64 ", removed %" PRId64 ", with mistakes %" PRId64 "\n",
           print_integer(d.json, "loaded"), print_integer(d.json, "unchanged"), print_integer(d.json, "removed"),
           print_integer(d.json, "held"));
    if (json_text(d.json, "text", &text, NULL) == 0)
        print_lines(text);
    if (unchecked) {
        fputs("the jobs' tables were not checked: ", stdout);
        print_text(why);
        putchar('\n');
    }
    return status;
}
