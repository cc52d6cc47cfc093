/* SPDX-License-Identifier: MIT
 * explain JOB [ID]: why nothing, or one record, is refreshed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/cli/cli.h"

/* A time in the past is not shown as the next one. */
static void print_next(const struct json *doc, const char *next)
{
    cleanup(free_p) char *run = print_time(doc, "next_run_at");
    bool automatic = false;
    (void)json_boolean(doc, "automatic", &automatic);
    if (print_integer(doc, "due") && automatic)
        puts("those that are due are taken now, as limit, pace and in_flight of the job allow");
    else if (print_integer(doc, "due") && strcmp(run, "-") != 0)
        printf("those that are due are taken by the next run, at %s; renewctl run takes them now\n", run);
    else if (strcmp(next, "-") != 0)
        printf("the next one comes by itself at %s\n", next);
    else if (strcmp(run, "-") != 0)
        printf("none comes by itself; they wait for the job's next run, at %s\n", run);
    else
        puts("none comes by itself");
}

static void print_job(const struct json *doc)
{
    cleanup(free_p) char *held = print_member(doc, "held"), *next = print_time(doc, "next_at");
    cleanup(free_p) char *refused = print_member(doc, "last_run_refused"), *cron = print_member(doc, "pg_cron");
    size_t count = 0;
    bool paused = false;

    if (strcmp(held, "-") != 0)
        printf("the job is held: %s\n", held);
    (void)json_boolean(doc, "paused", &paused);
    if (paused)
        puts("the job is paused: renewctl resume");
    if (strcmp(refused, "-") != 0)
        printf("the last run was refused: %s\n", refused);
    cleanup(free_p) char *hidden = print_member(doc, "row_security");
    if (strcmp(hidden, "-") != 0)
        printf("warning: %s\n", hidden);
    cleanup(free_p) char *only = print_member(doc, "only");
    if (strcmp(only, "-") != 0)
        printf("warning: %s\n", only);
    if (strcmp(cron, "-") != 0)
        printf("warning: %s\n", cron);
    printf("%" PRId64 " rows, %" PRId64 " records, %" PRId64 " due now\n", print_integer(doc, "rows"),
           print_integer(doc, "records"), print_integer(doc, "due"));
    (void)json_array_length(doc, "reasons", &count);
    for (size_t i = 0; i < count; i++) {
        cleanup(free_p) char *n = xasprintf("reasons.%zu.count", i);
        cleanup(free_p) char *path = xasprintf("reasons.%zu.why", i);
        cleanup(free_p) char *why = print_member(doc, path);
        printf("%8" PRId64 "  %s\n", print_integer(doc, n), why);
    }
    if (paused || strcmp(held, "-") != 0 || !print_integer(doc, "rows"))
        return; /* no time is known: a person or another event comes first */
    print_next(doc, next);
}

int ctl_explain(const struct ctl *c)
{
    cleanup(answer_doc_done) struct answer_doc d = {0};
    cleanup(free_p) char *path = c->arg_count == 2
                                     ? ctl_path("/v1/jobs/%s/records/%s/explain", c->args[0], c->args[1])
                                     : ctl_path("/v1/jobs/%s/explain", c->args[0], NULL);
    int r = ctl_call(c, "GET", path, &d);

    if (r != 0)
        return r;
    if (c->json) {
        fputs(d.body.data, stdout);
    } else if (c->arg_count == 2) {
        cleanup(free_p) char *why = print_member(d.json, "why"), *url = print_member(d.json, "reconnect_url"),
                             *said = print_member(d.json, "last_error");
        printf(strcmp(url, "-") != 0 ? "%s, at %s\n" : "%s\n", why, url);
        if (strcmp(said, "-") != 0)
            printf("its last error: %s\n", said);
    } else {
        print_job(d.json);
    }
    return EXIT_DONE;
}
