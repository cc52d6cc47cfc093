/* SPDX-License-Identifier: MIT
 * parked [JOB], parked apply ID: lists parked pairs, and writes one into its row.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/cli/cli.h"

static char *ctl_parked_member(const struct json *doc, size_t index, const char *name)
{
    cleanup(free_p) char *path = xasprintf("parked.%zu.%s", index, name);

    return print_member(doc, path);
}

static char *when(const struct json *doc, size_t index, const char *name)
{
    cleanup(free_p) char *path = xasprintf("parked.%zu.%s", index, name);

    return print_time(doc, path);
}

/* A late one is deleted after 30 days; one that its row refused stays until the row takes it. */
static char *until(const struct json *doc, size_t index)
{
    cleanup(free_p) char *kind = ctl_parked_member(doc, index, "kind");

    return strcmp(kind, "pending") != 0 ? when(doc, index, "until") : xstrdup("its row takes it");
}

static int ctl_parked_list(const struct ctl *c)
{
    static const char *const titles[] = {"ID", "KIND", "JOB", "RECORD", "ACCOUNT", "SINCE", "UNTIL", "WHY", NULL};
    cleanup(answer_doc_done) struct answer_doc d = {0};
    cleanup(free_p) char *path =
        c->arg_count ? ctl_path("/v1/jobs/%s/parked", c->args[0], NULL) : xstrdup("/v1/parked");
    cleanup(table_output_done) struct table_output s;
    size_t count = 0, pairs = 0, answers = 0;

    table_output_begin(&s, titles);
    int status;
    if (ctl_is_over(c, "GET", path, &d, &status))
        return status;
    (void)json_array_length(d.json, "parked", &count);
    for (size_t i = 0; i < count; i++) {
        char *cells[] = {ctl_parked_member(d.json, i, "id"),
                         ctl_parked_member(d.json, i, "kind"),
                         ctl_parked_member(d.json, i, "job"),
                         ctl_parked_member(d.json, i, "record"),
                         ctl_parked_member(d.json, i, "account"),
                         when(d.json, i, "created_at"),
                         until(d.json, i),
                         ctl_parked_member(d.json, i, "why")};
        *(strcmp(cells[1], "answer") == 0 ? &answers : &pairs) += 1;
        table_output_row(&s, cells);
    }
    table_output_flush(&s);
    if (pairs)
        puts(
            "\n`renewctl parked apply ID` writes one into its row, if the row still holds the credential that it replaced");
    if (answers)
        puts("\nAn answer that could not be read cannot be applied; `renewctl explain JOB RECORD` says what follows for its "
             "record");
    return EXIT_DONE;
}

static int ctl_parked_apply(const struct ctl *c)
{
    cleanup(answer_doc_done) struct answer_doc d = {0};
    cleanup(free_p) char *path = ctl_path("/v1/parked/%s/apply", c->args[1], NULL);
    int status;
    if (ctl_is_over(c, "POST", path, &d, &status))
        return status;
    cleanup(free_p) char *job = print_member(d.json, "job");
    cleanup(free_p) char *record = print_member(d.json, "record");
    fputs("the tokens were written into their row: job ", stdout);
    print_text(job);
    fputs(", record ", stdout);
    print_text(record);
    putchar('\n');
    return EXIT_DONE;
}

int ctl_parked(const struct ctl *c)
{
    if (c->arg_count < 2)
        return ctl_parked_list(c);
    if (strcmp(c->args[0], "apply") == 0)
        return ctl_parked_apply(c);
    fputs("usage: renewctl [-s SOCKET] [--json] parked [JOB] | parked apply ID\n", stderr);
    return EXIT_USAGE;
}
