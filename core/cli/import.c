/* SPDX-License-Identifier: MIT
 * renewctl import: sends a file of JSON lines to the daemon in parts of whole lines, each of which is imported
 * completely or not at all. The file holds tokens: what was read is wiped.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/cli/cli.h"

enum { PART_MAX = 960 * 1024, READ_SIZE = 64 * 1024 };

struct import {
    const struct ctl *c;
    const char *name; /* of the file, for messages */
    char *path;
    int fd;
    struct buf held; /* read, not sent yet */
    bool ended;
    int64_t line; /* of the first one in held */
    int64_t imported;
};

static int read_more(struct import *m)
{
    char chunk[READ_SIZE];
    ssize_t n;

    do
        n = read(m->fd, chunk, sizeof chunk);
    while (n < 0 && errno == EINTR);
    int r = n < 0 ? -errno : 0;
    if (n == 0)
        m->ended = true;
    if (n > 0)
        r = buf_append(&m->held, chunk, (size_t)n);
    explicit_bzero(chunk, sizeof chunk);
    if (r < 0)
        return ctl_fail(m->c, EXIT_FAILED, "read_failed", "reading %s failed: %s", m->name, strerror(-r));
    return 0;
}

static int64_t count_lines(const char *text, size_t len)
{
    int64_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += text[i] == '\n';
    return n;
}

static bool is_blank(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!strchr(" \t\r\n", text[i]))
            return false;
    return true;
}

static int part_refused(struct import *m, const struct answer_doc *d)
{
    const char *code;

    if (json_text(d->json, "error.code", &code, NULL) >= 0 && strcmp(code, "empty") == 0)
        return ctl_fail(m->c, EXIT_FAILED, "empty", "there is no record in %s", m->name);
    if (m->imported)
        fprintf(stderr,
                "renewctl: %" PRId64 " records were imported before the part of %s that begins "
                "with its line %" PRId64 "; what follows counts lines from there\n",
                m->imported, m->name, m->line);
    return ctl_refused(m->c, d);
}

static int send_part(struct import *m, size_t len)
{
    cleanup(answer_doc_done) struct answer_doc d = {0};
    cleanup(buf_done) struct buf part = {0};
    struct error e = {""};

    buf_init(&part, PART_MAX);
    if (len)
        (void)buf_append(&part, m->held.data, len);
    int r = ctl_ask(m->c, "POST", m->path, "application/x-ndjson", &part, &d, &e);
    if (r < 0)
        return ctl_no_answer(m->c, r, &e);
    if (d.status < 200 || d.status > 299)
        return part_refused(m, &d);
    m->imported += print_integer(d.json, "imported");
    return 0;
}

/* Sends the whole lines of the first PART_MAX bytes and moves the rest to the front. */
static int ctl_import_next_part(struct import *m)
{
    size_t len = m->held.len < PART_MAX ? m->held.len : PART_MAX;
    cleanup(buf_done) struct buf rest = {0};

    if (!m->ended || len < m->held.len)
        while (len > 0 && m->held.data[len - 1] != '\n')
            len--;
    if (len == 0)
        return ctl_fail(m->c, EXIT_FAILED, "too_large",
                        "line %" PRId64 " of %s is longer than %d bytes; %" PRId64 " records were imported "
                        "before it",
                        m->line, m->name, (int)PART_MAX, m->imported);
    bool blank = is_blank(m->held.data, len) && (m->imported || len < m->held.len);
    int r = blank ? 0 : send_part(m, len);
    m->line += count_lines(m->held.data, len);
    buf_init(&rest, m->held.max);
    (void)buf_append(&rest, m->held.data + len, m->held.len - len);
    buf_clear(&m->held);
    (void)buf_append(&m->held, rest.data, rest.len);
    return r;
}

static int import_all(struct import *m)
{
    int r = 0;

    while (r == 0 && !m->ended) {
        while (r == 0 && !m->ended && m->held.len < PART_MAX)
            r = read_more(m);
        if (r == 0 && m->held.len)
            r = ctl_import_next_part(m);
    }
    while (r == 0 && m->held.len)
        r = ctl_import_next_part(m);
    if (r == 0 && !m->imported) /* the daemon knows whether the job takes records at all */
        r = send_part(m, 0);
    return r;
}

static int open_file(struct import *m, const char *name)
{
    m->name = strcmp(name, "-") == 0 ? "standard input" : name;
    m->fd = strcmp(name, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(name, O_RDONLY | O_CLOEXEC);
    if (m->fd < 0)
        return ctl_fail(m->c, EXIT_FAILED, "read_failed", "%s could not be opened: %s", m->name, strerror(errno));
    return 0;
}

int ctl_import(const struct ctl *c)
{
    struct import m = {.c = c, .fd = -1, .line = 1};
    int r = open_file(&m, c->args[1]);

    if (r != 0)
        return r;
    m.path = ctl_path(c->replace ? "/v1/jobs/%s/records?replace=1" : "/v1/jobs/%s/records", c->args[0], NULL);
    buf_init(&m.held, PART_MAX + 2 * READ_SIZE);
    r = import_all(&m);
    if (r == 0)
        printf(c->json ? "{\"imported\":%" PRId64 "}\n" : "imported %" PRId64 "\n", m.imported);
    buf_done(&m.held);
    close_p(&m.fd);
    free(m.path);
    return r;
}
