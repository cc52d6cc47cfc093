/* SPDX-License-Identifier: MIT
 * One attempt: the plugin's steps, with the HTTP requests between them, on the loop. An intent is on the spool
 * before the first byte leaves (rule 2). When a step has set a token, the token is on the spool before anything
 * else happens, and on the disk before another request (rule 3).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/engine/commit/commit.h"
#include "core/engine/state/state.h"
#include "core/engine/refresh/refresh.h"
#include "core/engine/rows/rows.h"
#include "core/rules/outcome.h"

enum { SPOOL_FULL_MS = 5000 /* until its disk is asked again */ };

static void attempt_step(struct attempt *a, const struct http_reply *reply);

static void paced_over(struct attempt *a)
{
    a->job->callers_paced -= a->paced && a->caller;
    a->paced = false;
}

void attempt_free(struct attempt *a)
{
    struct job *j = a->job;
    paced_over(a);
    if (a->previous)
        a->previous->next = a->next;
    else
        j->attempts = a->next;
    if (a->next)
        a->next->previous = a->previous;
    loop_cancel(&a->timer);
    http_transfer_cancel(&a->transfer);
    plugin_attempt_free(a->plugin);
    row_values_done(&a->values);
    free(a->memo);
    free(a->not_sent);
    record_done(&a->claim.record);
    row_done(&a->claim.row);
    free(a);
    j->active--;
    ready_soon(j);
}

void attempt_give_up_unsent(struct attempt *a, bool again)
{
    struct run *r = a->run;
    bool failing = a->claim.record.attempts > 0;
    claim_release(a->job->engine, &a->claim.record, a->claim.attempt_id);
    if (a->job->engine->spool)
        spool_settled(a->job->engine->spool, a->claim.attempt_id);
    attempt_free(a);
    if (again && !run_names_keys(r))
        run_attempt_returned(r, failing);
    else
        run_attempt_ended(r, OUTCOME_NONE, false);
}

/* --once has its reason not to wait: what ended the others. */
void attempt_abandon_unsent(struct job *j)
{
    bool again = j->engine->setup.daemon;
    ready_give_back(j, again);
    for (struct attempt *a = j->attempts, *next; a; a = next) {
        next = a->next;
        if (!a->sent && !a->token_set && (!a->transfer || !http_transfer_sent(a->transfer)))
            attempt_give_up_unsent(a, again);
    }
}

void attempts_give_up(struct job *j)
{
    ready_close(j);
    for (struct attempt *a = j->attempts; a; a = a->next) {
        loop_cancel(&a->timer);
        http_transfer_cancel(&a->transfer);
    }
}

/* Written to the spool as if the attempt ended here: a later result of the same attempt replaces it. */
static int spool_now(struct attempt *a, struct commit *c)
{
    struct error e = {"the answer is larger than the spool accepts"};
    char *text = NULL;
    size_t len = 0;
    fault_point(FAULT_TOKEN_SET, a->claim.record.key);
    int res = commit_to_text(c, &text, &len);
    if (res >= 0 && !defence_off(DEFENCE_SPOOL))
        res = spool_result(a->job->engine->spool, a->claim.attempt_id, text, len, &e);
    /* The fault suite counts tokens that are on the spool; an unreadable answer is none. */
    if (res >= 0 && !c->answer)
        fault_point(FAULT_SPOOL_WRITTEN, a->claim.record.key);
    if (res < 0)
        log_line(LEVEL_ERROR,
                 c->answer ? "an answer that could not be read could not be written to the spool in state_dir; it "
                             "is written to the database only"
                           : "a new token could not be written to the spool in state_dir; it is "
                             "written to the database only",
                 "job", a->job->config->job, "record", a->claim.record.key, "account", a->claim.record.account,
                 "reason", e.text, NULL);
    commit_forget_text(c);
    c->spooled = text;
    c->spooled_len = len;
    if (!c->replaces || c->safe) /* it is not retained when the store has it */
        commit_forget_text(c);
    return res;
}

static void synced(void *ctx, int result)
{
    (void)ctx;
    if (result < 0)
        log_line(LEVEL_ERROR,
                 "the spool in state_dir did not reach the disk; new tokens are safe once the database has them",
                 "reason", strerror(-result), NULL);
}

static void attempt_fail(struct attempt *a, struct failure *f, const struct http_reply *reply)
{
    const struct record *rec = &a->claim.record;
    f->status = a->status;
    f->retry_after = a->retry_after;
    f->seconds_to_death = rec->window.death ? rec->window.death - clock_now() : INT64_MAX;
    struct decision d;
    failure_policy_read(a, reply, f);
    failure_policy_default(a, f, &d);
    plugin_attempt_failed(a->plugin, f, reply, clock_now(), &d);
    a->token_set = plugin_attempt_effects(a->plugin)->token_set;
    if (d.misused) {
        f->code = "plugin";
        f->text = d.misused;
    }
    if (a->step.misused || d.misused)
        job_plugin_at_fault(a->job, a, f->text);
    failure_policy_bound(a, &d);
    if (d.outcome == OUTCOME_RATE_LIMITED)
        pace_slow(&a->job->pace, clock_boot_ms(), (d.next_at - clock_now()) * 1000);
    fault_point(FAULT_FAILED, rec->key);
    struct commit *c = outcome_failed(a, f, &d, reply);
    struct job *j = a->job;
    struct run *r = a->run;
    bool unanswered = a->claim.unanswered > 0;
    bool token = c->replaces; /* the plugin has set a token all the same: it is stored, whatever else is decided */
    bool held = j->held != NULL;
    if (token || c->answer) { /* an unreadable answer may contain the token that replaced the credential */
        spool_now(a, c);
        spool_sync(j->engine->spool, false, synced, NULL);
    }
    attempt_free(a);
    if (token)
        commits_submit(j->engine, j, r, c, false, false);
    else
        breaker_failed(j, r, c, unanswered);
    if (held)
        attempt_abandon_unsent(j);
}

static void plain_failure(struct attempt *a, int outcome, const char *code, const char *text)
{
    struct failure f = {.outcome = outcome, .code = code, .text = text};
    attempt_fail(a, &f, NULL);
}

static void finish_ok(struct attempt *a)
{
    struct job *j = a->job;
    struct run *r = a->run;
    struct commit *c = outcome_ok(a);
    if (c->replaces) {
        spool_now(a, c);
        spool_sync(j->engine->spool, false, synced, NULL);
    }
    if (a->step.slow_for > 0)
        pace_slow(&j->pace, clock_boot_ms(), a->step.slow_for * 1000);
    attempt_free(a);
    breaker_fine(j, c);
    commits_submit(j->engine, j, r, c, false, false);
}

/* The plugin broke a rule, or a value was unfit, and it had a new token: what it set is stored, and the attempt
 * failed. If no new credential is among it, the one that was presented may have been replaced by one that was lost. */
static void finish_broken(struct attempt *a, const struct http_reply *reply)
{
    struct job *j = a->job;
    struct run *r = a->run;
    struct commit *c = outcome_with_token(a);
    bool lost = !j->safe && strcmp(c->before.fingerprint, c->after.fingerprint) == 0;
    outcome_broken(c, a, lost, lost ? failure_policy_after_silence(a, c->after.expires_at) : 0, reply);
    spool_now(a, c);
    spool_sync(j->engine->spool, false, synced, NULL);
    if (a->step.misused)
        job_plugin_at_fault(j, a, a->step.text);
    attempt_free(a);
    commits_submit(j->engine, j, r, c, false, false);
    if (j->held)
        attempt_abandon_unsent(j);
}

/* The redirect is not followed; it shows that the job's address has changed. Its query may contain secrets. */
static bool redirected(struct attempt *a, const struct http_reply *reply)
{
    const char *to = a->status >= 300 && a->status < 400 ? http_reply_header(reply, "Location") : NULL;
    if (!to || a->token_set)
        return false;
    char *text =
        xasprintf("the provider's address has moved (HTTP %d): it redirects to %.*s; put that address into the "
                  "settings of the job",
                  a->status, (int)strcspn(to, "?#"), to);
    struct failure f = {.outcome = OUTCOME_MISCONFIGURED, .code = "redirect", .text = text};
    attempt_fail(a, &f, reply);
    free(text);
    return true;
}

static void attempt_replied(void *ctx, const struct http_reply *reply)
{
    struct attempt *a = ctx;
    a->transfer = NULL;
    fault_point(FAULT_REPLY, a->claim.record.key);
    a->status = reply->failure == HTTP_OK_REPLY ? reply->status : 0;
    a->retry_after = retry_after_seconds(reply);
    a->sent = a->sent || reply->sent;
    if (reply->failure == HTTP_OK_REPLY && redirected(a, reply))
        return;
    if (reply->failure == HTTP_OK_REPLY || a->token_set) {
        attempt_step(a, reply);
        return;
    }
    struct failure f = {
        .outcome = reply->failure == HTTP_NOT_SENT ? OUTCOME_TRANSIENT : OUTCOME_AMBIGUOUS,
        .code = reply->failure == HTTP_NOT_SENT    ? "not_sent"
                : reply->failure == HTTP_TOO_LARGE ? "reply_too_large"
                : reply->failure == HTTP_CUT       ? "reply_cut"
                                                   : "no_answer",
        .text = reply->why,
    };
    attempt_fail(a, &f, reply);
}

/* A further request is not made: the plugin ends with what it has. */
static void not_asked(struct attempt *a, const char *why)
{
    const struct http_reply none = {.failure = HTTP_NOT_SENT, .body = "", .why = why};
    attempt_step(a, &none);
}

static void send_request(struct attempt *a)
{
    struct job *j = a->job;
    struct http_request *q = &a->step.request;
    int64_t until = clock_boot_ms() + job_timeout_ms(j);
    q->deadline_boot_ms = until < a->deadline_boot_ms ? until : a->deadline_boot_ms;
    q->lease_boot_ms = a->lease_boot_ms - j->config->timeout_ms;
    q->resend_allowed = j->safe || defence_off(DEFENCE_SEND_ONCE);
    q->idle_limit_ms = j->replay == RENEWD_REPLAY_SINGLE_USE ? 2000 : 0;
    q->ca_file = j->config->ca_file;
    q->allow_insecure = j->config->allow_insecure;
    struct error e;
    int res = http_client_send(j->engine->http, q, attempt_replied, a, &a->transfer, &e);
    if (res < 0 && a->token_set) {
        if (res != -EAGAIN && !a->not_sent)
            a->not_sent =
                xasprintf("the plugin %s is at fault: its refresh asked for a further request that cannot be "
                          "made: %s",
                          plugin_name(j->config->plugin), e.text);
        not_asked(a, e.text);
    } else if (res < 0)
        plain_failure(a, res == -EAGAIN ? OUTCOME_TRANSIENT : OUTCOME_MISCONFIGURED, "request", e.text);
}

/* No further request is made before the answer is safe (rule 3). */
static void on_disk(void *ctx, int result)
{
    struct attempt *a = ctx;
    synced(NULL, result);
    if (a->job->engine->stopping == STOP_BEGUN)
        return; /* its result so far is on the spool, and the next start continues */
    if (result < 0)
        not_asked(a, "the new token did not reach the disk");
    else
        send_request(a);
}

/* Writes the intent, and reserves room on the disk for all that may follow from it. */
static int announce(struct attempt *a, struct error *e)
{
    struct engine *engine = a->job->engine;
    const struct record *rec = &a->claim.record;
    struct spool_counts counts;
    spool_counts(engine->spool, &counts);
    int res = a->job->safe ? 0 : retention_room(engine->keep, (size_t)counts.entries + 1, e);
    return res < 0 ? res
                   : spool_intent(engine->spool, a->claim.attempt_id, rec->fingerprint, rec->source, rec->key, e);
}

/* The spool accepts nothing: the job's attempts stop. This one reports it, the others are given back; --once does
 * not wait until there is room. */
static void no_room(struct attempt *a, const struct error *e)
{
    struct job *j = a->job;
    pace_hold(&j->pace, clock_boot_ms(), SPOOL_FULL_MS);
    if (!j->engine->setup.daemon)
        a->run->exhausted = true;
    plain_failure(a, OUTCOME_TRANSIENT, "spool", e->text);
    attempt_abandon_unsent(j);
}

static void want_request(struct attempt *a)
{
    struct engine *engine = a->job->engine;
    struct error e;
    const struct record *rec = &a->claim.record;
    fault_point(FAULT_INTENT, rec->key);
    if (!a->token_set && a->status == 0 && !a->sent && !defence_off(DEFENCE_INTENT) && announce(a, &e) < 0) {
        no_room(a, &e);
        return;
    }
    fault_point(FAULT_INTENT_WRITTEN, rec->key);
    if (!a->token_set) {
        send_request(a);
        return;
    }
    struct commit *c = outcome_ok(a);
    int res = spool_now(a, c);
    commit_free(c);
    if (res < 0)
        not_asked(a, "the new token could not be written to the spool");
    else
        spool_sync(engine->spool, true, on_disk, a);
}

static void attempt_step(struct attempt *a, const struct http_reply *reply)
{
    plugin_attempt_step(a->plugin, reply, clock_now(), &a->step);
    a->token_set = plugin_attempt_effects(a->plugin)->token_set;
    if (a->not_sent && a->step.what != RENEWD_WAIT && !a->step.misused)
        a->step =
            (struct step_result){.what = RENEWD_FAILED, .code = "plugin", .text = a->not_sent, .misused = true};
    switch (a->step.what) {
    case RENEWD_WAIT:
        want_request(a);
        return;
    case RENEWD_DONE:
        finish_ok(a);
        return;
    default:
        if (a->token_set) { /* whatever it returns: the token is real */
            finish_broken(a, reply);
        } else {
            struct failure f = {.outcome = a->step.outcome, .code = a->step.code, .text = a->step.text};
            attempt_fail(a, &f, reply);
        }
    }
}

static void begin_paced(void *ctx)
{
    struct attempt *a = ctx;
    struct job *j = a->job;
    a->timer = NULL;
    paced_over(a);
    int64_t now = clock_boot_ms(), wait = pace_wait(&j->pace, now);
    if (wait <= 0 && !a->caller && j->callers_paced)
        wait = 1; /* a caller's is next, whose timer is of the same moment */
    if (wait > 0 && now + wait + 3 * j->config->timeout_ms < a->lease_boot_ms) {
        a->paced = true;
        j->callers_paced += a->caller;
        a->timer = loop_after(j->engine->loop, wait, begin_paced, a);
        return;
    }
    if (wait > 0) { /* its turn would come after its lease */
        attempt_give_up_unsent(a, true);
        return;
    }
    pace_take(&j->pace, now);
    a->deadline_boot_ms = now + 3 * j->config->timeout_ms;
    a->started_at = clock_now();
    attempt_step(a, NULL);
}

void attempt_start(struct attempt *a)
{
    struct job *j = a->job;
    struct error e;
    a->started_at = clock_now();
    if (row_values_decrypt(j, &a->claim.row, &a->values, &e) < 0) {
        attempt_give_up_unsent(a, false);
        return;
    }
    struct record_view view;
    row_values_for_plugin(j, &a->claim.record, &a->claim.row, &a->values, &view);
    size_t memo_len;
    a->memo = record_memo(&a->claim.record, &memo_len);
    view.memo = a->memo;
    view.memo_len = memo_len;
    a->plugin = plugin_attempt_new(j->instance, &view);
    begin_paced(a);
}

/* Takes the record and the row out of c. */
void attempt_begin(struct run *r, struct claimed *c, int64_t lease_boot_ms)
{
    struct job *j = r->job;
    struct attempt *a = xcalloc(1, sizeof *a);
    a->job = j;
    a->run = r;
    a->claim = *c;
    memset(c, 0, sizeof *c);
    a->lease_boot_ms = lease_boot_ms;
    a->caller = r->mode == CLAIM_DEMAND;
    a->next = j->attempts;
    if (a->next)
        a->next->previous = a;
    j->attempts = a;
    j->active++;
    r->active++;
    fault_point(FAULT_CLAIMED, a->claim.record.key);
    if (!ready_add(a))
        attempt_start(a);
}
