/* SPDX-License-Identifier: MIT
 * Answers: a JSON document, or {"error":{"code","message"}}. Every request ends here.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/api/internal.h"
#include "core/base/log.h"
#include "core/base/utf8.h"

enum { MESSAGE_SIZE = 1024 };

static void request_end(struct request *q, int status, const char *type, const void *body, size_t len)
{
    if (q->call)
        http_answer(q->call, status, type, body, len);
    if (q->api)
        LIST_REMOVE(q, link);
    free(q->memory);
    free(q->called);
    free(q);
}

void answer_bytes(struct request *q, int status, const char *type, const void *body, size_t len)
{
    request_end(q, status, type, body, len);
}

void answer_begin(struct answer *a)
{
    buf_init(&a->body, ANSWER_MAX);
    json_writer_init(&a->json, &a->body);
}

void answer_begin_object(struct answer *a)
{
    answer_begin(a);
    json_begin_object(&a->json, NULL);
}

void answer_object(struct request *q, int status, struct answer *a)
{
    json_end(&a->json);
    answer_json(q, status, a);
}

void answer_begin_list(struct answer *a, const char *name)
{
    answer_begin_object(a);
    json_begin_array(&a->json, name);
}

void answer_list(struct request *q, struct answer *a)
{
    json_end(&a->json);
    answer_object(q, 200, a);
}

void answer_page(struct request *q, struct answer *a, const char *next)
{
    json_end(&a->json);
    json_put_text(&a->json, "next", next);
    answer_object(q, 200, a);
}

void answer_json(struct request *q, int status, struct answer *a)
{
    if (json_finish(&a->json) < 0 || buf_char(&a->body, '\n') < 0)
        answer_error(q, 500, "too_large", "the answer is too large; ask for less with limit");
    else
        request_end(q, status, "application/json", a->body.data, a->body.len);
    buf_done(&a->body);
}

void answer_mark(struct request *q, const char *code)
{
    if (q->call)
        (void)http_answer_header(q->call, OWN_REFUSAL, code);
}

void answer_error(struct request *q, int status, const char *code, const char *fmt, ...)
{
    struct answer a;
    char message[MESSAGE_SIZE];
    va_list args;

    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    utf8_clean(message, sizeof message - 1);
    answer_mark(q, code);
    answer_begin(&a);
    json_begin_object(&a.json, NULL);
    json_begin_object(&a.json, "error");
    json_put_text(&a.json, "code", code);
    json_put_text(&a.json, "message", message);
    json_end(&a.json);
    json_end(&a.json);
    (void)buf_char(&a.body, '\n');
    request_end(q, status, "application/json", a.body.data, a.body.len);
    buf_done(&a.body);
}

void answer_failure(struct request *q, int result, const char *why)
{
    if (!why || !*why)
        why = "the database is not available; try again when it answers";
    switch (result) {
    case -ENOTCONN:
    case -ETIMEDOUT:
    case -ENOSPC:
    case -EDEADLK:
        answer_error(q, 503, "store_away", "%s", why);
        return;
    case -EROFS:
        answer_error(q, 503, "read_only", "%s", why);
        return;
    case -ESHUTDOWN:
        answer_error(q, 503, "stopping", "%s", why);
        return;
    case -EBUSY:
        answer_error(q, 409, "refused", "%s", why);
        return;
    case -ENOENT:
        answer_error(q, 404, "unknown_record", "%s", why);
        return;
    case -EEXIST:
        answer_error(q, 409, "exists", "%s", why);
        return;
    default:
        log_line(LEVEL_WARNING, "a call of the API failed", "job", q->job, "record", q->id, "why", why, NULL);
        answer_error(q, 500, "internal", "%s", why);
        return;
    }
}

bool answer_failed(struct request *q, int result, const char *why)
{
    if (result < 0)
        answer_failure(q, result, why);
    return result < 0;
}
