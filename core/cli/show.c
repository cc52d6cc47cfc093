/* SPDX-License-Identifier: MIT
 * The commands that show the status of renewd, its jobs and their runs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/cli/cli.h"
#include "core/rules/progress.h"

static void pair_member(const struct json *doc, const char *name, const char *path)
{
    cleanup(free_p) char *text = print_member(doc, path);

    print_pair(name, text);
}

static void pair_store(const struct json *doc)
{
    cleanup(free_p) char *driver = print_member(doc, "store.driver"), *why = print_member(doc, "store.why");
    bool up = false, read_only = false;

    (void)json_boolean(doc, "store.up", &up);
    (void)json_boolean(doc, "store.read_only", &read_only);
    cleanup(free_p) char *text =
        up ? xasprintf("%s, up", driver) : xasprintf("%s, %s: %s", driver, read_only ? "only read" : "away", why);
    print_pair("store", text);
}

static void pair_started(const struct json *doc)
{
    cleanup(free_p) char *at = print_time(doc, "started_at");
    int64_t s = print_integer(doc, "uptime");
    cleanup(free_p) char *text = xasprintf("since %s (%" PRId64 " d %" PRId64 " h %" PRId64 " min)", at, s / 86400,
                                           s / 3600 % 24, s / 60 % 60);

    print_pair("running", text);
}

static void pair_jobs(const struct json *doc)
{
    cleanup(free_p) char *text =
        xasprintf("%" PRId64 " (%" PRId64 " held, %" PRId64 " failing, %" PRId64 " paused)",
                  print_integer(doc, "jobs"), print_integer(doc, "held"), print_integer(doc, "failing"),
                  print_integer(doc, "paused"));

    print_pair("jobs", text);
}

/* Tokens that their rows did not take. */
static void pair_aside(const struct json *doc)
{
    int64_t pending = print_integer(doc, "set_aside.pending"), orphans = print_integer(doc, "set_aside.orphans"),
            answers = print_integer(doc, "set_aside.answers");
    cleanup(free_p) char *text = xasprintf("%" PRId64 " refused by their rows, %" PRId64
                                           " too late for them, %" PRId64 " answers that could not be read",
                                           pending, orphans, answers);

    print_pair("parked", pending || orphans || answers ? text : "nothing");
}

static void pair_spool(const struct json *doc)
{
    cleanup(free_p) char *oldest = print_time(doc, "spool.oldest_at");
    int64_t entries = print_integer(doc, "spool.entries");
    cleanup(free_p) char *text = entries ? xasprintf("%" PRId64 " entries, %" PRId64 " bytes, oldest of %s",
                                                     entries, print_integer(doc, "spool.bytes"), oldest)
                                         : xstrdup("empty");

    print_pair("spool", text);
    int64_t left_alone = print_integer(doc, "spool.left_alone");
    bool read_only = false;
    (void)json_boolean(doc, "store.read_only", &read_only);
    cleanup(free_p) char *kept =
        read_only && !print_integer(doc, "spool.kept")
            ? xstrdup("not read yet: the database is only read")
            : xasprintf("%" PRId64 " newest credentials, %" PRId64 " bytes", print_integer(doc, "spool.kept"),
                        print_integer(doc, "spool.kept_bytes"));
    print_pair("kept for a day", kept);
    if (!left_alone)
        return;
    cleanup(free_p) char *files =
        xasprintf("%" PRId64 " files of another host, another database or another key; the log names "
                  "them",
                  left_alone);
    print_pair("left alone", files);
}

enum { STATUS_LIST_MAX = 400 };

/* How far the reading of a table is, in words. */
static char *reading_text(const struct json *doc, const char *at)
{
    cleanup(free_p) char *rows = xasprintf("%s.rows", at), *about = xasprintf("%s.about", at);
    cleanup(free_p) char *left = xasprintf("%s.left", at);
    char text[PROGRESS_TEXT];
    struct progress p = {.rows = print_integer(doc, rows), .about = print_integer(doc, about), .left = -1};

    if (json_kind(doc, left) == JSON_INTEGER)
        p.left = print_integer(doc, left);
    progress_text(&p, text);
    return xstrdup(text);
}

static void pair_readings(const struct json *doc)
{
    for (size_t i = 0; i < STATUS_LIST_MAX; i++) {
        cleanup(free_p) char *at = xasprintf("reading.%zu", i), *job = xasprintf("%s.job", at);
        const char *name = NULL;
        if (json_text(doc, job, &name, NULL) < 0 || !name)
            break;
        cleanup(free_p) char *words = reading_text(doc, at), *text = xasprintf("%s: %s", name, words);
        print_pair("reading", text);
    }
}

int ctl_status(const struct ctl *c)
{
    cleanup(answer_doc_done) struct answer_doc d = {0};
    int status;
    if (ctl_is_over(c, "GET", "/v1/status", &d, &status))
        return status;
    pair_member(d.json, "version", "version");
    pair_member(d.json, "host", "host");
    pair_started(d.json);
    pair_store(d.json);
    pair_jobs(d.json);
    pair_member(d.json, "in flight", "in_flight");
    pair_member(d.json, "waiting commits", "waiting_commits");
    pair_aside(d.json);
    pair_spool(d.json);
    pair_readings(d.json);
    for (size_t i = 0; i < STATUS_LIST_MAX; i++) {
        cleanup(free_p) char *path = xasprintf("warnings.%zu", i);
        const char *text = NULL;
        if (json_text(d.json, path, &text, NULL) < 0 || !text)
            break;
        print_pair("warning", text);
    }
    return EXIT_DONE;
}

/* "7 (5 ok, 2 reconnect)" */
static char *counts_text(const struct json *doc, size_t index)
{
    cleanup(buf_done) struct buf b = {0};
    cleanup(free_p) char *at = xasprintf("jobs.%zu.records", index);
    cleanup(free_p) char *all = xasprintf("%s.all", at);
    const char *name, *between = " (";

    if (json_kind(doc, at) != JSON_OBJECT)
        return NULL;
    buf_init(&b, 1024);
    (void)buf_printf(&b, "%" PRId64, print_integer(doc, all));
    for (size_t i = 0; json_member(doc, at, i, &name); i++) {
        cleanup(free_p) char *path = xasprintf("%s.%s", at, name);
        int64_t n = strcmp(name, "all") == 0 ? 0 : print_integer(doc, path);
        if (!n)
            continue;
        (void)buf_printf(&b, "%s%" PRId64 " %s", between, n, name);
        between = ", ";
    }
    cleanup(free_p) char *unreadable = xasprintf("jobs.%zu.unreadable", index);
    if (json_kind(doc, unreadable) == JSON_INTEGER && print_integer(doc, unreadable)) {
        (void)buf_printf(&b, "%s%" PRId64 " unreadable", between, print_integer(doc, unreadable));
        between = ", ";
    }
    if (between[0] == ',')
        (void)buf_char(&b, ')');
    return buf_steal(&b);
}

static char *member_of(const struct json *doc, const char *list, size_t index, const char *name)
{
    cleanup(free_p) char *path = xasprintf("%s.%zu.%s", list, index, name);

    return print_member(doc, path);
}

static char *time_of(const struct json *doc, const char *list, size_t index, const char *name)
{
    cleanup(free_p) char *path = xasprintf("%s.%zu.%s", list, index, name);

    return print_time(doc, path);
}

static char *job_state(const struct json *doc, size_t i)
{
    cleanup(free_p) char *held = xasprintf("jobs.%zu.held", i), *paused = xasprintf("jobs.%zu.paused", i);
    cleanup(free_p) char *failing = xasprintf("jobs.%zu.failing", i);
    bool stands = false;

    (void)json_boolean(doc, paused, &stands);
    return xstrdup(json_kind(doc, held) == JSON_STRING      ? "held"
                   : stands                                 ? "paused"
                   : json_kind(doc, failing) == JSON_STRING ? "failing"
                                                            : "on");
}

static char *job_schedule(const struct json *doc, size_t i)
{
    cleanup(free_p) char *schedule = member_of(doc, "jobs", i, "schedule");
    cleanup(free_p) char *zone = member_of(doc, "jobs", i, "timezone");

    return strcmp(zone, "UTC") == 0 || strcmp(zone, "-") == 0 ? xstrdup(schedule)
                                                              : xasprintf("%s (%s)", schedule, zone);
}

static void print_why(const struct json *doc, size_t count, const char *member, const char *words)
{
    const char *why = NULL, *name = NULL;

    for (size_t i = 0; i < count; i++) {
        cleanup(free_p) char *path = xasprintf("jobs.%zu.%s", i, member), *job = xasprintf("jobs.%zu.job", i);
        if (json_text(doc, path, &why, NULL) < 0 || json_text(doc, job, &name, NULL) < 0)
            continue;
        fputs("\njob ", stdout);
        print_text(name);
        fputs(words, stdout);
        print_text(why);
        putchar('\n');
    }
}

static void print_readings(const struct json *doc, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cleanup(free_p) char *at = xasprintf("jobs.%zu.reading", i);
        if (json_kind(doc, at) != JSON_OBJECT)
            continue;
        cleanup(free_p) char *job = member_of(doc, "jobs", i, "job"), *text = reading_text(doc, at);
        fputs("\njob ", stdout);
        print_text(job);
        printf(": %s\n", text);
    }
}

static void print_overdue(const struct json *doc, size_t count)
{
    const char *why = NULL;

    for (size_t i = 0; i < count; i++) {
        cleanup(free_p) char *warning = xasprintf("jobs.%zu.warning", i);
        cleanup(free_p) char *overdue = xasprintf("jobs.%zu.overdue", i);
        cleanup(free_p) char *job = member_of(doc, "jobs", i, "job");
        int64_t n = print_integer(doc, overdue);
        bool warned = json_text(doc, warning, &why, NULL) == 0;
        if (!n && !warned)
            continue;
        fputs("\njob ", stdout);
        print_text(job);
        if (n)
            printf(": %" PRId64 " overdue", n);
        if (warned) {
            fputs(": ", stdout);
            print_text(why);
        }
        putchar('\n');
    }
}

static void print_granted(const struct json *doc, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cleanup(free_p) char *at = xasprintf("jobs.%zu.granted.changed_at", i);
        cleanup(free_p) char *life = xasprintf("jobs.%zu.granted.life", i);
        cleanup(free_p) char *rotates = xasprintf("jobs.%zu.granted.rotates", i);
        cleanup(free_p) char *job = member_of(doc, "jobs", i, "job");
        bool replaces = false;
        if (json_kind(doc, at) != JSON_STRING)
            continue;
        cleanup(free_p) char *since = print_time(doc, at);
        (void)json_boolean(doc, rotates, &replaces);
        fputs("\njob ", stdout);
        print_text(job);
        printf(": its provider changed what a refresh gives at %s: access tokens live %" PRId64
               " s now, and a refresh %s\n",
               since, print_integer(doc, life),
               replaces ? "replaces the credential" : "leaves the credential as it is");
    }
}

/* Events that need a person; those that only wait are printed beside them. */
static void print_events(const struct json *doc, size_t count)
{
    static const struct {
        const char *name, *words;
    } parts[] = {{"waiting", "wait"},
                 {"held", "are held"},
                 {"aside", "were parked (aside)"},
                 {"expired", "were dropped as too old "
                             "(expired)"},
                 {"repeats", "were repeated sendings"}};

    for (size_t i = 0; i < count; i++) {
        cleanup(free_p) char *job = member_of(doc, "jobs", i, "job");
        bool begun = false;
        for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
            cleanup(free_p) char *path = xasprintf("jobs.%zu.events.%s", i, parts[k].name);
            int64_t n = print_integer(doc, path);
            if (!n)
                continue;
            if (!begun) {
                fputs("\njob ", stdout);
                print_text(job);
            }
            printf("%s%" PRId64 " %s", begun ? ", " : ": events: ", n, parts[k].words);
            begun = true;
        }
        if (begun)
            putchar('\n');
    }
}

static bool ctl_show_is_named(const struct json *doc, size_t i, const char *member, const char *name)
{
    cleanup(free_p) char *path = xasprintf("jobs.%zu.%s", i, member);
    const char *text = NULL;

    return json_text(doc, path, &text, NULL) == 0 && text && strcmp(text, name) == 0;
}

/* Reduces the list to one job, by its name or its earlier one. */
static bool keep_job(struct answer_doc *d, size_t *io_count, const char *name)
{
    static const char *const members[] = {"job", "legacy_name"};

    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < *io_count; i++) {
            cleanup(free_p) char *path = xasprintf("jobs.%zu", i), *raw = NULL;
            struct json *one = NULL;
            if (!ctl_show_is_named(d->json, i, members[k], name) || json_raw(d->json, path, &raw) < 0)
                continue;
            cleanup(free_p) char *text = xasprintf("{\"jobs\":[%s]}", raw);
            if (json_parse(text, strlen(text), &one, NULL) < 0)
                return false;
            json_free(d->json);
            d->json = one;
            buf_clear(&d->body);
            (void)buf_printf(&d->body, "%s\n", text);
            *io_count = 1;
            return true;
        }
    return false;
}

/* A last run that was refused, interrupted or failed: when, and why. */
static void print_last_runs(const struct json *doc, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cleanup(free_p) char *run = member_of(doc, "jobs", i, "last_run.id"),
                             *job = member_of(doc, "jobs", i, "job");
        cleanup(free_p) char *status = member_of(doc, "jobs", i, "last_run.status");
        cleanup(free_p) char *at = time_of(doc, "jobs", i, "last_run.finished_at");
        cleanup(free_p) char *why = member_of(doc, "jobs", i, "last_run.refused");
        cleanup(free_p) char *failed = member_of(doc, "jobs", i, "last_run.failed");
        cleanup(free_p) char *id = member_of(doc, "jobs", i, "last_run.failures.0.id");
        cleanup(free_p) char *code = member_of(doc, "jobs", i, "last_run.failures.0.code");
        cleanup(free_p) char *text = member_of(doc, "jobs", i, "last_run.failures.0.text");
        bool refused = strcmp(status, "refused") == 0, cut = strcmp(status, "interrupted") == 0;
        if (!refused && !cut && strcmp(status, "failed") != 0)
            continue;
        cleanup(free_p) char *first =
            strcmp(id, "-") == 0 ? xstrdup("") : xasprintf("; record %s: %s: %s", id, code, text);
        cleanup(free_p) char *line =
            refused ? xasprintf("job %s: its last run (%s) was refused at %s: %s", job, run, at, why)
            : cut   ? xasprintf("job %s: its last run (%s, ended %s) was %s", job, run, at, why)
                    : xasprintf("job %s: its last run (%s, ended %s) failed for %s of its records%s", job, run, at,
                                failed, first);
        putchar('\n');
        print_text(line);
        putchar('\n');
    }
}

/* The file of a job with enabled = false, by either name; NULL = there is none. */
static char *disabled_file(const struct json *doc, const char *name)
{
    static const char *const members[] = {"job", "legacy_name"};
    size_t count = 0;

    (void)json_array_length(doc, "disabled", &count);
    for (size_t i = 0; i < 2 * count; i++) {
        cleanup(free_p) char *text = member_of(doc, "disabled", i / 2, members[i % 2]);
        if (strcmp(text, name) == 0)
            return member_of(doc, "disabled", i / 2, "file");
    }
    return NULL;
}

static void print_disabled(const struct json *doc)
{
    size_t count = 0;

    if (json_array_length(doc, "disabled", &count) < 0)
        return;
    for (size_t i = 0; i < count; i++) {
        cleanup(free_p) char *job = member_of(doc, "disabled", i, "job");
        cleanup(free_p) char *file = member_of(doc, "disabled", i, "file");
        fputs("\njob ", stdout);
        print_text(job);
        fputs(" is disabled (enabled = false) in ", stdout);
        print_text(file);
        putchar('\n');
    }
}

int ctl_jobs(const struct ctl *c)
{
    static const char *const titles[] = {"JOB", "PLUGIN", "STATE", "SCHEDULE", "NEXT", "RECORDS", NULL};
    const char *name = c->arg_count ? c->args[0] : NULL;
    cleanup(answer_doc_done) struct answer_doc d = {0};
    cleanup(table_output_done) struct table_output s;
    size_t count = 0;

    table_output_begin(&s, titles);
    int r = ctl_call(c, "GET", "/v1/jobs", &d);
    if (r != 0)
        return r;
    (void)json_array_length(d.json, "jobs", &count);
    cleanup(free_p) char *off = name ? disabled_file(d.json, name) : NULL;
    if (off)
        return ctl_fail(c, EXIT_FAILED, "disabled",
                        "job %s is disabled (enabled = false) in %s; change that, then run renewctl "
                        "reload",
                        name, off);
    if (name && !keep_job(&d, &count, name))
        return ctl_fail(c, EXIT_FAILED, "unknown_job", "there is no job %s; renewctl jobs lists them", name);
    if (c->json) {
        fputs(d.body.data, stdout);
        return EXIT_DONE;
    }
    for (size_t i = 0; i < count; i++) {
        char *cells[] = {member_of(d.json, "jobs", i, "job"),
                         member_of(d.json, "jobs", i, "plugin"),
                         job_state(d.json, i),
                         job_schedule(d.json, i),
                         time_of(d.json, "jobs", i, "next_at"),
                         counts_text(d.json, i)};
        table_output_row(&s, cells);
    }
    table_output_flush(&s);
    print_why(d.json, count, "held", " is held: ");
    print_why(d.json, count, "failing", " is failing: ");
    print_last_runs(d.json, count);
    print_readings(d.json, count);
    print_why(d.json, count, "row_security", ": ");
    print_why(d.json, count, "only", ": ");
    print_overdue(d.json, count);
    print_granted(d.json, count);
    print_events(d.json, count);
    print_disabled(d.json);
    return EXIT_DONE;
}

static void print_refused(const struct json *doc, size_t count)
{
    const char *why = NULL;

    for (size_t i = 0; i < count; i++) {
        cleanup(free_p) char *refused = xasprintf("runs.%zu.refused", i);
        if (json_text(doc, refused, &why, NULL) < 0 || !why)
            continue;
        cleanup(free_p) char *id = member_of(doc, "runs", i, "id"), *status = member_of(doc, "runs", i, "status");
        printf("\nrun %s was %s", id, strcmp(status, "refused") == 0 ? "refused: " : "");
        print_text(why);
        putchar('\n');
    }
}

int ctl_runs(const struct ctl *c)
{
    static const char *const titles[] = {"RUN", "JOB",       "TRIGGER", "STATUS",  "STARTED", "FINISHED",
                                         "DUE", "REFRESHED", "FAILED",  "SKIPPED", NULL};
    static const char *const names[] = {"id",          "job", "trigger",   "status", "started_at",
                                        "finished_at", "due", "refreshed", "failed", "skipped"};
    cleanup(answer_doc_done) struct answer_doc d = {0};
    cleanup(table_output_done) struct table_output s;
    cleanup(free_p) char *path =
        ctl_path(c->arg_count ? "/v1/jobs/%s/runs" : "/v1/runs", c->arg_count ? c->args[0] : NULL, NULL);
    size_t count = 0;

    table_output_begin(&s, titles);
    int status;
    if (ctl_is_over(c, "GET", path, &d, &status))
        return status;
    (void)json_array_length(d.json, "runs", &count);
    for (size_t i = 0; i < count; i++) {
        char *cells[10];
        for (size_t k = 0; k < 10; k++)
            cells[k] = strstr(names[k], "_at") ? time_of(d.json, "runs", i, names[k])
                                               : member_of(d.json, "runs", i, names[k]);
        table_output_row(&s, cells);
    }
    table_output_flush(&s);
    print_refused(d.json, count);
    return EXIT_DONE;
}
