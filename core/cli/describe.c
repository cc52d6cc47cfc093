/* SPDX-License-Identifier: MIT
 * renewctl describe: a plugin's settings and slots. The daemon is asked; if none answers, the plugin is loaded
 * here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/cli/cli.h"
#include "core/plugin/load.h"

static int load_here(const struct ctl *c, struct answer_doc *ret)
{
    const char *dir = getenv("RENEWD_PLUGIN_DIR");
    const struct plugin *p = NULL;
    struct plugins *list = NULL;
    struct json_writer w;
    struct error e = {""};

    answer_doc_done(ret);
    buf_init(&ret->body, JSON_TEXT_MAX);
    int r = plugins_new(dir && *dir ? dir : PLUGINDIR, &list);
    if (r == 0)
        r = plugins_get(list, c->args[0], &p, &e);
    if (r == 0) {
        json_writer_init(&w, &ret->body);
        plugin_describe(p, &w);
        r = json_finish(&w) < 0 || buf_char(&ret->body, '\n') < 0 ? -ENOBUFS : 0;
    }
    plugins_free(list);
    if (r == 0)
        r = json_parse(ret->body.data, ret->body.len, &ret->json, NULL);
    if (r < 0)
        return ctl_fail(c, EXIT_FAILED, "unknown_plugin", "%s%s", *e.text ? e.text : strerror(-r),
                        r == -ENOENT ? "; no renewd answers: RENEWD_PLUGIN_DIR names the folder of the plugins"
                                     : "");
    return 0;
}

/* A cell: a list separated by blanks, no value as "". */
static char *cell(const struct json *doc, const char *list, size_t i, const char *name)
{
    cleanup(free_p) char *path = xasprintf("%s.%zu.%s", list, i, name);
    cleanup(buf_done) struct buf b = {0};
    const char *text = NULL;

    if (json_kind(doc, path) != JSON_ARRAY)
        return print_member(doc, path);
    buf_init(&b, 4096);
    for (size_t k = 0;; k++) {
        cleanup(free_p) char *at = xasprintf("%s.%zu", path, k);
        if (json_text(doc, at, &text, NULL) < 0)
            break;
        (void)buf_printf(&b, "%s%s", k ? " " : "", text);
    }
    return buf_steal(&b);
}

static void print_list(const struct json *doc, const char *list, const char *const *titles,
                       const char *const *names)
{
    cleanup(table_output_done) struct table_output s;
    size_t count = 0;

    table_output_begin(&s, titles);
    (void)json_array_length(doc, list, &count);
    printf("\n%s\n", list);
    for (size_t i = 0; i < count; i++) {
        char *cells[SHEET_COLUMNS];
        for (size_t k = 0; k < s.columns; k++)
            cells[k] = cell(doc, list, i, names[k]);
        table_output_row(&s, cells);
    }
    if (count)
        table_output_flush(&s);
    else
        puts("none");
}

static void print_plugin(const struct json *doc)
{
    static const char *const settings[] = {"NAME",    "TYPE",    "REQUIRED", "SECRET",
                                           "DEFAULT", "CHOICES", "HELP",     NULL};
    static const char *const of_settings[] = {"name", "type", "required", "secret", "default", "choices", "help"};
    static const char *const slots[] = {"NAME",       "TYPE",        "DIRECTION", "REQUIRED",
                                        "CREDENTIAL", "DESTINATION", "HELP",      NULL};
    static const char *const of_slots[] = {"name",       "type",        "direction", "required",
                                           "credential", "destination", "help"};
    static const char *const statements[] = {"NAME", "PARAMETERS", "ROWS", "HELP", NULL};
    static const char *const of_statements[] = {"name", "parameters", "rows", "help"};
    static const char *const pairs[] = {"name", "version", "summary", "file", "replay", "events"};

    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        cleanup(free_p) char *text = print_member(doc, pairs[i]);
        print_pair(pairs[i], text);
    }
    print_list(doc, "settings", settings, of_settings);
    print_list(doc, "slots", slots, of_slots);
    print_list(doc, "statements", statements, of_statements);
}

int ctl_describe(const struct ctl *c)
{
    cleanup(answer_doc_done) struct answer_doc d = {0};
    cleanup(free_p) char *path = ctl_path("/v1/plugins/%s", c->args[0], NULL);
    struct error e = {""};
    int r = ctl_ask(c, "GET", path, NULL, NULL, &d, &e);

    if (r < 0)
        r = load_here(c, &d);
    else if (d.status < 200 || d.status > 299)
        r = ctl_refused(c, &d);
    if (r != 0)
        return r;
    if (c->json)
        fputs(d.body.data, stdout);
    else
        print_plugin(d.json);
    return EXIT_DONE;
}
