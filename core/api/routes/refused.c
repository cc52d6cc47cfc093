/* SPDX-License-Identifier: MIT
 * The route for applications that call a provider themselves: POST .../records/{id}/refused takes the provider's
 * answer and returns the verdict and, where the token was refused, the newer one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/internal.h"
#include "core/base/alloc.h"
#include "core/base/cleanup.h"

enum { MIN_VALID = 300, SERVE_MS = 4500, WAIT_MS = 25000, HEADERS_MAX = 64 * 1024 };

struct task {
    struct request *q;
    char *source;
    int64_t generation;
    int status;
    char *body;
    size_t body_len;
    struct buf headers; /* as http_reply has them */
};

static void refused_route_task_free(struct task *t)
{
    if (t->body)
        explicit_bzero(t->body, t->body_len);
    free(t->body);
    free(t->source);
    buf_done(&t->headers);
    free(t);
}

static int wrong_type(struct request *q, const char *member, const char *must)
{
    answer_error(q, 400, "bad_member", "the member \"%s\" must be %s", member, must);
    return -EINVAL;
}

static int take_integer(struct request *q, const struct json *doc, const char *name, int64_t min, int64_t max,
                        const char *must, int64_t *ret)
{
    if (json_kind(doc, name) == JSON_INTEGER && json_integer(doc, name, ret) >= 0 && *ret >= min && *ret <= max)
        return 0;
    return wrong_type(q, name, must);
}

static int refused_route_take_body(struct request *q, const struct json *doc, struct task *t)
{
    const char *text;

    switch (json_kind(doc, "body")) {
    case JSON_ABSENT:
    case JSON_NULL:
        t->body = xstrdup("");
        return 0;
    case JSON_STRING:
        if (json_text(doc, "body", &text, &t->body_len) < 0)
            break;
        t->body = xmalloc(t->body_len + 1);
        memcpy(t->body, text, t->body_len);
        t->body[t->body_len] = '\0';
        return 0;
    case JSON_OBJECT:
        if (json_raw(doc, "body", &t->body) < 0)
            break;
        t->body_len = strlen(t->body);
        return 0;
    default:
        break;
    }
    return wrong_type(q, "body", "the provider's answer, as a text or an object");
}

static int refused_route_take_headers(struct request *q, const struct json *doc, struct task *t)
{
    static const char must[] = "an object of texts, one line each";
    enum json_kind kind = json_kind(doc, "headers");
    const char *name, *value;

    buf_init(&t->headers, HEADERS_MAX);
    if (kind == JSON_ABSENT || kind == JSON_NULL)
        return 0;
    for (size_t i = 0; json_member(doc, "headers", i, &name); i++) {
        cleanup(free_p) char *segment = json_path_escape(name);
        cleanup(free_p) char *path = xasprintf("headers.%s", segment);
        if (json_text(doc, path, &value, NULL) < 0 || strpbrk(name, ":\r\n") || strpbrk(value, "\r\n"))
            return wrong_type(q, "headers", must);
        if (buf_printf(&t->headers, "%s: %s", name, value) < 0 || buf_append(&t->headers, "", 1) < 0)
            return wrong_type(q, "headers", "at most 64 KiB");
    }
    return kind == JSON_OBJECT ? 0 : wrong_type(q, "headers", must);
}

static int refused_route_take_all(struct request *q, struct task *t)
{
    cleanup(json_free_p) struct json *doc = NULL;
    int64_t status;

    if (request_object(q, "generation status body headers ", &doc) < 0 ||
        take_integer(q, doc, "generation", 0, INT64_MAX, "the generation that came with the token, a number",
                     &t->generation) < 0 ||
        take_integer(q, doc, "status", 100, 999, "the provider's HTTP status, a number", &status) < 0 ||
        refused_route_take_body(q, doc, t) < 0 || refused_route_take_headers(q, doc, t) < 0)
        return -EINVAL;
    t->status = (int)status;
    return 0;
}

static void refused_route_judged(void *ctx, bool refused, int64_t slow_for, const struct token_answer *token)
{
    struct request *q = ctx;
    struct answer a;

    if (q->call)
        (void)http_answer_header(q->call, "Cache-Control", "no-store");
    if (refused && token->status != TOKEN_SERVED) {
        answer_no_token(q, token);
        return;
    }
    answer_begin_object(&a);
    json_put_bool(&a.json, "token_refused", refused);
    json_put_integer(&a.json, "slow_for", slow_for);
    if (refused)
        shape_token(&a.json, token);
    answer_object(q, 200, &a);
}

static int refused_route_known_work(struct db *db, void *arg, struct error *e)
{
    struct task *t = arg;
    struct record r = {0};
    int res = store_record(db, t->source, t->q->id, &r, e);

    record_done(&r);
    return res;
}

static void refused_route_ask(struct task *t, struct job *j)
{
    const struct token_requirement w = {.min_valid = MIN_VALID, .serve_ms = SERVE_MS, .wait_ms = WAIT_MS};
    const struct refused_claim c = {
        .generation = t->generation,
        .status = t->status,
        .body = t->body,
        .body_len = t->body_len,
        .headers = t->headers.data ? t->headers.data : "",
        .headers_len = t->headers.len,
    };
    engine_refused(t->q->api->engine, j, t->q->id, &c, &w, refused_route_judged, t->q);
}

/* While the database is not available, the remembered token is used. */
static void refused_route_known_done(void *arg, int result, const struct error *e)
{
    (void)e;
    struct task *t = arg;
    struct request *q = t->q;
    struct job *j = q->api ? engine_job_by_name(q->api->engine, q->job) : NULL;

    if (result == -ENOENT)
        answer_error(q, 404, "unknown_record", "job %s has no record %s", q->job, q->id);
    else if (!j)
        answer_error(q, 404, "unknown_job", "there is no job %s any more", q->job);
    else
        refused_route_ask(t, j);
    refused_route_task_free(t);
}

void handle_refused(struct request *q)
{
    struct task *t = xcalloc(1, sizeof *t);

    t->q = q;
    if (refused_route_take_all(q, t) < 0 || !job_has_token(q)) {
        refused_route_task_free(t);
        return;
    }
    t->source = xstrdup(job_source(q->found));
    engine_read(q->api->engine, refused_route_known_work, t, refused_route_known_done);
}
