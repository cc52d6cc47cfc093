/* SPDX-License-Identifier: MIT
 * A call under /functions/v1/: CORS, the caller, the function, and the jobs that name it. Status and body of each
 * case are those that its callers expect.
 */
#include "core/api/compat/functions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/log.h"
#include "core/conf/conf_check.h"

#define HINT_NO_HEADER                                                                          \
    "the request has no Authorization header; where SQL builds it, the setting that holds the " \
    "key is probably NULL, which makes the whole header NULL"
#define HINT_WRONG_KEY "the key is wrong: no client of renewd.conf has it"

static const struct function functions[] = {
    {"refresh-token", function_refresh_token, true},
    {"refresh-lightspeed-tokens", function_refresh_connections, false},
    {"allocate-periodic-tokens", function_allocate, false},
    {NULL, NULL, false},
};

const struct function *function_at(size_t index)
{
    return index < sizeof functions / sizeof *functions - 1 ? &functions[index] : NULL;
}

static const struct function *function_find(const char *name)
{
    for (const struct function *f = functions; f->name; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

/* The earlier answer when the credentials of a platform were missing. */
static const struct {
    const char *plugin, *sentence;
} unset[] = {
    {"youtube", "Google Client ID or Secret not configured"},
    {"instagram", "Instagram App ID or Secret not configured"},
    {"tiktok", "TikTok Client Key or Secret not configured"},
    {"lightspeed", "Missing Lightspeed Credentials"},
    {NULL, NULL},
};

bool is_function(const struct request *q, size_t count)
{
    return count == 3 && strcmp(q->segments[0], "functions") == 0 && strcmp(q->segments[1], "v1") == 0;
}

static bool function_names(const struct job_config *c, const char *function)
{
    char **name = c->functions;

    for (; name && *name; name++)
        if (strcmp(*name, function) == 0)
            return true;
    return false;
}

bool function_open(const struct request *q, const struct function *f, const struct job_config *c)
{
    const struct requirement w = {.right = "functions",
                                  .job = c->job,
                                  .tokens = f && f->tokens,
                                  .anonymous = c->allow_anonymous};

    return caller_may(q, &w);
}

void function_jobs(const struct request *q, const char *platform, struct function_jobs *ret)
{
    const struct function *f = function_find(q->id);
    const struct job *j;

    memset(ret, 0, sizeof *ret);
    for (size_t i = 0; (j = engine_job(q->api->engine, i)) && ret->count < FUNCTION_JOBS; i++) {
        const struct job_config *c = job_configuration(j);
        if (!function_names(c, q->id) || (platform && (!c->plugin_name || strcmp(c->plugin_name, platform) != 0)))
            continue;
        if (function_open(q, f, c))
            ret->list[ret->count++] = engine_job_by_name(q->api->engine, c->job);
        else
            ret->forbidden = true;
    }
}

void function_error(struct request *q, int status, const char *error, const char *name, const char *text)
{
    struct answer a;

    answer_begin_object(&a);
    json_put_text(&a.json, "error", error);
    if (name)
        json_put_text(&a.json, name, text);
    answer_object(q, status, &a);
}

/* ---- refusals before a function is called ---- */

static void refuse_caller(struct request *q, const char *code, const char *message, const char *hint)
{
    struct answer a;

    if (q->api && auth_throttle_may_log(q->api->door, q->anonymous ? REFUSED_NO_HEADER : REFUSED_WRONG))
        log_line(LEVEL_WARNING, "a function was called without the right key", "function", q->id, "reason", hint,
                 NULL);
    answer_begin_object(&a);
    if (code)
        json_put_text(&a.json, "code", code);
    else
        json_put_integer(&a.json, "code", 401);
    json_put_text(&a.json, "message", message);
    json_put_text(&a.json, "hint", hint);
    answer_object(q, 401, &a);
}

static void refuse_no_header(struct request *q)
{
    refuse_caller(q, "UNAUTHORIZED_NO_AUTH_HEADER", "Missing authorization header", HINT_NO_HEADER);
}

/* A JWT (three parts between dots): callers expect another answer for these. */
static bool looks_like_jwt(const char *header)
{
    const char *first = header ? strchr(header, '.') : NULL;

    return first && strchr(first + 1, '.') != NULL;
}

static void refuse_wrong_key(struct request *q)
{
    if (looks_like_jwt(http_call_header(q->call, "Authorization")))
        refuse_caller(q, NULL, "Invalid JWT", HINT_WRONG_KEY);
    else
        refuse_caller(q, "UNAUTHORIZED_INVALID_JWT_FORMAT", "Invalid JWT", HINT_WRONG_KEY);
}

static void refuse_named(struct request *q, int status, const char *code, const char *message)
{
    struct answer a;

    answer_begin_object(&a);
    json_put_text(&a.json, "code", code);
    json_put_text(&a.json, "message", message);
    answer_object(q, status, &a);
}

/* The jobs that would answer this function; NULL = none, or none that this caller may know of. */
static const struct job_config *disabled_job(const struct request *q)
{
    const struct job_config *c;

    for (size_t i = 0; (c = engine_disabled(q->api->engine, i)); i++)
        if (function_names(c, q->id) && function_open(q, function_find(q->id), c))
            return c;
    return NULL;
}

void function_no_jobs(struct request *q, const struct function_jobs *jobs)
{
    const struct job_config *off;
    cleanup(free_p) char *message = NULL;

    if (q->anonymous) {
        refuse_no_header(q);
    } else if (jobs->forbidden && !q->tcp) {
        refuse_named(q, 403, "FORBIDDEN", NO_TOKENS_HERE);
    } else if (jobs->forbidden) {
        message = xasprintf(
            "the client %s may not call %s: it needs \"functions\" in its `allow` and the job in its `jobs` in "
            "renewd.conf",
            q->client->name, q->id);
        refuse_named(q, 403, "FORBIDDEN", message);
    } else if ((off = disabled_job(q))) {
        message = xasprintf("Requested function was not found: its job %s is disabled (enabled = false) in %s",
                            off->job, off->file);
        refuse_named(q, 404, "NOT_FOUND", message);
    } else {
        refuse_named(q, 404, "NOT_FOUND", "Requested function was not found");
    }
}

void function_held(struct request *q, const struct job *j)
{
    const struct job_config *c = job_configuration(j);
    const char *why = job_held(j), *sentence = NULL;

    log_line(LEVEL_WARNING, "a function was called whose job is held", "function", q->id, "job", c->job, "reason",
             why, NULL);
    for (size_t i = 0; unset[i].plugin && c->secret_missing; i++)
        if (strcmp(unset[i].plugin, c->plugin_name) == 0)
            sentence = unset[i].sentence;
    if (sentence) {
        function_error(q, 500, sentence, "details", why);
    } else {
        cleanup(free_p) char *text = xasprintf("the job %s is held: %s", c->job, why);
        function_error(q, 500, text, NULL, NULL);
    }
}

/* ---- a call ---- */

/* A token may be read only by pages of our own hosts. The answer to a preflight contains none. */
static void allow_browsers(struct request *q, bool tokens)
{
    const char *origin = http_call_header(q->call, "Origin");

    if (tokens)
        (void)http_answer_header(q->call, "Vary", "Origin");
    if (!tokens)
        (void)http_answer_header(q->call, "Access-Control-Allow-Origin", "*");
    else if (origin)
        (void)http_answer_header(q->call, "Access-Control-Allow-Origin", origin);
    (void)http_answer_header(q->call, "Access-Control-Allow-Headers",
                             "authorization, x-client-info, apikey, content-type");
}

static void wrong_method(struct request *q)
{
    static const char text[] = "Method Not Allowed";

    (void)http_answer_header(q->call, "Allow", "POST, OPTIONS");
    if (strcmp(q->id, "allocate-periodic-tokens") == 0)
        answer_bytes(q, 405, "text/plain", text, sizeof text - 1);
    else
        function_error(q, 405, text, NULL, NULL);
}

/* The job works without the function, and its callers get 404: nothing is held for that. */
void api_check_functions(struct job_config *const *jobs, size_t count, struct conf_mistakes *m)
{
    cleanup(buf_done) struct buf known = {0};

    buf_init(&known, 1000);
    for (const struct function *f = functions; f->name; f++)
        buf_printf(&known, "%s\"%s\"", f == functions ? "" : ", ", f->name);
    for (size_t i = 0; i < count; i++)
        for (char **name = jobs[i]->functions; name && *name; name++)
            if (!function_find(*name))
                conf_mistake(m, NULL, jobs[i]->file,
                             "setting 'functions': there is no function \"%s\"; there are %s", *name, known.data);
}

/* A file that cannot be read names no functions: it may contain one that was named before. */
static const struct job *unreadable_job(const struct engine *e)
{
    const struct job *j;

    for (size_t i = 0; (j = engine_job(e, i)); i++)
        if (job_configuration(j)->mistake && !job_configuration(j)->plugin_name)
            return j;
    return NULL;
}

static void call_function(struct request *q)
{
    const struct function *f = function_find(q->id);
    struct function_jobs jobs;

    function_jobs(q, NULL, &jobs);
    const struct job *unreadable =
        jobs.count || jobs.forbidden || q->anonymous ? NULL : unreadable_job(q->api->engine);
    if (f && unreadable)
        function_held(q, unreadable);
    else if (!f || !jobs.count)
        function_no_jobs(q, &jobs);
    else if (strcmp(http_call_method(q->call), "POST") != 0)
        wrong_method(q);
    else
        f->handle(q);
}

void function_arrived(struct request *q)
{
    q->id = q->segments[2];
    const struct function *f = function_find(q->id);
    bool preflight = strcmp(http_call_method(q->call), "OPTIONS") == 0;
    bool tokens = f && f->tokens && !preflight;

    if (tokens && !origin_fits(q))
        return;
    allow_browsers(q, tokens);
    if (preflight) {
        answer_bytes(q, 200, "text/plain", "ok", 2);
        return;
    }
    if (q->tcp) {
        int known = client_identify(q);
        q->anonymous = known == CLIENT_NO_HEADER;
        if (known == CLIENT_WRONG) {
            auth_throttle_delay(q, refuse_wrong_key);
            return;
        }
        if (q->anonymous && !origin_fits(q))
            return;
    }
    call_function(q);
}
