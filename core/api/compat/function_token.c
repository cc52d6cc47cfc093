/* SPDX-License-Identifier: MIT
 * POST /functions/v1/refresh-token {"platform","creator_unique_identifier"}: the token of one account, refreshed
 * when it is due as at a tick. The platform is the plugin. Of several jobs the one whose column is filled is used.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/compat/functions.h"
#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/json/json_mend.h"
#include "core/rules/outcome.h"
#include "core/time/timestamp.h"

struct token_call {
    struct request *q;
    char *platform, *key;
    struct job *job;  /* until its callback returns */
    int64_t until_ms; /* when an answer is due */
};

static void function_token_call_free(struct token_call *t)
{
    free(t->platform);
    free(t->key);
    free(t);
}

/* ---- answers ---- */

/* With milliseconds, as JavaScript writes a time. */
static void put_expiry(struct json_writer *w, int64_t at)
{
    char text[40];

    if (!at || timestamp_rfc3339(at, text, sizeof text - 4) < 0) {
        json_put_null(w, "expires_at");
        return;
    }
    size_t len = strlen(text);
    memcpy(text + len - 1, ".000Z", sizeof ".000Z");
    json_put_text(w, "expires_at", text);
}

static void answer_token(struct request *q, const struct token_answer *t)
{
    struct answer a;

    answer_begin_object(&a);
    json_put_bool(&a.json, "success", true);
    json_put_text(&a.json, "access_token", t->access_token);
    put_expiry(&a.json, t->expires_at);
    answer_object(q, 200, &a);
}

static void answer_refused(const struct token_call *c, const struct token_answer *t)
{
    bool tiktok = strcmp(c->platform, "tiktok") == 0;
    const char *why = t->why ? t->why : "the provider refused";
    cleanup(free_p) char *details = t->code ? xasprintf("%s: %s", t->code, why) : xstrdup(why);
    struct answer a;

    answer_begin_object(&a);
    json_put_text(&a.json, "error", tiktok ? "TikTok token refresh failed" : "Token refresh failed");
    json_put_text(&a.json, "details", details);
    json_put_bool(&a.json, "requires_reconnection", t->state == STATE_RECONNECT);
    answer_object(c->q, 400, &a);
}

static void function_token_failed(const struct token_call *c, const struct token_answer *t)
{
    function_error(c->q, 500, t->why && *t->why ? t->why : "Internal Server Error", NULL, NULL);
}

/* The cause is the provider, or its last answer; every other failure is renewd's own. */
static bool provider_refuses(const struct token_answer *t)
{
    return t->state != 0 && t->state != STATE_OK && t->state != STATE_PENDING && t->state != STATE_PAUSED;
}

static void function_token_token_known(void *ctx, const struct token_answer *t)
{
    struct token_call *c = ctx;

    switch (t->status) {
    case TOKEN_SERVED:
        if (t->tried && provider_refuses(t))
            answer_refused(c, t);
        else
            answer_token(c->q, t);
        break;
    case TOKEN_UNKNOWN:
        function_error(c->q, 404, "Tokens not found", NULL, NULL);
        break;
    case TOKEN_PERSON:
    case TOKEN_LATER:
        if (t->without_credential && t->access_token) /* TikTok's: see answer_empty */
            answer_token(c->q, t);
        else if (provider_refuses(t))
            answer_refused(c, t);
        else
            function_token_failed(c, t);
        break;
    default:
        function_token_failed(c, t);
    }
    function_token_call_free(c);
}

/* ---- which job ---- */

static void function_token_ask_token(struct token_call *c)
{
    int64_t left = c->until_ms - clock_boot_ms();
    const struct token_requirement w = {.min_valid = -1, .as_tick = true, .serve_ms = left, .wait_ms = left};

    engine_token(c->q->api->engine, c->job, c->key, &w, function_token_token_known, c);
}

/* Without the credential that a refresh presents: TikTok's callers expect the old token then. */
static void answer_empty(struct token_call *c)
{
    const struct plugin *p = job_configuration(c->job)->plugin;
    bool access = plugin_credential(p) == plugin_slot(p, "access_token");

    if (strcmp(c->platform, "tiktok") == 0) {
        function_token_ask_token(c);
        return;
    }
    function_error(c->q, 400, access ? "No access token available" : "No refresh token available", NULL, NULL);
    function_token_call_free(c);
}

static struct job *held_job(const struct token_call *c)
{
    struct function_jobs jobs;

    function_jobs(c->q, c->platform, &jobs);
    for (size_t i = 0; i < jobs.count; i++)
        if (job_stands(jobs.list[i]))
            return jobs.list[i];
    return NULL;
}

static void job_known(void *ctx, struct job *j, int filled, int result, const char *why)
{
    struct token_call *c = ctx;
    struct request *q = c->q;
    struct job *held = q->api && filled != FILLED ? held_job(c) : NULL;

    c->job = j;
    if (!q->api || result < 0)
        function_error(q, 500, result < 0 && *why ? why : "the database is not available", NULL, NULL);
    else if (filled == FILLED)
        return function_token_ask_token(c);
    else if (held)
        function_held(q, held);
    else if (filled == FILLED_EMPTY)
        return answer_empty(c);
    else
        function_error(q, 404, "Tokens not found", NULL, NULL);
    function_token_call_free(c);
}

static void function_token_find_job(struct token_call *c)
{
    struct function_jobs jobs;
    struct job *open[FUNCTION_JOBS];
    size_t count = 0;

    function_jobs(c->q, c->platform, &jobs);
    for (size_t i = 0; i < jobs.count; i++)
        if (!job_stands(jobs.list[i]))
            open[count++] = jobs.list[i];
    if (count) {
        engine_choose_job(c->q->api->engine, open, count, c->key, job_known, c);
        return;
    }
    if (jobs.count)
        function_held(c->q, jobs.list[0]);
    else if (jobs.forbidden || c->q->anonymous)
        function_no_jobs(c->q, &jobs);
    else
        function_error(c->q, 404, "Tokens not found", NULL, NULL);
    function_token_call_free(c);
}

/* ---- the body ---- */

/* A text, or a number as it was written; NULL and 0 when it is absent or empty. */
static int function_token_take(const struct json *doc, const char *name, char **ret)
{
    const char *text = NULL;
    int kind = json_kind(doc, name);

    *ret = NULL;
    if (kind == JSON_ABSENT || kind == JSON_NULL)
        return 0;
    if (kind == JSON_INTEGER)
        return json_digits(doc, name, ret);
    if (json_text(doc, name, &text, NULL) < 0)
        return -EINVAL;
    *ret = *text ? xstrdup(text) : NULL;
    return 0;
}

static void function_token_read_body(struct request *q, const struct json *doc)
{
    struct token_call *c = xcalloc(1, sizeof *c);

    c->q = q;
    c->until_ms = clock_boot_ms() + FUNCTION_SOFT_MS;
    if (function_token_take(doc, "platform", &c->platform) < 0)
        function_error(q, 400, "the member platform must be a text", NULL, NULL);
    else if (function_token_take(doc, "creator_unique_identifier", &c->key) < 0)
        function_error(q, 400, "the member creator_unique_identifier must be a text", NULL, NULL);
    else if (!c->platform || !c->key)
        function_error(q, 400, "Missing platform or creator_unique_identifier", NULL, NULL);
    else
        return function_token_find_job(c);
    function_token_call_free(c);
}

void function_refresh_token(struct request *q)
{
    cleanup(json_free_p) struct json *doc = NULL;
    size_t len, offset = 0;
    const char *body = http_call_body(q->call, &len);
    int r = json_parse(len ? body : "{}", len ? len : 2, &doc, &offset);

    if (r < 0 || json_kind(doc, "") != JSON_OBJECT) {
        cleanup(free_p) char *text = r < 0 ? xstrdup(json_fault("the body", body, len, r, offset).why)
                                           : xstrdup("the body must be a JSON object");
        function_error(q, 400, text, NULL, NULL);
        return;
    }
    function_token_read_body(q, doc);
}
