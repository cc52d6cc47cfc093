/* SPDX-License-Identifier: MIT
 * The route that calls a provider's API with a record's token: ANY .../records/{id}/forward/{path}. The provider's
 * answer is passed on; what renewd itself answers carries the header Renewd-Error.
 */
#include <stdlib.h>
#include <string.h>

#include "core/api/internal.h"
#include "core/base/alloc.h"

static const char methods[] = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

static bool takes(const char *method)
{
    size_t len = strlen(method);

    for (const char *at = methods; *at;) {
        size_t n = strcspn(at, ",");
        if (n == len && memcmp(at, method, n) == 0)
            return true;
        at += n;
        at += strspn(at, ", ");
    }
    return false;
}

struct collected {
    char **lines;
    size_t count;
};

static bool forward_route_collect(void *ctx, const char *name, const char *value)
{
    struct collected *c = ctx;

    c->lines = xrealloc(c->lines, (c->count + 2) * sizeof *c->lines);
    c->lines[c->count++] = xasprintf("%s: %s", name, value);
    c->lines[c->count] = NULL;
    return true;
}

static void collected_free(struct collected *c)
{
    for (size_t i = 0; i < c->count; i++) {
        explicit_bzero(c->lines[i], strlen(c->lines[i]));
        free(c->lines[i]);
    }
    free(c->lines);
}

/* The server puts each header before the existing ones: the last is added first. */
static void pass_headers(struct request *q, const char *const *headers)
{
    size_t count = 0;

    while (headers && headers[count])
        count++;
    while (q->call && count--) {
        const char *colon = strchr(headers[count], ':');
        char *name = xstrndup(headers[count], (size_t)(colon - headers[count]));
        (void)http_answer_header(q->call, name, colon + 1 + strspn(colon + 1, " \t"));
        free(name);
    }
}

static void forward_route_answered(struct request *q, const struct forward_answer *a)
{
    pass_headers(q, a->headers);
    answer_bytes(q, a->http_status, a->content_type, a->body, a->body_len);
}

static int status_of(const struct forward_answer *a)
{
    switch (a->status) {
    case FORWARD_BAD:
        return 400;
    case FORWARD_NOT_ALLOWED:
        return 403;
    case FORWARD_TYPE:
        return 415;
    case FORWARD_SLOWED:
        return 429;
    case FORWARD_BUSY:
        return 503;
    case FORWARD_TIMED_OUT:
        return 504;
    default:
        return 502;
    }
}

static void forwarded(void *ctx, const struct forward_answer *a)
{
    struct request *q = ctx;

    if (a->status == FORWARD_ANSWERED) {
        forward_route_answered(q, a);
    } else if (a->status == FORWARD_NO_TOKEN) {
        answer_no_token(q, a->token);
    } else {
        if (a->retry_after)
            request_retry_after(q, a->retry_after);
        answer_error(q, status_of(a), a->code, "%s", a->why);
    }
}

void handle_forward(struct request *q)
{
    struct collected headers = {0};

    if (!takes(http_call_method(q->call))) {
        (void)http_answer_header(q->call, "Allow", methods);
        answer_error(q, 405, "wrong_method", "this path takes %s", methods);
        return;
    }
    if (!job_has_token(q))
        return;
    http_call_headers(q->call, forward_route_collect, &headers);
    struct forward_call c = {
        .method = http_call_method(q->call),
        .path = q->rest ? q->rest : "",
        .query = http_call_query_raw(q->call),
        .headers = (const char *const *)headers.lines,
    };
    c.body = http_call_body(q->call, &c.body_len);
    engine_forward(q->api->engine, q->found, q->id, &c, forwarded, q);
    collected_free(&headers);
}
