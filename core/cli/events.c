/* SPDX-License-Identifier: MIT
 * The commands about events that wait for a provider: the list, and sending some of them again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/cli/cli.h"
#include "core/json/json_writer.h"

/* So many events with the longest texts fit the limit of a JSON document. */
#define PAGE_LIMIT "300"

enum { BODY_MAX = 64 * 1024 };

/* "100/33: the pixel is not known" */
static char *ctl_events_error_text(const struct json *doc, const char *prefix)
{
    cleanup(free_p) char *at = xasprintf("%slast_error", prefix);

    if (json_kind(doc, at) != JSON_OBJECT)
        return NULL;
    cleanup(free_p) char *code = pagination_cell(doc, prefix, "last_error.code");
    cleanup(free_p) char *text = pagination_cell(doc, prefix, "last_error.text");
    return strcmp(code, "-") == 0 ? xstrdup(text) : xasprintf("%s: %s", code, text);
}

static void ctl_events_list_row(struct table_output *s, const struct json *doc, const char *at)
{
    char *cells[] = {pagination_cell(doc, at, "id"),         pagination_cell(doc, at, "record"),
                     pagination_cell(doc, at, "event_id"),   pagination_cell(doc, at, "name"),
                     pagination_cell(doc, at, "state"),      pagination_cell(doc, at, "sends"),
                     pagination_cell(doc, at, "created_at"), pagination_cell(doc, at, "next_at"),
                     ctl_events_error_text(doc, at)};

    table_output_row(s, cells);
}

int ctl_events(const struct ctl *c)
{
    static const char *const titles[] = {"ID",   "RECORD", "EVENT", "NAME",       "STATE",
                                         "SENT", "CAME",   "NEXT",  "LAST ERROR", NULL};
    struct pages p = {.c = c,
                      .name = "events",
                      .path = "/v1/jobs/%s/events?limit=" PAGE_LIMIT,
                      .row = ctl_events_list_row};

    table_output_begin(&p.sheet, titles);
    return pagination_end(&p, pagination_of_job(&p, c->args[0]));
}

static int put_body(const struct ctl *c, struct buf *to)
{
    struct json_writer w;

    json_writer_init(&w, to);
    json_begin_object(&w, NULL);
    if (c->arg_count > 1) {
        json_begin_array(&w, "ids");
        for (int i = 1; i < c->arg_count; i++)
            json_put_text(&w, NULL, c->args[i]);
        json_end(&w);
    }
    json_end(&w);
    return json_finish(&w);
}

int ctl_retry(const struct ctl *c)
{
    cleanup(answer_doc_done) struct answer_doc d = {0};
    cleanup(buf_done) struct buf body = {0};
    cleanup(free_p) char *path = ctl_path("/v1/jobs/%s/events/retry", c->args[0], NULL);
    struct error e = {""};

    buf_init(&body, BODY_MAX);
    if (put_body(c, &body) < 0)
        return ctl_fail(c, EXIT_USAGE, "usage", "these are too many ids; name fewer at a time");
    int r = ctl_ask(c, "POST", path, "application/json", &body, &d, &e);
    if (r < 0)
        return ctl_no_answer(c, r, &e);
    if (d.status < 200 || d.status > 299)
        return ctl_refused(c, &d);
    if (c->json)
        fputs(d.body.data, stdout);
    else
        printf("%" PRId64 " events wait again\n", print_integer(d.json, "retried"));
    return EXIT_DONE;
}
