/* SPDX-License-Identifier: MIT
 * Asks the daemon through its socket, and prints errors.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/cli/cli.h"
#include "core/http/unix_client.h"
#include "core/time/timestamp.h"

enum { ANSWER_LIMIT = JSON_TEXT_MAX, PATH_LIMIT = 1024 * 1024, SENTENCE_MAX = 8 * 1024 };

void ctl_encode(struct buf *to, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    bool dots = strcmp(text, ".") == 0 || strcmp(text, "..") == 0; /* "." and ".." would be resolved */

    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (strchr(plain, *c) && !dots)
            (void)buf_char(to, (char)*c);
        else
            (void)buf_printf(to, "%%%02X", *c);
}

char *ctl_path(const char *format, const char *first, const char *second)
{
    cleanup(buf_done) struct buf b = {0};
    const char *next = first;

    buf_init(&b, PATH_LIMIT);
    for (const char *at = format; *at; at++) {
        if (at[0] != '%' || at[1] != 's') {
            (void)buf_char(&b, *at);
            continue;
        }
        ctl_encode(&b, next ? next : "");
        next = second;
        at++;
    }
    char *path = buf_steal(&b);
    return path ? path : xstrdup("/");
}

int ctl_ask(const struct ctl *c, const char *method, const char *path, const char *content_type,
            const struct buf *body, struct answer_doc *ret, struct error *e)
{
    const struct unix_request q = {.socket_path = c->socket,
                                   .method = method,
                                   .path = path,
                                   .content_type = content_type,
                                   .body = body ? body->data : NULL,
                                   .len = body ? body->len : 0};
    struct unix_reply reply = {0};
    buf_init(&reply.body, ANSWER_LIMIT);
    int r = http_unix_call(&q, &reply, e);
    *ret = (struct answer_doc){.status = reply.status, .retry_after = reply.retry_after, .body = reply.body};
    if (r < 0)
        return r;
    if (json_parse(ret->body.data, ret->body.len, &ret->json, NULL) < 0)
        return error_set(e, -EIO, "the program that answers at %s (HTTP status %d) is not renewd", c->socket,
                         ret->status);
    return 0;
}

void answer_doc_done(struct answer_doc *d)
{
    json_free(d->json);
    d->json = NULL;
    buf_done(&d->body);
}

int ctl_no_answer(const struct ctl *c, int result, const struct error *e)
{
    if (result == -ENOENT || result == -ECONNREFUSED)
        return ctl_fail(c, EXIT_NO_DAEMON, "no_daemon",
                        "no renewd answers at %s; is it running? (start it, or name its socket with -s)",
                        c->socket);
    if (result == -EACCES || result == -EPERM)
        return ctl_fail(c, EXIT_FAILED, "forbidden",
                        "the socket %s may not be opened by you; root, renewd's own user and the group "
                        "renewd may",
                        c->socket);
    return ctl_fail(c, EXIT_FAILED, "no_answer", "%s", e->text);
}

/* The end of the sentence. */
static void say_again(int64_t seconds)
{
    char at[TIMESTAMP_SIZE];

    if (seconds > 0 && timestamp_rfc3339(clock_now() + seconds, at, sizeof at) == 0)
        fprintf(stderr, "; ask again in %" PRId64 " s, at %.10s %.8s UTC\n", seconds, at, at + 11);
    else
        fputc('\n', stderr);
}

int ctl_refused(const struct ctl *c, const struct answer_doc *d)
{
    const char *message = NULL;

    if (json_text(d->json, "error.message", &message, NULL) < 0)
        message = "the daemon refused without a reason";
    fputs("renewctl: ", stderr);
    cleanup(free_p) char *shown = shown_text(message, SENTENCE_MAX);
    fputs(shown, stderr);
    say_again(d->retry_after);
    if (c->json)
        fputs(d->body.data, stdout);
    return EXIT_FAILED;
}

int ctl_call(const struct ctl *c, const char *method, const char *path, struct answer_doc *ret)
{
    struct error e = {""};
    int r = ctl_ask(c, method, path, NULL, NULL, ret, &e);

    if (r < 0)
        return ctl_no_answer(c, r, &e);
    return ret->status >= 200 && ret->status < 300 ? 0 : ctl_refused(c, ret);
}

bool ctl_is_over(const struct ctl *c, const char *method, const char *path, struct answer_doc *ret, int *ret_status)
{
    *ret_status = ctl_call(c, method, path, ret);
    if (*ret_status != 0)
        return true;
    if (c->json)
        fputs(ret->body.data, stdout);
    return c->json;
}
