/* SPDX-License-Identifier: MIT
 * The commands that show records: lists in pages, and a single one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/cli/cli.h"
#include "core/rules/outcome.h"

/* So many records with the longest texts fit the limit of a JSON document. */
#define PAGE_LIMIT "150"

/* "reconnect invalid_grant: Token has been expired or revoked." */
static char *ctl_records_error_text(const struct json *doc, const char *prefix)
{
    cleanup(free_p) char *at = xasprintf("%slast_error", prefix);

    if (json_kind(doc, at) != JSON_OBJECT)
        return NULL;
    cleanup(free_p) char *outcome = pagination_cell(doc, prefix, "last_error.outcome");
    cleanup(free_p) char *code = pagination_cell(doc, prefix, "last_error.code");
    cleanup(free_p) char *text = pagination_cell(doc, prefix, "last_error.text");
    return strcmp(text, "-") == 0 ? xasprintf("%s %s", outcome, code) : xasprintf("%s %s: %s", outcome, code, text);
}

static void ctl_records_list_row(struct table_output *s, const struct json *doc, const char *at)
{
    char *cells[] = {pagination_cell(doc, at, "job"),          pagination_cell(doc, at, "id"),
                     pagination_cell(doc, at, "account"),      pagination_cell(doc, at, "owner"),
                     pagination_cell(doc, at, "state"),        pagination_cell(doc, at, "expires_at"),
                     pagination_cell(doc, at, "refreshed_at"), pagination_cell(doc, at, "next_at"),
                     ctl_records_error_text(doc, at)};

    table_output_row(s, cells);
}

/* A job that cannot be listed (held) does not hide the other jobs' records. */
static int list_all(struct pages *p)
{
    cleanup(answer_doc_done) struct answer_doc d = {0};
    const char *job = NULL, *why = NULL;
    size_t count = 0;
    int r = ctl_call(p->c, "GET", "/v1/jobs", &d);

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
            r = pagination_of_job(p, job);
    }
    return r;
}

int ctl_records(const struct ctl *c)
{
    static const char *const titles[] = {"JOB",     "ID",        "ACCOUNT", "OWNER",      "STATE",
                                         "EXPIRES", "REFRESHED", "NEXT",    "LAST ERROR", NULL};
    struct pages p = {.c = c,
                      .name = "records",
                      .path = "/v1/jobs/%s/records?limit=" PAGE_LIMIT,
                      .row = ctl_records_list_row};

    if (c->state && state_from_name(c->state) < 0)
        return ctl_fail(
            c, EXIT_USAGE, "usage",
            "there is no state %s; it is one of ok, retrying, rate_limited, "
            "reconnect, misconfigured, ambiguous, pending, paused, expired, without_credential, disconnected",
            c->state);
    table_output_begin(&p.sheet, titles);
    return pagination_end(&p, c->arg_count ? pagination_of_job(&p, c->args[0]) : list_all(&p));
}

int ctl_show(const struct ctl *c)
{
    static const char *const names[][2] = {
        {"job", "job"},
        {"id", "id"},
        {"account", "account"},
        {"owner", "owner"},
        {"state", "state"},
        {"expires", "expires_at"},
        {"refreshed", "refreshed_at"},
        {"attempts", "attempts"},
        {"next", "next_at"},
        {"generation", "generation"},
    };
    cleanup(answer_doc_done) struct answer_doc d = {0};
    cleanup(free_p) char *path = ctl_path("/v1/jobs/%s/records/%s", c->args[0], c->args[1]);
    int status;
    if (ctl_is_over(c, "GET", path, &d, &status))
        return status;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cleanup(free_p) char *text = pagination_cell(d.json, "", names[i][1]);
        print_pair(names[i][0], text);
    }
    cleanup(free_p) char *error = ctl_records_error_text(d.json, ""), *at = print_time(d.json, "last_error.at");
    print_pair("last error", error);
    if (error)
        print_pair("failed", at);
    cleanup(free_p) char *remedy = print_member(d.json, "remedy"), *url = print_member(d.json, "reconnect_url");
    if (strcmp(remedy, "-") != 0) {
        print_pair("remedy", remedy);
        print_pair("reconnect at", url);
    }
    return EXIT_DONE;
}
