/* SPDX-License-Identifier: MIT
 * A request until its route: who calls, which route, and whether the body is what the route takes. Mistakes are
 * answered here; a handler sees only valid requests.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/api/routes/webhooks.h"
#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/http/path.h"
#include "core/json/json_mend.h"

/* Whether a name of len bytes is among names, each of which is followed by a blank. */
static bool name_is_listed(const char *names, const char *name, size_t len)
{
    for (const char *at = names; *at;) {
        size_t n = strcspn(at, " ");
        if (n == len && memcmp(at, name, len) == 0)
            return true;
        at += n + (at[n] == ' ');
    }
    return false;
}

static int check_query(struct request *q)
{
    const char *at = http_call_query_raw(q->call);

    while (q->route->query && *at) {
        size_t len = strcspn(at, "&"), name = strcspn(at, "=&");
        if (len && !name_is_listed(q->route->query, at, name)) {
            answer_error(q, 400, "unknown_parameter", "unknown query parameter \"%.*s\"",
                         name > 60 ? 60 : (int)name, at);
            return -EINVAL;
        }
        at += len + (at[len] == '&');
    }
    return 0;
}

/* Parameters after the type ("; charset=utf-8") change nothing for JSON. */
static bool is_type(const char *header, const char *type)
{
    size_t len = strlen(type);

    return strncasecmp(header, type, len) == 0 && (!header[len] || strchr(" \t;", header[len]));
}

static int check_type(struct request *q)
{
    size_t len;
    const char *type = http_call_header(q->call, "Content-Type");

    (void)http_call_body(q->call, &len);
    if (len == 0 || !type || is_type(type, "application/json") ||
        (q->route->body == BODY_LINES && is_type(type, "application/x-ndjson")))
        return 0;
    answer_error(q, 415, "unsupported_media_type",
                 "the header Content-Type names another type; send the body as application/json");
    return -EINVAL;
}

static int check_body(struct request *q)
{
    struct json *doc = NULL;
    int r = q->route->body == BODY_ANY ? 0 : check_type(q);

    if (r < 0 || q->route->body != BODY_NONE)
        return r;
    r = request_object(q, "", &doc);
    json_free(doc);
    return r;
}

static void api_request_find_job(struct request *q)
{
    if (q->job)
        q->found = engine_job_by_name(q->api->engine, q->job);
    const struct job_config *off = q->job && !q->found ? engine_disabled_called(q->api->engine, q->job) : NULL;
    if (off)
        answer_error(q, 409, "disabled",
                     "job %s is disabled (enabled = false) in %s; change that, then run renewctl reload", off->job,
                     off->file);
    else if (q->job && !q->found)
        answer_error(q, 404, "unknown_job", "there is no job %s; renewctl jobs lists them", q->job);
    else
        q->route->handle(q);
}

/* Load balancers ask without a secret; the answer tells them nothing else. */
static bool is_health(const char *path)
{
    return strcmp(path, "/healthz") == 0 || strcmp(path, "/readyz") == 0;
}

/* The rest of a path after count segments, from the "/" on; NULL in them: any segment. NULL: it begins
 * otherwise. */
static const char *behind(const char *path, const char *const *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (*path++ != '/')
            return NULL;
        size_t len = strcspn(path, "/");
        if (pieces[i] && (strlen(pieces[i]) != len || memcmp(path, pieces[i], len) != 0))
            return NULL;
        path += len;
    }
    return path;
}

enum { RECORD_PIECES = 5, HOOK_PIECES = 4 };

static const char *const of_record[] = {"v1", "jobs", NULL, "records", NULL, "forward"};
static const char *const of_hook[] = {"webhooks", NULL, NULL, NULL};

/* The provider's part of a path: after /v1/jobs/{job}/records/{id}/forward/, as received. Or NULL. */
static const char *rest_of(const char *path)
{
    const char *rest = behind(path, of_record, RECORD_PIECES + 1);

    return rest && *rest == '/' ? rest + 1 : NULL;
}

/* Which segment is a record's key. */
static size_t key_at(const char *path)
{
    if (behind(path, of_record, RECORD_PIECES))
        return RECORD_PIECES - 1;
    return behind(path, of_hook, HOOK_PIECES) ? HOOK_PIECES - 1 : PATH_NO_KEY;
}

static int api_request_split(struct request *q)
{
    const char *path = http_call_path(q->call);

    q->rest = rest_of(path);
    cleanup(free_p) char *head = q->rest ? xstrndup(path, (size_t)(q->rest - path) - 1) : xstrdup(path);
    return path_split(head, key_at(head), q->segments, SEGMENTS_MAX, &q->memory);
}

/* A job is also found by the name that it had before renewd, as in SQL. */
static void take_name(struct request *q)
{
    const struct job *j = q->job ? engine_job_called(q->api->engine, q->job) : NULL;

    if (!j || strcmp(job_configuration(j)->job, q->job) == 0)
        return;
    q->called = xstrdup(job_configuration(j)->job);
    q->job = q->called;
}

static void look_who_calls(struct request *q)
{
    pid_t pid;
    int r = http_call_peer(q->call, &q->uid, &q->gid, &pid);

    q->tcp = r == -ENOTCONN;
    q->known = r == 0;
}

static void api_request_dispatch(struct request *q)
{
    cleanup(free_p) char *allow = NULL;
    int n = api_request_split(q);

    look_who_calls(q);
    bool health = is_health(http_call_path(q->call));
    if (!health && !origin_host_fits(q))
        return;
    if (n > 0 && is_function(q, (size_t)n) && (q->tcp || local_peer_may_operate(q))) {
        function_arrived(q);
        return;
    }
    if (n > 0 && is_webhook(q, (size_t)n) && (q->tcp || local_peer_may_operate(q))) {
        webhook_arrived(q);
        return;
    }
    if (q->tcp && !health) {
        if (!origin_fits(q) || !client_enter(q))
            return;
    } else if (!q->tcp && !local_peer_may_operate(q)) {
        answer_error(q, 403, "forbidden", "only root, renewd's own user and the group renewd may do this");
        return;
    }
    if (n == -EINVAL) {
        answer_error(q, 400, "bad_path",
                     "the path cannot be read; in it a %% is followed by two hexadecimal digits");
        return;
    }
    if (n >= 0)
        q->route = route_find(http_call_method(q->call), q->segments, (size_t)n, q, &allow);
    if (q->route) {
        take_name(q);
        if (!(q->tcp && health) && !caller_may_route(q))
            return;
        if (check_query(q) == 0 && check_body(q) == 0)
            api_request_find_job(q);
        return;
    }
    if (!allow) {
        answer_error(q, 404, "unknown_route", "there is nothing at this path");
        return;
    }
    (void)http_answer_header(q->call, "Allow", allow);
    answer_error(q, 405, "wrong_method", "this path takes %s", allow);
}

void request_arrived(void *ctx, struct http_call *call)
{
    struct api *a = ctx;
    struct request *q = xcalloc(1, sizeof *q);

    q->api = a;
    q->call = call;
    q->started_at = clock_now();
    LIST_INSERT_HEAD(&a->requests, q, link);
    api_request_dispatch(q);
}

void requests_detach(struct requests *list)
{
    struct request *q;

    while ((q = LIST_FIRST(list))) {
        LIST_REMOVE(q, link);
        q->call = NULL;
        q->api = NULL;
    }
}

static int check_members(struct request *q, const struct json *doc, const char *known)
{
    const char *name;

    for (size_t i = 0; json_member(doc, "", i, &name); i++)
        if (!name_is_listed(known, name, strlen(name))) {
            answer_error(q, 400, "unknown_member", "unknown member \"%.60s\"", name);
            return -EINVAL;
        }
    return 0;
}

int request_object(struct request *q, const char *known, struct json **ret)
{
    size_t len, offset = 0;
    const char *body = http_call_body(q->call, &len);
    struct json *doc = NULL;

    if (len == 0)
        return json_parse("{}", 2, ret, NULL);
    int r = json_parse(body, len, &doc, &offset);
    if (r < 0) {
        answer_error(q, 400, "bad_json", "%s", json_fault("the body", body, len, r, offset).why);
        return -EINVAL;
    }
    if (json_kind(doc, "") != JSON_OBJECT) {
        json_free(doc);
        answer_error(q, 400, "bad_json", "the body must be a JSON object");
        return -EINVAL;
    }
    if (check_members(q, doc, known) < 0) {
        json_free(doc);
        return -EINVAL;
    }
    *ret = doc;
    return 0;
}

int request_parameter(struct request *q, const char *name, const char **ret)
{
    const char *value = NULL;

    if (http_call_query(q->call, name, &value) < 0) {
        answer_error(q, 400, "bad_parameter", "the query parameter %s cannot be read, or is given twice", name);
        return -EINVAL;
    }
    *ret = value;
    return 0;
}

int request_limit(struct request *q, size_t *ret)
{
    const char *text;
    char *end;

    if (request_parameter(q, "limit", &text) < 0)
        return -EINVAL;
    *ret = LIMIT_DEFAULT;
    if (!text)
        return 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*end || text[0] < '0' || text[0] > '9' || value < 1 || value > LIMIT_MAX) {
        answer_error(q, 400, "bad_parameter", "limit must be a number from 1 to %d", (int)LIMIT_MAX);
        return -EINVAL;
    }
    *ret = value;
    return 0;
}

void request_retry_after(struct request *q, int64_t seconds)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)(seconds > 0 ? seconds : 1));
    if (q->call)
        (void)http_answer_header(q->call, "Retry-After", text);
}
