/* SPDX-License-Identifier: MIT
 * What the breaker (core/engine/refresh/breaker.c) does with a refusal, a success and an operator's word, over a store
 * whose rulings the test gives. The rulings themselves: test_rules_suspect.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/engine/commit/commit.h"
#include "core/engine/refresh/refresh.h"
#include "tests/unit/engine_kit.h"

/* ---- the store ---- */

static struct {
    int refusals, successes, resumes, reads, freed; /* what it was told or asked */
    struct refusal last;
    char code[40], fingerprint[FINGERPRINT_SIZE];
    bool believe;
    struct suspect_limits limits;
    struct suspect_ruling ruling; /* what it says */
    struct suspect_job job;
    const char *stored_text;
    int64_t free;
} store;

static void put_job(const struct breaker_key *k, struct breaker_row *ret)
{
    CU_ASSERT_STRING_EQUAL(k->job, "mail");
    CU_ASSERT_PTR_EQUAL(k->settings, kit.job.settings_id);
    CU_ASSERT_STRING_EQUAL(k->source, "people/token");
    *ret =
        (struct breaker_row){.state = store.job, .why = store.job.held_at ? xstrdup("three were refused") : NULL};
}

int store_breaker_refused(struct db *db, const struct breaker_key *k, const struct suspect_limits *l,
                          const struct refusal *r, int64_t now, struct refused_ruling *ret, struct error *e)
{
    (void)db;
    (void)e;
    CU_ASSERT_EQUAL(now, clock_now_ms());
    store.refusals++;
    store.last = *r;
    store.limits = *l;
    store.code[0] = '\0';
    strncat(store.code, r->code ? r->code : "", sizeof store.code - 1);
    ret->ruling = store.ruling;
    ret->text = store.stored_text ? xstrdup(store.stored_text) : NULL;
    put_job(k, &ret->job);
    return 0;
}

int store_breaker_succeeded(struct db *db, const struct breaker_key *k, const char *fingerprint, int64_t now,
                            struct breaker_row *ret, bool *ret_over, struct error *e)
{
    (void)db;
    (void)e;
    store.successes++;
    memcpy(store.fingerprint, fingerprint, FINGERPRINT_SIZE);
    store.job.success_at = now;
    put_job(k, ret);
    *ret_over = false;
    return 0;
}

int store_breaker_resumed(struct db *db, const struct breaker_key *k, bool believe, int64_t now,
                          struct breaker_row *ret, struct error *e)
{
    (void)db;
    (void)now;
    (void)e;
    store.resumes++;
    store.believe = believe;
    store.job.held_at = 0;
    put_job(k, ret);
    return 0;
}

int store_breaker_read(struct db *db, const struct breaker_key *k, struct breaker_row *ret, struct error *e)
{
    (void)db;
    (void)e;
    store.reads++;
    put_job(k, ret);
    return 0;
}

int store_breaker_free(struct db *db, const struct breaker_key *k, int64_t now, int64_t *ret, struct error *e)
{
    (void)db;
    (void)k;
    (void)now;
    (void)e;
    store.freed++;
    *ret = store.free;
    return 0;
}

void breaker_row_done(struct breaker_row *b)
{
    free(b->why);
    b->why = NULL;
}

void refused_ruling_done(struct refused_ruling *r)
{
    breaker_row_done(&r->job);
    free(r->text);
}

/* ---- the rest of the engine ---- */

static struct {
    int withheld, not_final, verdicts; /* what became of the commit */
    int64_t next_at;
    char text[40];
    int submitted, released, ended;
    int64_t released_due_at;
    int witnesses, pumped, armed;
} rest;

void outcome_withhold(const struct job *j, struct commit *c, const struct suspect_ruling *r)
{
    (void)j;
    (void)c;
    rest.withheld++;
    rest.next_at = r->next_at;
}

void outcome_not_final(const struct job *j, struct commit *c, int64_t next_at_ms)
{
    (void)j;
    (void)c;
    rest.not_final++;
    rest.next_at = next_at_ms;
}

void outcome_reconnect(const struct job *j, struct commit *c, const char *code, const char *text)
{
    (void)j;
    (void)c;
    (void)code;
    rest.verdicts++;
    strncat(rest.text, text, sizeof rest.text - 1);
}

struct commit *outcome_begin(const struct job *j, const struct record *rec, const struct row *row)
{
    struct commit *c = xcalloc(1, sizeof *c);
    (void)j;
    (void)row;
    c->before.key = xstrdup(rec->key);
    memcpy(c->before.fingerprint, rec->fingerprint, FINGERPRINT_SIZE);
    return c;
}

void commit_free(struct commit *c)
{
    free(c->before.key);
    free(c);
}

void commits_submit(struct engine *e, struct job *j, struct run *r, struct commit *c, bool from_spool, bool kept)
{
    (void)e;
    (void)r;
    CU_ASSERT_PTR_EQUAL(j, &kit.job);
    CU_ASSERT_FALSE(from_spool || kept);
    rest.submitted++;
    commit_free(c);
}

void claim_release(struct engine *e, const struct record *rec, const char *attempt_id)
{
    (void)e;
    CU_ASSERT_STRING_EQUAL(attempt_id, "attempt");
    rest.released++;
    rest.released_due_at = rec->due_at;
}

void run_attempt_ended(struct run *r, int outcome, bool ask_again)
{
    CU_ASSERT_EQUAL(outcome, OUTCOME_NONE);
    CU_ASSERT_FALSE(ask_again);
    r->active--;
    rest.ended++;
}

void canary_arm(struct job *j)
{
    (void)j;
    rest.armed++;
}

void canary_want_witness(struct job *j)
{
    (void)j;
    rest.witnesses++;
}

void job_pump(struct job *j)
{
    (void)j;
    rest.pumped++;
}

void schedule_due(struct job *j, int64_t due_at)
{
    (void)j;
    CU_ASSERT_EQUAL(due_at, 0);
}

static bool secrets_changed(struct job *j)
{
    (void)j;
    return false;
}

static void check_stopped(void *ctx)
{
    (void)ctx;
}

static const struct engine_listeners listeners = {.secrets_changed = secrets_changed,
                                                  .check_stopped = check_stopped};

/* ---- a job whose records are refused ---- */

static struct run run;

static void begin(void)
{
    kit_begin();
    memset(&store, 0, sizeof store);
    memset(&rest, 0, sizeof rest);
    memset(&run, 0, sizeof run);
    run.job = &kit.job;
    run.row.id = 7;
    kit.engine.on = &listeners;
    kit.config.breaker_records = 3;
    kit.config.breaker_within_s = 60;
}

static void end(void)
{
    breaker_done(&kit.job);
    kit_end();
}

static struct commit *result_of(int outcome, const char *code)
{
    struct record rec = {.key = (char *)"r1", .fingerprint = "f1"};
    struct commit *c = outcome_begin(&kit.job, &rec, NULL);
    memcpy(c->before.ok_under, kit.job.settings_id, FINGERPRINT_SIZE);
    c->before.state = STATE_OK;
    c->outcome = outcome;
    c->code = (char *)code;
    return c;
}

static void refused(int outcome)
{
    breaker_failed(&kit.job, &run, result_of(outcome, "invalid_grant"), false);
    CU_ASSERT_EQUAL(rest.submitted, 0); /* decided first */
    kit_store_answers();
    CU_ASSERT_EQUAL(rest.submitted, 1);
}

static void succeeds(int state_before)
{
    struct commit *c = result_of(OUTCOME_OK, NULL);
    c->before.state = state_before;
    breaker_fine(&kit.job, c);
    commit_free(c);
    kit_store_answers();
}

/* ---- refusals ---- */

static void test_withheld(void)
{
    begin();
    store.ruling = (struct suspect_ruling){.verdict = SUSPECT_WITHHELD, .next_at = 4711, .wants_witness = true};
    refused(OUTCOME_RECONNECT);
    CU_ASSERT_EQUAL(rest.withheld, 1);
    CU_ASSERT_EQUAL(rest.next_at, 4711);
    CU_ASSERT_EQUAL(rest.witnesses, 1);
    CU_ASSERT_TRUE(store.last.dead_grant);
    CU_ASSERT_TRUE(store.last.asked);
    CU_ASSERT_TRUE(store.last.fine_before);
    CU_ASSERT_STRING_EQUAL(store.code, "invalid_grant");
    CU_ASSERT_EQUAL(store.limits.records, 3);
    CU_ASSERT_EQUAL(store.limits.within_ms, 60000);
    end();
}

static void test_verdict(void)
{
    begin();
    store.ruling.verdict = SUSPECT_FINAL;
    refused(OUTCOME_RECONNECT);
    CU_ASSERT_EQUAL(rest.withheld + rest.not_final, 0); /* the commit says it itself */
    end();
    begin();
    store.ruling = (struct suspect_ruling){.verdict = SUSPECT_NOT_FINAL, .next_at = 99};
    refused(OUTCOME_MISCONFIGURED);
    CU_ASSERT_FALSE(store.last.dead_grant);
    CU_ASSERT_EQUAL(rest.not_final, 1);
    CU_ASSERT_EQUAL(rest.next_at, 99);
    end();
}

static void test_store_away(void)
{
    begin();
    store.ruling.verdict = SUSPECT_FINAL;
    kit_store_fails(-ENOTCONN, "the database is not available");
    refused(OUTCOME_RECONNECT);
    CU_ASSERT_EQUAL(rest.withheld, 1); /* nothing is concluded */
    CU_ASSERT_EQUAL(rest.next_at, clock_now_ms() + 10000);
    end();
}

static void test_others_pass(void)
{
    begin();
    breaker_failed(&kit.job, &run, result_of(OUTCOME_TRANSIENT, "away"), false);
    CU_ASSERT_EQUAL(rest.submitted, 1);
    struct commit *c = result_of(OUTCOME_RECONNECT, "invalid_grant");
    c->before.state = STATE_RECONNECT; /* a verdict that stands is not asked for again */
    breaker_failed(&kit.job, &run, c, false);
    CU_ASSERT_EQUAL(rest.submitted, 2);
    CU_ASSERT_EQUAL(kit_store_waiting(), 0);
    end();
}

static void test_held(void)
{
    begin();
    store.ruling = (struct suspect_ruling){.held = true, .alarm = true};
    store.job.held_at = 5;
    CU_ASSERT_FALSE(breaker_holds(&kit.job));
    refused(OUTCOME_RECONNECT);
    CU_ASSERT_TRUE(breaker_holds(&kit.job));
    CU_ASSERT_STRING_EQUAL(kit.job.breaker.row.why, "three were refused");
    CU_ASSERT_EQUAL(rest.armed, 1);
    end();
}

static void test_unanswered(void)
{
    begin();
    kit.job.safe = false;
    breaker_failed(&kit.job, &run, result_of(OUTCOME_RECONNECT, "invalid_grant"), true);
    kit_store_answers();
    CU_ASSERT_TRUE(store.last.unanswered);
    kit.job.safe = true; /* to present again is harmless: nothing follows from a missing answer */
    breaker_failed(&kit.job, &run, result_of(OUTCOME_RECONNECT, "invalid_grant"), true);
    kit_store_answers();
    CU_ASSERT_FALSE(store.last.unanswered);
    end();
}

/* ---- a suspect that is not presented again ---- */

static void judge(void)
{
    struct claimed c = {.record = {.key = (char *)"r1", .fingerprint = "f1"}, .attempt_id = "attempt"};
    breaker_judge(&kit.job, &run, &c);
    CU_ASSERT_EQUAL(run.active, 1);
    kit_store_answers();
}

static void test_judged(void)
{
    begin();
    store.ruling.verdict = SUSPECT_FINAL;
    store.stored_text = "revoked";
    judge();
    CU_ASSERT_FALSE(store.last.asked);
    CU_ASSERT_TRUE(store.last.unanswered);
    CU_ASSERT_EQUAL(rest.verdicts, 1);
    CU_ASSERT_STRING_EQUAL(rest.text, "revoked");
    CU_ASSERT_EQUAL(rest.submitted, 1);
    CU_ASSERT_EQUAL(rest.released, 0);
    end();
}

static void test_judged_waits(void)
{
    begin();
    store.ruling = (struct suspect_ruling){.verdict = SUSPECT_WITHHELD, .next_at = 9000500, .wants_witness = true};
    judge();
    CU_ASSERT_EQUAL(rest.submitted, 0);
    CU_ASSERT_EQUAL(rest.released, 1);
    CU_ASSERT_EQUAL(rest.released_due_at, 9001); /* not a second early */
    CU_ASSERT_EQUAL(rest.witnesses, 1);
    CU_ASSERT_EQUAL(run.active, 0);
    kit_store_fails(-ENOTCONN, "away");
    judge();
    CU_ASSERT_EQUAL(rest.released, 2);
    CU_ASSERT_EQUAL(rest.released_due_at, KIT_START + 10);
    end();
}

/* ---- successes ---- */

static void test_successes(void)
{
    begin();
    succeeds(STATE_OK);
    CU_ASSERT_EQUAL(store.successes, 1);
    CU_ASSERT_STRING_EQUAL(store.fingerprint, "f1");
    kit_wait_ms(4999);
    succeeds(STATE_OK);
    CU_ASSERT_EQUAL(store.successes, 1); /* no result of it is waited for */
    CU_ASSERT_EQUAL(kit.job.breaker.row.state.success_at, clock_now_ms());
    succeeds(STATE_MISCONFIGURED); /* of a suspect: a recovery */
    CU_ASSERT_EQUAL(store.successes, 2);
    succeeds(STATE_RECONNECT);
    CU_ASSERT_EQUAL(store.successes, 3);
    kit_wait_ms(5000);
    succeeds(STATE_OK);
    CU_ASSERT_EQUAL(store.successes, 4);
    end();
}

static void test_success_after_refusal(void)
{
    begin();
    succeeds(STATE_OK);
    refused(OUTCOME_RECONNECT);
    succeeds(STATE_OK); /* a witness */
    CU_ASSERT_EQUAL(store.successes, 2);
    succeeds(STATE_OK);
    CU_ASSERT_EQUAL(store.successes, 2);
    kit.job.breaker.row.state.held_at = 5;
    store.job.held_at = 0; /* it ends the hold */
    succeeds(STATE_OK);
    CU_ASSERT_EQUAL(store.successes, 3);
    CU_ASSERT_FALSE(breaker_holds(&kit.job));
    end();
}

static void test_newest_success(void)
{
    begin();
    succeeds(STATE_OK);
    kit_wait(1);
    succeeds(STATE_OK); /* known here alone */
    int64_t newest = clock_now_ms();
    refused(OUTCOME_RECONNECT);
    CU_ASSERT_EQUAL(store.last.success_at, newest);
    CU_ASSERT_EQUAL(kit.job.breaker.row.state.success_at, newest); /* the store's older one does not replace it */
    end();
}

/* ---- an operator's word, other hosts ---- */

static void test_resume(void)
{
    begin();
    kit.job.breaker.row.state.held_at = store.job.held_at = 5;
    breaker_resume(&kit.job, true);
    CU_ASSERT_TRUE(breaker_holds(&kit.job)); /* until the store has it */
    kit_store_answers();
    CU_ASSERT_TRUE(store.believe);
    CU_ASSERT_FALSE(breaker_holds(&kit.job));
    CU_ASSERT_EQUAL(rest.pumped, 1);
    end();
}

static void test_seen(void)
{
    begin();
    breaker_seen(&kit.job, false, false);
    CU_ASSERT_EQUAL(kit_store_waiting(), 0);
    store.job.held_at = 5; /* by another host */
    breaker_seen(&kit.job, true, false);
    kit_store_answers();
    CU_ASSERT_EQUAL(store.reads, 1);
    CU_ASSERT_TRUE(breaker_holds(&kit.job));
    rest.pumped = 0;
    store.job.held_at = 0;
    breaker_seen(&kit.job, false, true); /* and it has other secrets, whose suspects are none here */
    store.free = 2;
    kit_store_answers();
    CU_ASSERT_EQUAL(store.freed, 1);
    CU_ASSERT_FALSE(breaker_holds(&kit.job));
    CU_ASSERT_EQUAL(rest.pumped, 2);
    end();
}

int main(void)
{
    const struct unit_test tests[] = {
        {"a refusal is decided before it is committed; without a verdict it is withheld", test_withheld},
        {"a verdict is committed as it is; one that is not final keeps its next time", test_verdict},
        {"while the store is away no refusal is a verdict; it is tried again in 10 seconds", test_store_away},
        {"other failures, and a verdict that stands, are not decided", test_others_pass},
        {"a hold is taken over with its reason, and canaries are asked", test_held},
        {"a missing answer counts only where presenting again is not safe", test_unanswered},
        {"a suspect that is not presented again gets the verdict of its first refusal", test_judged},
        {"or its claim is given back until the store says, also while the store is away", test_judged_waits},
        {"successes are reported every five seconds, a suspect's at once", test_successes},
        {"the first success after a refusal, and each during a hold, is reported at once",
         test_success_after_refusal},
        {"a success that was not reported yet counts for the next refusal", test_newest_success},
        {"a resume ends the hold when the store has it", test_resume},
        {"a hold that another host began or ended is taken over", test_seen},
        {NULL, NULL},
    };
    return run_tests("engine_breaker", tests);
}
