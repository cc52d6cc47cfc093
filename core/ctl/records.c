/* SPDX-License-Identifier: MIT
 * The commands that show records: lists of them, page by page, and one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/ctl/ctl.h"
#include "core/domain/outcome.h"

/* So many records of the longest texts fit the limit of a JSON document. */
#define PAGE_LIMIT "150"

struct listing {
    const struct ctl *c;
    struct sheet sheet;
    bool comma;                  /* --json: a record was printed */
};

static char *text_at(const struct json *doc, const char *prefix, const char *name)
{
    cleanup(free_p) char *path = xasprintf("%s%s", prefix, name);

    return strstr(name, "_at") ? say_time(doc, path) : say_member(doc, path);
}

/* "reconnect invalid_grant: Token has been expired or revoked." */
static char *error_text(const struct json *doc, const char *prefix)
{
    cleanup(free_p) char *at = xasprintf("%slast_error", prefix);

    if (json_kind(doc, at) != JSON_OBJECT)
        return NULL;
    cleanup(free_p) char *outcome = text_at(doc, prefix, "last_error.outcome");
    cleanup(free_p) char *code = text_at(doc, prefix, "last_error.code");
    cleanup(free_p) char *text = text_at(doc, prefix, "last_error.text");
    return strcmp(text, "-") == 0 ? xasprintf("%s %s", outcome, code)
                                  : xasprintf("%s %s: %s", outcome, code, text);
}

static void list_row(struct listing *l, const struct json *doc, size_t i)
{
    cleanup(free_p) char *at = xasprintf("records.%zu.", i);
    char *cells[] = {text_at(doc, at, "job"), text_at(doc, at, "id"), text_at(doc, at, "account"),
                     text_at(doc, at, "owner"), text_at(doc, at, "state"), text_at(doc, at, "expires_at"),
                     text_at(doc, at, "refreshed_at"), text_at(doc, at, "next_at"), error_text(doc, at)};

    sheet_row(&l->sheet, cells);
}

static void list_json(struct listing *l, const struct json *doc, size_t i)
{
    cleanup(free_p) char *at = xasprintf("records.%zu", i), *raw = NULL;

    if (json_raw(doc, at, &raw) < 0)
        return;
    printf("%s%s", l->comma ? "," : "", raw);
    l->comma = true;
}

static char *page_path(const struct ctl *c, const char *job, const char *after)
{
    cleanup(buf_done) struct buf b = {0};
    cleanup(free_p) char *path = ctl_path("/v1/jobs/%s/records?limit=" PAGE_LIMIT, job, NULL);

    buf_init(&b, 64 * 1024);
    (void)buf_text(&b, path);
    if (c->state) {
        (void)buf_text(&b, "&state=");
        ctl_encode(&b, c->state);
    }
    if (after) {
        (void)buf_text(&b, "&after=");
        ctl_encode(&b, after);
    }
    char *whole = buf_steal(&b);
    return whole ? whole : xstrdup("/");
}

static int list_page(struct listing *l, const char *job, char **io_after)
{
    cleanup(answer_doc_done) struct answer_doc d = {0};
    cleanup(free_p) char *path = page_path(l->c, job, *io_after);
    const char *next = NULL;
    size_t count = 0;

    int r = ctl_call(l->c, "GET", path, &d);
    if (r != 0)
        return r;
    (void)json_array_length(d.json, "records", &count);
    for (size_t i = 0; i < count; i++)
        if (l->c->json)
            list_json(l, d.json, i);
        else
            list_row(l, d.json, i);
    if (!l->c->json && count)
        sheet_flush(&l->sheet);
    free(*io_after);
    *io_after = json_text(d.json, "next", &next, NULL) == 0 ? xstrdup(next) : NULL;
    return 0;
}

/* A job that cannot be listed (held) does not hide the others'. */
static int list_job(struct listing *l, const char *job)
{
    cleanup(free_p) char *after = NULL;
    int r;

    do
        r = list_page(l, job, &after);
    while (r == 0 && after);
    return r;
}

static int list_all(struct listing *l)
{
    cleanup(answer_doc_done) struct answer_doc d = {0};
    const char *job = NULL, *why = NULL;
    size_t count = 0;
    int r = ctl_call(l->c, "GET", "/v1/jobs", &d);

    if (r != 0)
        return r;
    (void)json_array_length(d.json, "jobs", &count);
    for (size_t i = 0; r == 0 && i < count; i++) {
        cleanup(free_p) char *path = xasprintf("jobs.%zu.job", i), *held = xasprintf("jobs.%zu.held", i);
        cleanup(free_p) char *records = xasprintf("jobs.%zu.records", i);
        if (json_text(d.json, path, &job, NULL) < 0)
            continue;
        if (json_kind(d.json, records) != JSON_OBJECT && json_text(d.json, held, &why, NULL) == 0)
            fprintf(stderr, "renewctl: job %s is held, its records are left out\n", job);
        else
            r = list_job(l, job);
    }
    return r;
}

/* Nothing is printed before the first page has come, so that a refusal stands alone. */
static int first_check(const struct ctl *c)
{
    cleanup(answer_doc_done) struct answer_doc d = {0};
    cleanup(free_p) char *path = c->arg_count ? page_path(c, c->args[0], NULL) : xstrdup("/v1/jobs");

    return ctl_call(c, "GET", path, &d);
}

int ctl_records(const struct ctl *c)
{
    static const char *const titles[] = {"JOB", "ID", "ACCOUNT", "OWNER", "STATE", "EXPIRES", "REFRESHED",
                                         "NEXT", "LAST ERROR", NULL};
    struct listing l = {.c = c};

    if (c->state && state_from_name(c->state) < 0)
        return ctl_fail(c, EXIT_USAGE, "usage", "there is no state %s; it is one of ok, retrying, rate_limited, "
                        "reconnect, misconfigured, ambiguous, pending, paused", c->state);
    int r = c->json ? first_check(c) : 0;

    if (r != 0)
        return r;
    sheet_begin(&l.sheet, titles);
    if (c->json)
        fputs("{\"records\":[", stdout);
    r = c->arg_count ? list_job(&l, c->args[0]) : list_all(&l);
    if (c->json)
        fputs(r == 0 ? "],\"next\":null}\n" : "\n", stdout);
    else if (r == 0 && !l.sheet.printed)
        puts("no records");
    sheet_done(&l.sheet);
    return r;
}

int ctl_show(const struct ctl *c)
{
    static const char *const names[][2] = {
        {"job", "job"}, {"id", "id"}, {"account", "account"}, {"owner", "owner"}, {"state", "state"},
        {"expires", "expires_at"}, {"refreshed", "refreshed_at"}, {"attempts", "attempts"},
        {"next", "next_at"}, {"generation", "generation"},
    };
    cleanup(answer_doc_done) struct answer_doc d = {0};
    cleanup(free_p) char *path = ctl_path("/v1/jobs/%s/records/%s", c->args[0], c->args[1]);
    int r = ctl_call(c, "GET", path, &d);

    if (r != 0)
        return r;
    if (c->json) {
        fputs(d.body.data, stdout);
        return EXIT_DONE;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cleanup(free_p) char *text = text_at(d.json, "", names[i][1]);
        say_pair(names[i][0], text);
    }
    cleanup(free_p) char *error = error_text(d.json, ""), *at = say_time(d.json, "last_error.at");
    say_pair("last error", error);
    if (error)
        say_pair("failed", at);
    cleanup(free_p) char *remedy = say_member(d.json, "remedy"), *url = say_member(d.json, "reconnect_url");
    if (strcmp(remedy, "-") != 0) {
        say_pair("remedy", remedy);
        say_pair("reconnect at", url);
    }
    return EXIT_DONE;
}
