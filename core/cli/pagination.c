/* SPDX-License-Identifier: MIT
 * Lists that arrive in pages: printed as a table page by page, or as one JSON document.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/cli/cli.h"

char *pagination_cell(const struct json *doc, const char *prefix, const char *name)
{
    cleanup(free_p) char *path = xasprintf("%s%s", prefix, name);

    return strstr(name, "_at") ? print_time(doc, path) : print_member(doc, path);
}

static void put_raw(struct pages *p, const struct json *doc, size_t i)
{
    cleanup(free_p) char *at = xasprintf("%s.%zu", p->name, i), *raw = NULL;

    if (json_raw(doc, at, &raw) < 0)
        return;
    printf("%s%s", p->comma ? "," : "", raw);
    p->comma = true;
}

static void pagination_put_row(struct pages *p, const struct json *doc, size_t i)
{
    cleanup(free_p) char *at = xasprintf("%s.%zu.", p->name, i);

    p->row(&p->sheet, doc, at);
}

static char *page_path(const struct pages *p, const char *job, const char *after)
{
    cleanup(buf_done) struct buf b = {0};
    cleanup(free_p) char *path = ctl_path(p->path, job, NULL);

    buf_init(&b, 64 * 1024);
    (void)buf_text(&b, path);
    if (p->c->state) {
        (void)buf_text(&b, "&state=");
        ctl_encode(&b, p->c->state);
    }
    if (after) {
        (void)buf_text(&b, "&after=");
        ctl_encode(&b, after);
    }
    char *whole = buf_steal(&b);
    return whole ? whole : xstrdup("/");
}

static int one_page(struct pages *p, const char *job, char **io_after)
{
    cleanup(answer_doc_done) struct answer_doc d = {0};
    cleanup(free_p) char *path = page_path(p, job, *io_after);
    const char *next = NULL;
    size_t count = 0;

    int r = ctl_call(p->c, "GET", path, &d);
    if (r != 0)
        return r;
    (void)json_array_length(d.json, p->name, &count);
    if (p->c->json && !p->begun) /* only now, so that a refusal is printed alone */
        printf("{\"%s\":[", p->name);
    p->begun = true;
    for (size_t i = 0; i < count; i++)
        if (p->c->json)
            put_raw(p, d.json, i);
        else
            pagination_put_row(p, d.json, i);
    free(*io_after);
    *io_after = json_text(d.json, "next", &next, NULL) == 0 ? xstrdup(next) : NULL;
    return 0;
}

int pagination_of_job(struct pages *p, const char *job)
{
    cleanup(free_p) char *after = NULL;
    int r;

    do
        r = one_page(p, job, &after);
    while (r == 0 && after);
    return r;
}

int pagination_end(struct pages *p, int status)
{
    if (p->c->json) {
        if (status == 0 && !p->begun)
            printf("{\"%s\":[", p->name);
        if (status == 0)
            puts("],\"next\":null}");
        else if (p->begun)
            putchar('\n');
    } else if (p->sheet.rows) {
        table_output_flush(&p->sheet);
    } else if (status == 0 && !p->sheet.printed) {
        printf("no %s\n", p->name);
    }
    table_output_done(&p->sheet);
    return status;
}
