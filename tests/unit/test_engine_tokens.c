/* SPDX-License-Identifier: MIT
 * Tokens on demand (core/engine/tokens/request.c and cache.c), over a store, a clock and runs that are this program.
 */
#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/engine/tokens/tokens.h"
#include "tests/unit/tokens_kit.h"

/* ---- what is served ---- */

static void test_valid(void)
{
    struct caller c;
    begin(1000);
    asks(&c, &minutes5);
    got(&c, TOKEN_SERVED, "old");
    CU_ASSERT_FALSE(c.tried);
    CU_ASSERT_EQUAL(runs.count, 0);
    end();
}

static void test_memory(void)
{
    struct caller c;
    begin(1000);
    asks(&c, &minutes5);
    ask(&c, &minutes5);
    got(&c, TOKEN_SERVED, "old"); /* at once */
    CU_ASSERT_EQUAL(store.reads, 1);
    kit_wait_ms(300);
    ask(&c, &minutes5); /* at once too, and it is read ahead */
    got(&c, TOKEN_SERVED, "old");
    CU_ASSERT_EQUAL(kit_store_waiting(), 1);
    kit_store_answers();
    CU_ASSERT_EQUAL(store.reads, 2);
    kit_wait_ms(600);
    ask(&c, &minutes5);
    CU_ASSERT_EQUAL(c.answers, 0);
    kit_store_answers();
    got(&c, TOKEN_SERVED, "old");
    CU_ASSERT_EQUAL(store.reads, 3);
    end();
}

static void test_refresh(void)
{
    struct caller c;
    begin(200);
    asks(&c, &minutes5);
    CU_ASSERT_EQUAL(c.answers, 0);
    CU_ASSERT_EQUAL(runs.count, 1);
    CU_ASSERT_EQUAL(runs.wish.min_valid, 300);
    run_brings("new");
    kit_wait_ms(0);
    got(&c, TOKEN_SERVED, "new");
    CU_ASSERT_TRUE(c.tried);
    CU_ASSERT_EQUAL(runs.count, 1);
    end();
}

static void test_shared(void)
{
    struct caller a, b, long_wish;
    const struct token_requirement minutes20 = {.min_valid = 1200, .serve_ms = 4500, .wait_ms = 30000};
    begin(200);
    ask(&a, &minutes5);
    ask(&b, &minutes5);
    ask(&long_wish, &minutes20);
    kit_store_answers();
    CU_ASSERT_EQUAL(store.reads, 1);
    CU_ASSERT_EQUAL(runs.count, 1);
    CU_ASSERT_EQUAL(runs.wish.min_valid, 1200);
    run_brings("new");
    kit_wait_ms(0);
    got(&a, TOKEN_SERVED, "new");
    got(&b, TOKEN_SERVED, "new");
    got(&long_wish, TOKEN_SERVED, "new");
    end();
}

static void test_unknown(void)
{
    struct caller c;
    begin(0);
    store.token = NULL;
    asks(&c, &minutes5);
    got(&c, TOKEN_UNKNOWN, "");
    end();
}

static void test_damaged(void)
{
    struct caller c;
    begin(1000);
    store.token = "damaged";
    asks(&c, &minutes5);
    got(&c, TOKEN_PERSON, "");
    CU_ASSERT_STRING_EQUAL(c.why, "the value does not open");
    end();
}

static void test_changed_row(void)
{
    struct caller c;
    begin(1000);
    store.changed = true;
    asks(&c, &minutes5);
    CU_ASSERT_EQUAL(c.answers, 0);
    CU_ASSERT_EQUAL(looks, 1);
    kit_wait_ms(10);
    got(&c, TOKEN_SERVED, "old");
    end();
}

/* ---- waiting ---- */

static void test_slow_refresh(void)
{
    struct caller c;
    begin(200);
    asks(&c, &minutes5);
    kit_wait_ms(4499);
    CU_ASSERT_EQUAL(c.answers, 0);
    kit_wait_ms(1);
    got(&c, TOKEN_SERVED, "old"); /* it is valid, though for less than was asked */
    run_brings("new");
    kit_wait_ms(0);
    end();
}

static void test_nothing_to_serve(void)
{
    struct caller c;
    begin(-10);
    asks(&c, &minutes5);
    kit_wait(29);
    CU_ASSERT_EQUAL(c.answers, 0);
    kit_wait(1);
    CU_ASSERT_EQUAL(c.answers, 1);
    CU_ASSERT_EQUAL(c.status, TOKEN_UNDER_WAY);
    CU_ASSERT_PTR_NOT_NULL(strstr(c.why, "still under way"));
    run_brings("new");
    kit_wait_ms(0);
    asks(&c, &minutes5);
    got(&c, TOKEN_SERVED, "new");
    end();
}

static void test_leased_elsewhere(void)
{
    struct caller c;
    begin(-10);
    store.standing.leased = true;
    asks(&c, &minutes5);
    kit_wait_ms(350);
    CU_ASSERT_EQUAL(runs.count, 0);
    CU_ASSERT_EQUAL(store.reads, 4);
    store.token = "of another host";
    store.expires_at = clock_now() + 3600;
    store.ok_at = clock_now();
    store.standing.leased = false;
    kit_wait_ms(100);
    got(&c, TOKEN_SERVED, "of another host");
    CU_ASSERT_TRUE(c.tried);
    end();
}

static void test_spent(void)
{
    struct caller c;
    begin(-10);
    store.standing.spent = true; /* another row has the newer one */
    asks(&c, &minutes5);
    kit_wait_ms(300);
    CU_ASSERT_EQUAL(restored, 1);
    CU_ASSERT_EQUAL(runs.count, 0);
    store.standing.spent = false;
    store.token = "carried";
    store.expires_at = clock_now() + 3600;
    kit_wait_ms(100);
    got(&c, TOKEN_SERVED, "carried");
    end();
}

static void test_barren(void)
{
    const struct run_result nothing = {.id = 1};
    struct caller c;
    begin(-10);
    asks(&c, &minutes5);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(runs.count, i + 1);
        CU_ASSERT_EQUAL(c.answers, 0);
        run_ends(&nothing);
        kit_wait_ms(800);
    }
    CU_ASSERT_EQUAL(runs.count, 3);
    CU_ASSERT_EQUAL(c.answers, 1);
    CU_ASSERT_EQUAL(c.status, TOKEN_LATER);
    CU_ASSERT_PTR_NOT_NULL(strstr(c.why, "renewctl explain"));
    CU_ASSERT_FALSE(c.tried);
    end();
}

/* ---- refusals ---- */

static void test_failed(void)
{
    const struct run_result failed = {.id = 1, .failed = 1};
    struct caller c;
    begin(-10);
    asks(&c, &minutes5);
    store.state = STATE_RETRYING;
    store.text = "the provider is away";
    run_ends(&failed);
    kit_wait_ms(0);
    CU_ASSERT_EQUAL(c.answers, 1);
    CU_ASSERT_EQUAL(c.status, TOKEN_LATER);
    CU_ASSERT_STRING_EQUAL(c.why, "the provider is away");
    CU_ASSERT_TRUE(c.tried);
    CU_ASSERT_EQUAL(runs.count, 1); /* one attempt for one request */
    end();
}

static void test_person(void)
{
    struct caller c;
    begin(1000); /* even a token that is still valid */
    store.state = STATE_RECONNECT;
    store.text = "revoked by its owner";
    asks(&c, &minutes5);
    CU_ASSERT_EQUAL(c.answers, 1);
    CU_ASSERT_EQUAL(c.status, TOKEN_PERSON);
    CU_ASSERT_EQUAL(c.state, STATE_RECONNECT);
    CU_ASSERT_STRING_EQUAL(c.why, "revoked by its owner");
    CU_ASSERT_EQUAL(runs.count, 0);
    end();
}

static void test_twin_dead(void)
{
    struct caller c;
    begin(1000);
    store.standing.dead = true; /* learned with another record */
    asks(&c, &minutes5);
    CU_ASSERT_EQUAL(c.status, TOKEN_PERSON);
    CU_ASSERT_EQUAL(c.state, STATE_RECONNECT);
    CU_ASSERT_EQUAL(shared_dead, 1);
    end();
}

static void test_breaker(void)
{
    struct caller c;
    begin(200);
    kit.job.breaker.row.state.held_at = 1;
    asks(&c, &minutes5); /* it was fine: it is refreshed all the same */
    CU_ASSERT_EQUAL(runs.count, 1);
    run_brings("new");
    kit_wait_ms(0);
    got(&c, TOKEN_SERVED, "new");
    end();
}

/* ---- a token that the provider refused ---- */

static void test_refused_by_provider(void)
{
    const struct token_requirement refused = {.refused = true,
                                              .refused_generation = 1,
                                              .refused_token = "old",
                                              .serve_ms = 4500,
                                              .wait_ms = 30000};
    struct caller a, b;
    begin(3000);
    asks(&a, &refused);
    CU_ASSERT_EQUAL(runs.count, 1); /* whatever its lifetime */
    CU_ASSERT_TRUE(runs.wish.refused);
    CU_ASSERT_STRING_EQUAL(runs.refused_token, "old");
    run_brings("new");
    kit_wait_ms(0);
    got(&a, TOKEN_SERVED, "new");
    kit_wait(1);
    asks(&b, &refused); /* of the old one, said late */
    got(&b, TOKEN_SERVED, "new");
    CU_ASSERT_EQUAL(runs.count, 1);
    end();
}

static void test_same_token_again(void)
{
    const struct token_requirement refused = {.refused = true,
                                              .refused_generation = 1,
                                              .refused_token = "old",
                                              .serve_ms = 4500,
                                              .wait_ms = 30000};
    struct caller c;
    begin(3000);
    asks(&c, &refused);
    run_brings("old");
    store.generation = 1; /* the credential stayed */
    kit_wait_ms(0);
    got(&c, TOKEN_SERVED, "old");
    CU_ASSERT_TRUE(c.tried);
    end();
}

/* ---- a store that is away, and the end ---- */

static void test_store_away(void)
{
    struct caller c;
    begin(1000);
    asks(&c, &minutes5);
    kit_store_fails(-ENOTCONN, "the database is not available");
    kit_wait(1);
    asks(&c, &minutes5);
    got(&c, TOKEN_SERVED, "old"); /* remembered */
    kit_wait(1000);
    asks(&c, &minutes5);
    CU_ASSERT_EQUAL(c.status, TOKEN_AWAY);
    CU_ASSERT_STRING_EQUAL(c.why, "the database is not available");
    end();
}

static void test_store_slow(void)
{
    struct caller c;
    begin(1000);
    asks(&c, &minutes5);
    kit_wait(1);
    kit_store_stalls(true);
    ask(&c, &minutes5);
    kit_wait_ms(1499);
    CU_ASSERT_EQUAL(c.answers, 0);
    kit_wait_ms(1);
    got(&c, TOKEN_SERVED, "old");
    kit_store_stalls(false);
    kit_store_answers();
    end();
}

static void test_stopping(void)
{
    struct caller waits, late;
    begin(-10);
    asks(&waits, &minutes5);
    kit.engine.stopping = STOP_ASKED;
    ask(&late, &minutes5);
    got(&late, TOKEN_AWAY, "");
    token_requests_free(&kit.engine);
    got(&waits, TOKEN_AWAY, "");
    CU_ASSERT_STRING_EQUAL(waits.why, "renewd is stopping");
    loop_cancel(&kit.engine.check_timer);
    end();
}

int main(void)
{
    const struct unit_test tests[] = {
        {"a token that is valid for long enough is served without an attempt", test_valid},
        {"what was read a moment ago is served at once, and read ahead when it is used", test_memory},
        {"a token that ends too soon is refreshed first", test_refresh},
        {"callers share one read and one attempt, for the longest wish", test_shared},
        {"a record that does not exist is unknown", test_unknown},
        {"a row that does not open needs a person, and says so", test_damaged},
        {"a row that changed is taken in first", test_changed_row},
        {"a refresh that takes long is not waited for while the token is valid", test_slow_refresh},
        {"without a token the caller waits as long as it asked, and the work goes on", test_nothing_to_serve},
        {"what another host presents is waited for, and counts as this request's attempt", test_leased_elsewhere},
        {"a spent credential is not presented; the newest is asked for once", test_spent},
        {"three runs that find nothing to do end the request", test_barren},
        {"a failed attempt answers with the record's reason, after one attempt", test_failed},
        {"a record that needs its owner serves no token", test_person},
        {"a credential that is dead with another record is dead here", test_twin_dead},
        {"a held job refreshes records that were fine", test_breaker},
        {"a token that the provider refused is refreshed, once a generation", test_refused_by_provider},
        {"a refresh that brings the refused token again is served, as the provider wants it",
         test_same_token_again},
        {"while the store is away the remembered token is served until it ends", test_store_away},
        {"a store that is slow delays a valid token by 1.5 seconds", test_store_slow},
        {"at the end every caller is answered", test_stopping},
        {NULL, NULL},
    };
    return run_tests("engine_tokens", tests);
}
