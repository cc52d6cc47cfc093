/* SPDX-License-Identifier: MIT
 * The route that hands out a record's access token, refreshed first when it would end too soon.
 */
#include <stdlib.h>
#include <string.h>

#include "core/api/internal.h"
#include "core/rules/outcome.h"

enum {
    MIN_VALID = 300, /* seconds, when the caller does not say */
    MIN_VALID_MAX = 400 * 86400,
    SERVE_MS = 4500, /* then a token that is still valid is served, whatever the refresh does */
    WAIT_MS = 25000,
};

static int token_route_take_min_valid(struct request *q, int64_t *ret)
{
    const char *text;

    if (request_parameter(q, "min_valid", &text) < 0)
        return -1;
    *ret = MIN_VALID;
    if (!text)
        return 0;
    size_t len = strlen(text);
    *ret = strtoll(text, NULL, 10);
    if (len > 0 && len < 12 && strspn(text, "0123456789") == len && *ret <= MIN_VALID_MAX)
        return 0;
    answer_error(q, 400, "bad_parameter", "min_valid must be a number of seconds, at most %d", (int)MIN_VALID_MAX);
    return -1;
}

void shape_token(struct json_writer *w, const struct token_answer *t)
{
    json_put_text(w, "access_token", t->access_token);
    json_put_time(w, "expires_at", t->expires_at);
    json_put_integer(w, "generation", t->generation);
}

static void token_route_serve(struct request *q, const struct token_answer *t)
{
    struct answer a;

    answer_begin_object(&a);
    shape_token(&a.json, t);
    answer_object(q, 200, &a);
}

/* A code for programs: the state, or the reason that comes before it. */
static const char *person_word(const struct job *j, const struct token_answer *t)
{
    const char *name = state_name(t->state);

    if (t->without_credential)
        return "without_credential";
    if (name && t->state != STATE_OK && t->state != STATE_RETRYING)
        return name;
    return j && job_stands(j) ? "held" : j && job_paused(j) ? "paused" : "refused";
}

static void token_route_refuse_person(struct request *q, const struct token_answer *t)
{
    const struct job *j = q->api ? engine_job_by_name(q->api->engine, q->job) : NULL;
    const char *url = j ? job_configuration(j)->reconnect_url : NULL;
    const char *name = state_name(t->state);
    struct answer a;

    answer_mark(q, person_word(j, t));
    answer_begin_object(&a);
    json_begin_object(&a.json, "error");
    json_put_text(&a.json, "code", person_word(j, t));
    json_put_text(&a.json, "message",
                  t->why ? t->why
                         : "the record cannot be refreshed without a person; renewctl explain "
                           "shows why");
    json_end(&a.json);
    json_put_text(&a.json, "state", name);
    json_put_text(&a.json, "reconnect_url", url);
    answer_object(q, 409, &a);
}

static void refuse_later(struct request *q, const char *code, const struct token_answer *t)
{
    request_retry_after(q, t->retry_after);
    answer_error(q, 503, code, "%s",
                 t->why && *t->why ? t->why : "there is no valid access token; try again later");
}

void answer_no_token(struct request *q, const struct token_answer *t)
{
    switch (t->status) {
    case TOKEN_UNKNOWN:
        answer_error(q, 404, "unknown_record", "job %s has no record %s", q->job, q->id);
        return;
    case TOKEN_PERSON:
        token_route_refuse_person(q, t);
        return;
    case TOKEN_UNDER_WAY:
        refuse_later(q, "under_way", t);
        return;
    case TOKEN_AWAY:
        refuse_later(q, "store_away", t);
        return;
    default:
        refuse_later(q, "retry_later", t);
    }
}

static void token_route_token_known(void *ctx, const struct token_answer *t)
{
    struct request *q = ctx;

    if (q->call)
        (void)http_answer_header(q->call, "Cache-Control", "no-store");
    if (t->status == TOKEN_SERVED)
        token_route_serve(q, t);
    else
        answer_no_token(q, t);
}

bool job_has_token(struct request *q)
{
    if (!job_has_records(q))
        return false;
    if (plugin_slot(job_configuration(q->found)->plugin, "access_token") >= 0)
        return true;
    answer_error(q, 404, "no_token", "the records of job %s hold no access token", q->job);
    return false;
}

void handle_token(struct request *q)
{
    struct token_requirement w = {.serve_ms = SERVE_MS, .wait_ms = WAIT_MS};

    if (token_route_take_min_valid(q, &w.min_valid) < 0 || !job_has_token(q))
        return;
    engine_token(q->api->engine, q->found, q->id, &w, token_route_token_known, q);
}
