/* SPDX-License-Identifier: MIT
 * Output of renewctl: sentences, pairs, members of a document as text. Text from outside is cleaned, so that it
 * cannot control a terminal.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/utf8.h"
#include "core/cli/cli.h"

enum { SENTENCE_SIZE = 2048, TEXT_MAX = 4000, PAIR_WIDTH = 17, RFC3339_LENGTH = 20 };

int ctl_fail(const struct ctl *c, int status, const char *code, const char *fmt, ...)
{
    char text[SENTENCE_SIZE];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    cleanup(free_p) char *shown = shown_text(text, sizeof text);
    fprintf(stderr, "renewctl: %s\n", shown);
    utf8_clean(text, sizeof text - 1);
    if (!c->json)
        return status;
    cleanup(buf_done) struct buf b = {0};
    struct json_writer w;
    buf_init(&b, 4 * SENTENCE_SIZE);
    json_writer_init(&w, &b);
    json_begin_object(&w, NULL);
    json_begin_object(&w, "error");
    json_put_text(&w, "code", code);
    json_put_text(&w, "message", text);
    json_end(&w);
    json_end(&w);
    if (json_finish(&w) == 0)
        puts(b.data);
    return status;
}

void print_text(const char *text)
{
    cleanup(free_p) char *shown = shown_text(text ? text : "-", TEXT_MAX);

    fputs(shown, stdout);
}

void print_pair(const char *name, const char *value)
{
    int blanks = PAIR_WIDTH - (int)strlen(name) - 1;

    printf("%s:%*s", name, blanks > 1 ? blanks : 1, "");
    print_text(value);
    putchar('\n');
}

char *print_member(const struct json *doc, const char *path)
{
    const char *text = NULL;
    bool yes = false;
    char *raw = NULL;

    if (json_text(doc, path, &text, NULL) == 0)
        return xstrdup(text);
    if (json_boolean(doc, path, &yes) == 0)
        return xstrdup(yes ? "yes" : "no");
    if (json_kind(doc, path) == JSON_ABSENT || json_kind(doc, path) == JSON_NULL || json_raw(doc, path, &raw) < 0)
        return xstrdup("-");
    return raw;
}

char *print_time(const struct json *doc, const char *path)
{
    const char *text = NULL;

    if (json_text(doc, path, &text, NULL) < 0)
        return xstrdup("-");
    if (strlen(text) != RFC3339_LENGTH || text[RFC3339_LENGTH - 1] != 'Z')
        return xstrdup(text);
    return xasprintf("%.10s %.8s UTC", text, text + 11);
}

int64_t print_integer(const struct json *doc, const char *path)
{
    int64_t value = 0;

    return json_integer(doc, path, &value) >= 0 ? value : 0;
}

int print_end(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "renewctl: the output could not be written: %s\n", strerror(errno));
    return EXIT_FAILED;
}
