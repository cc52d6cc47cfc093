/* SPDX-License-Identifier: MIT
 * Events in the store: taken in once however often they are handed in, given to one sender at a time, given up when
 * they are too old, listed, tried again and swept.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "tests/store/events_kit.h"

static void taken_in(void)
{
    struct db *db = events_begin();
    struct event_row *list = NULL;
    size_t count = 0;
    int64_t expired = -1;
    const char *text = "{\"q\":\"\\\"\\\\\\u0000 \xc3\xa4 {events} $1 '\"}\n\t";
    struct new_event two[] = {event("k1", "a"), event("k2", "a")};
    struct event_claim q = claim_of("i", NOW);
    two[0].text = text;
    two[0].len = strlen(text);
    two[0].last_at = NOW + 9;
    two[1].name = NULL;
    CU_ASSERT_EQUAL(add_at(db, two, 2, 0, NOW), 0);
    CU_ASSERT_TRUE(two[0].id > 0 && two[1].id > two[0].id && !two[0].duplicate && !two[1].duplicate);
    CU_ASSERT_EQUAL(add(db, "k1", "b"), 0);
    CU_ASSERT_EQUAL_FATAL(store_events_claim(db, &q, &list, &count, &expired, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(count, 2);
    CU_ASSERT_EQUAL(list[0].id, two[0].id);
    CU_ASSERT_STRING_EQUAL(list[0].text, text);
    CU_ASSERT_EQUAL(list[0].len, strlen(text));
    CU_ASSERT_STRING_EQUAL(list[0].key, "k1");
    CU_ASSERT_STRING_EQUAL(list[0].event_id, "a");
    CU_ASSERT_STRING_EQUAL(list[0].name, "Purchase");
    CU_ASSERT_EQUAL(list[0].state, EVENT_WAITING);
    CU_ASSERT_EQUAL(list[0].sends, 0);
    CU_ASSERT_EQUAL(list[0].event_time, NOW - 5);
    CU_ASSERT_EQUAL(list[0].last_at, NOW + 9);
    CU_ASSERT_EQUAL(list[0].created_at, NOW);
    CU_ASSERT_PTR_NULL(list[0].code);
    event_rows_free(list, count);
    CU_ASSERT_TRUE(kit_is(db, NULL, "SELECT name FROM {events} WHERE rkey = 'k2'"));
    db_close(db);
}

/* Nothing of a batch is there when one of it is refused. */
static void refused_whole(void)
{
    struct db *db = events_begin();
    struct new_event n[] = {event("k1", "a"), event("nobody", "b"), event("k1", "c")};
    CU_ASSERT_EQUAL(add_at(db, n, 3, 0, NOW), -ENOENT);
    n[1] = event("k1", "b\xff");
    CU_ASSERT_EQUAL(add_at(db, n, 3, 0, NOW), -EILSEQ);
    n[1] = event("k1", "b");
    n[1].text = "{\0}";
    n[1].len = 3;
    CU_ASSERT_EQUAL(add_at(db, n, 3, 0, NOW), -EILSEQ);
    n[1].text = "\xc3";
    n[1].len = 1;
    CU_ASSERT_EQUAL(add_at(db, n, 3, 0, NOW), -EILSEQ);
    CU_ASSERT_TRUE(kit_is(db, "0", "SELECT count(*) FROM {events}"));
    CU_ASSERT_TRUE(kit_is(db, "0", "SELECT count(*) FROM {event_keys}"));
    CU_ASSERT_EQUAL(add_at(db, n, 0, 0, NOW), 0);
    db_close(db);
}

static void known_again(void)
{
    static const char *const webhook[] = {"w1", "w1", NULL};
    static const char *const other[] = {"w2", "w1", NULL};
    struct db *db = events_begin();
    struct new_event first = event("k1", "a"), n[5];
    first.same = webhook;
    CU_ASSERT_EQUAL(add_at(db, &first, 1, 0, NOW), 0);
    CU_ASSERT_EQUAL(add(db, "k1", "a"), 1);
    CU_ASSERT_EQUAL(add(db, "k2", "a"), 0); /* another record's */
    for (int i = 0; i < 5; i++)
        n[i] = event("k1", "new");
    n[0].event_id = "z";
    n[0].same = other;       /* the same delivery */
    n[1].name = "AddToCart"; /* another event with that id */
    n[1].event_id = "a";
    n[3].same = other;
    n[4].event_id = "w1"; /* an id is no delivery */
    CU_ASSERT_EQUAL(add_at(db, n, 5, 0, NOW), 0);
    CU_ASSERT_TRUE(n[0].duplicate && n[0].id == first.id);
    CU_ASSERT_FALSE(n[1].duplicate);
    CU_ASSERT_FALSE(n[2].duplicate);
    CU_ASSERT_TRUE(n[3].duplicate && (n[3].id == first.id || n[3].id == n[2].id));
    CU_ASSERT_FALSE(n[4].duplicate);
    CU_ASSERT_TRUE(kit_is(db, "5", "SELECT count(*) FROM {events}"));
    CU_ASSERT_EQUAL(store_events_add(db, "another", source, &first, 1, 0, NOW, NULL), 0);
    CU_ASSERT_FALSE(first.duplicate);
    /* also when it was sent long ago */
    cleanup(free_p) char *sent = claim(db,
                                       &(struct event_claim){.job = "kit",
                                                             .host = "h",
                                                             .incarnation = "i",
                                                             .keys = one_key,
                                                             .key_count = 1,
                                                             .limit = ALL,
                                                             .now = NOW,
                                                             .lease_s = LEASE},
                                       NULL);
    CU_ASSERT_PTR_NOT_NULL(sent);
    CU_ASSERT_EQUAL(settle_all(db, "i", (struct event_settle){.state = EVENT_SENT}), 0);
    CU_ASSERT_EQUAL(add(db, "k1", "a"), 1);
    CU_ASSERT_TRUE(kit_is(db, "0", "SELECT count(*) FROM {events} WHERE state = 3 AND text IS NOT NULL"));
    CU_ASSERT_TRUE(kit_is(db, "1000007", "SELECT max(finished_at) FROM {events}"));
    db_close(db);
}

static void depth(void)
{
    struct db *db = events_begin();
    struct new_event n[3] = {event("k1", "a"), event("k1", "b"), event("k1", "c")};
    CU_ASSERT_EQUAL(add_at(db, n, 2, 2, NOW), 0);
    CU_ASSERT_EQUAL(add_at(db, n + 2, 1, 2, NOW), -EDQUOT);
    CU_ASSERT_EQUAL(add_at(db, n, 2, 2, NOW), 0); /* what is here is acknowledged again */
    CU_ASSERT_TRUE(n[0].duplicate && n[1].duplicate);
    CU_ASSERT_EQUAL(store_events_add(db, "another", source, n + 2, 1, 2, NOW, NULL), 0);
    kit_sql(db, "UPDATE {events} SET state = 2 WHERE event_id = 'a' AND job = 'kit'");
    CU_ASSERT_EQUAL(add_at(db, n + 2, 1, 2, NOW), -EDQUOT);
    kit_sql(db, "UPDATE {events} SET state = 4 WHERE event_id = 'a' AND job = 'kit'");
    CU_ASSERT_EQUAL(add_at(db, n + 2, 1, 2, NOW), 0);
    db_close(db);
}

static bool due(struct db *db, int64_t now, size_t limit, const char *expected, int64_t next)
{
    char **keys = NULL;
    size_t count = 0, at = 0;
    int64_t then = -1;
    char text[1024] = "";
    CU_ASSERT_EQUAL(store_events_due(db, "kit", now, limit, &keys, &count, &then, NULL), 0);
    for (size_t i = 0; i < count; i++) {
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i ? " " : "", keys[i]);
        free(keys[i]);
    }
    free(keys);
    if (!strcmp(text, expected) && then == next)
        return true;
    printf("# due \"%s\", next %lld; expected \"%s\", %lld\n", text, (long long)then, expected, (long long)next);
    return false;
}

static void whose_are_due(void)
{
    struct db *db = events_begin();
    CU_ASSERT_TRUE(due(db, NOW, 9, "", 0));
    CU_ASSERT_EQUAL(add(db, "k2", "a"), 0);
    CU_ASSERT_EQUAL(add(db, "k1", "b"), 0);
    CU_ASSERT_EQUAL(add(db, "k3", "c"), 0);
    kit_sql(db, "UPDATE {events} SET due_at = 999000 WHERE rkey = 'k3'");
    kit_sql(db, "UPDATE {events} SET due_at = 1000050, state = 2 WHERE rkey = 'k1'");
    CU_ASSERT_TRUE(due(db, NOW, 9, "k3 k2", 1000050));
    CU_ASSERT_TRUE(due(db, NOW, 1, "k3", 1000050));
    CU_ASSERT_TRUE(due(db, NOW + 50, 9, "k3 k2 k1", 0));
    kit_sql(db, "UPDATE {events} SET lease_incarnation = 'x', lease_until = 99999999999 WHERE rkey = 'k3'");
    CU_ASSERT_TRUE(due(db, NOW, 9, "k2", 1000050));
    kit_sql(db, "UPDATE {events} SET lease_until = 7 WHERE rkey = 'k3'");
    CU_ASSERT_TRUE(due(db, NOW, 9, "k3 k2", 1000050));
    kit_sql(db, "UPDATE {events} SET state = 3");
    CU_ASSERT_TRUE(due(db, NOW, 9, "", 0));
    db_close(db);
}

static void one_holder(void)
{
    static const char *const keys[] = {"k2", "k1", "nobody", "k1"};
    struct db *db = events_begin(), *other = kit_open();
    struct event_claim ours = claim_of("i1", NOW), theirs = claim_of("i2", NOW);
    for (int i = 0; i < 6; i++) {
        const char id[] = {(char)('a' + i), '\0'};
        CU_ASSERT_EQUAL(add(db, i % 2 ? "k1" : "k2", id), 0);
    }
    kit_sql(db, "UPDATE {events} SET due_at = due_at + 1 WHERE event_id = 'b'");
    ours.keys = theirs.keys = keys;
    ours.key_count = theirs.key_count = 4;
    ours.limit = 2;
    CU_ASSERT_TRUE(gives(db, &ours, "a/0 c/0"));
    CU_ASSERT_TRUE(gives(other, &theirs, "d/0 e/0 f/0")); /* b is not due yet */
    CU_ASSERT_TRUE(gives(other, &theirs, ""));
    theirs.now = NOW + 1;
    CU_ASSERT_TRUE(gives(other, &theirs, "b/0"));
    /* far ahead of the database's clock the leases hold all the same, and by it they end */
    theirs.now = NOW + 100000;
    CU_ASSERT_TRUE(gives(other, &theirs, ""));
    kit_sql(db, "UPDATE {events} SET lease_until = 5 WHERE event_id IN ('a', 'c')");
    CU_ASSERT_TRUE(gives(other, &theirs, "a/1 c/1"));
    /* whoever had them before has no say any more */
    CU_ASSERT_EQUAL(settle_all(db, "i1", (struct event_settle){.state = EVENT_SENT}), 0);
    CU_ASSERT_TRUE(kit_is(db, "0", "SELECT count(*) FROM {events} WHERE state = 3"));
    db_close(other);
    db_close(db);
}

static void settling(void)
{
    struct db *db = events_begin();
    struct event_claim q = claim_of("i", NOW);
    CU_ASSERT_EQUAL(add(db, "k1", "a"), 0);
    CU_ASSERT_TRUE(gives(db, &q, "a/0"));
    struct event_settle later = {.state = EVENT_WAITING,
                                 .due_at = NOW + 60,
                                 .code = "429",
                                 .why = "slow\n\xff down"};
    CU_ASSERT_EQUAL(settle_all(db, "i", later), 0);
    CU_ASSERT_TRUE(gives(db, &q, ""));
    CU_ASSERT_TRUE(kit_is(db, "slow ? down", "SELECT why FROM {events}"));
    q.now += 60;
    CU_ASSERT_TRUE(gives(db, &q, "a/1"));
    CU_ASSERT_EQUAL(settle_all(db, "i", (struct event_settle){.state = EVENT_WAITING, .unsent = true}), 0);
    CU_ASSERT_TRUE(gives(db, &q, "a/1"));
    CU_ASSERT_EQUAL(settle_all(db, "i",
                               (struct event_settle){.state = EVENT_HELD,
                                                     .code = "100/33",
                                                     .why = "the pixel is not known"}),
                    0);
    CU_ASSERT_TRUE(gives(db, &q, "a/2"));
    CU_ASSERT_EQUAL(settle_all(db, "i", (struct event_settle){.state = EVENT_ASIDE}), 0);
    CU_ASSERT_TRUE(kit_is(db, "4 100/33 1000007 {\"a\":1}",
                          "SELECT state || ' ' || code || ' ' || finished_at || ' ' || text FROM {events}"));
    CU_ASSERT_TRUE(gives(db, &q, ""));
    db_close(db);
}

static void too_old(void)
{
    struct db *db = events_begin();
    struct event_claim q = claim_of("i", NOW);
    int64_t expired = -1;
    struct new_event n[4] = {event("k1", "a"), event("k1", "b"), event("k1", "c"), event("k2", "d")};
    n[0].last_at = n[1].last_at = n[3].last_at = NOW - 1;
    n[2].last_at = NOW;
    CU_ASSERT_EQUAL(add_at(db, n, 4, 0, NOW - 10), 0);
    kit_sql(db, "UPDATE {events} SET why = 'the pixel is not known' WHERE event_id = 'b'");
    q.limit = 1; /* two batches of too old ones stand before it */
    cleanup(free_p) char *got = claim(db, &q, &expired);
    CU_ASSERT_STRING_EQUAL(got, "c/0");
    CU_ASSERT_EQUAL(expired, 2);
    CU_ASSERT_TRUE(kit_is(db, "2",
                          "SELECT count(*) FROM {events} WHERE state = 5 AND sends = 0 AND text IS NOT NULL"
                          " AND finished_at = 1000000 AND lease_until IS NULL"));
    CU_ASSERT_TRUE(kit_is(db, "the pixel is not known", "SELECT why FROM {events} WHERE event_id = 'b'"));
    CU_ASSERT_TRUE(kit_is(db, "it had become too old before it could be sent",
                          "SELECT why FROM {events} WHERE event_id = 'a'"));
    CU_ASSERT_EQUAL(store_events_expire(db, "kit", NOW + 1, ALL, &expired, NULL), 0);
    CU_ASSERT_EQUAL(expired, 1); /* d, that nobody claims; c is in somebody's hands */
    /* by hand it is sent however old it is */
    CU_ASSERT_EQUAL(store_events_retry(db, "kit", &n[0].id, 1, NOW + 5, &expired, NULL), 0);
    q.now = NOW + 5;
    CU_ASSERT_TRUE(gives(db, &q, "a/0"));
    db_close(db);
}

static void moving(void)
{
    static const char *const keys[] = {"k1", "k2"};
    struct db *db = events_begin();
    struct event_claim q = claim_of("i", NOW);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(add(db, i == 1 ? "k2" : i ? "k3" : "k1", "a"), 0);
    CU_ASSERT_TRUE(gives(db, &q, "a/0"));
    CU_ASSERT_EQUAL(add(db, "k1", "b"), 0);
    CU_ASSERT_EQUAL(store_events_move(db, "kit", keys, 2,
                                      &(struct event_move){EVENT_HELD, NOW + 600, "10", "no permission"}, NULL),
                    0);
    CU_ASSERT_TRUE(kit_is(db, "2",
                          "SELECT count(*) FROM {events} WHERE state = 2 AND due_at = 1000600 AND"
                          " code = '10' AND why = 'no permission'"));
    CU_ASSERT_TRUE(due(db, NOW, 9, "k3", NOW + LEASE));
    CU_ASSERT_EQUAL(store_events_move(db, "kit", keys, 2,
                                      &(struct event_move){.state = EVENT_WAITING, .due_at = NOW}, NULL),
                    0);
    CU_ASSERT_TRUE(due(db, NOW, 9, "k1 k2 k3", NOW + LEASE));
    CU_ASSERT_TRUE(kit_is(db, "i", "SELECT lease_incarnation FROM {events} WHERE event_id = 'a' AND rkey = 'k1'"));
    db_close(db);
}

static void by_hand(void)
{
    struct db *db = events_begin();
    int64_t n = -1;
    int64_t ids[6] = {0};
    struct error e = {""};
    for (int i = 0; i < 5; i++) {
        const char id[] = {(char)('a' + i), '\0'};
        struct new_event one = event("k1", id);
        CU_ASSERT_EQUAL(add_at(db, &one, 1, 0, NOW), 0);
        kit_sql(db,
                "UPDATE {events} SET state = %d, finished_at = %d, due_at = 5000000, last_at = 77 WHERE id = %lld",
                i + 1, i > 1 ? 5 : 0, (long long)one.id);
        ids[i] = one.id;
    }
    CU_ASSERT_EQUAL(store_events_retry(db, "kit", NULL, 0, NOW, &n, &e), 0);
    CU_ASSERT_EQUAL(n, 1);
    CU_ASSERT_TRUE(kit_is(db, "1 1000000 77",
                          "SELECT state || ' ' || due_at || ' ' || last_at FROM {events}"
                          " WHERE event_id = 'b'"));
    ids[5] = 4711;
    CU_ASSERT_EQUAL(store_events_retry(db, "kit", ids, 6, NOW, &n, &e), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "4711"));
    CU_ASSERT_TRUE(kit_is(db, "5", "SELECT state FROM {events} WHERE event_id = 'e'"));
    CU_ASSERT_EQUAL(store_events_retry(db, "another", ids, 5, NOW, &n, &e), -ENOENT);
    CU_ASSERT_EQUAL(store_events_retry(db, "kit", ids, 5, NOW, &n, &e), 0);
    CU_ASSERT_EQUAL(n, 2); /* d and e: the others wait or are sent */
    CU_ASSERT_TRUE(kit_is(db, "2",
                          "SELECT count(*) FROM {events} WHERE state = 1 AND due_at = 1000000 AND last_at = 0"
                          " AND finished_at = 0"));
    CU_ASSERT_TRUE(kit_is(db, "3", "SELECT state FROM {events} WHERE event_id = 'c'"));
    db_close(db);
}

static void listed_and_counted(void)
{
    struct db *db = events_begin();
    int64_t counts[EVENT_STATES];
    struct event_row *list = NULL;
    size_t count = 0;
    for (int i = 0; i < 10; i++) {
        char id[16];
        snprintf(id, sizeof(id), "e%d", i);
        CU_ASSERT_EQUAL(add(db, "k1", id), 0);
        kit_sql(db, "UPDATE {events} SET state = %d, sends = %d WHERE event_id = 'e%d'", i % 5 + 1, i % 4, i);
    }
    struct event_query q = {.job = "kit", .limit = 4};
    int64_t last = 0;
    size_t all = 0;
    do {
        CU_ASSERT_EQUAL_FATAL(store_events(db, &q, &list, &count, NULL), 0);
        for (size_t i = 0; i < count; i++, all++) {
            CU_ASSERT_TRUE(list[i].id > last);
            CU_ASSERT_PTR_NULL(list[i].text);
            last = q.after = list[i].id;
        }
        event_rows_free(list, count);
    } while (count);
    CU_ASSERT_EQUAL(all, 10);
    q = (struct event_query){.job = "kit", .limit = 4, .state = EVENT_ASIDE};
    CU_ASSERT_EQUAL_FATAL(store_events(db, &q, &list, &count, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(count, 2);
    CU_ASSERT_STRING_EQUAL(list[0].event_id, "e3");
    event_rows_free(list, count);
    CU_ASSERT_EQUAL(store_event_counts(db, "kit", counts, NULL), 0);
    CU_ASSERT_EQUAL(counts[0], 1 + 2 + 1 + 2);
    CU_ASSERT_TRUE(counts[EVENT_WAITING] == 2 && counts[EVENT_HELD] == 2 && counts[EVENT_ASIDE] == 2 &&
                   counts[EVENT_EXPIRED] == 2);
    CU_ASSERT_EQUAL(store_event_counts(db, "another", counts, NULL), 0);
    CU_ASSERT_EQUAL(counts[0] + counts[EVENT_WAITING], 0);
    for (int i = 1; i < EVENT_STATES; i++)
        CU_ASSERT_EQUAL(event_state_of(event_state_name(i)), i);
    CU_ASSERT_TRUE(!event_state_of("") && !event_state_name(0) && !event_state_name(EVENT_STATES));
    db_close(db);
}

static void swept(void)
{
    struct db *db = events_begin();
    int64_t n = -1;
    for (int i = 0; i < 5; i++) {
        const char id[] = {(char)('a' + i), '\0'};
        CU_ASSERT_EQUAL(add(db, "k1", id), 0);
        kit_sql(db, "UPDATE {events} SET state = %d, finished_at = 100 WHERE event_id = '%s'", i < 3 ? 3 : i + 1,
                id);
    }
    kit_sql(db, "UPDATE {events} SET finished_at = 200 WHERE event_id = 'c'");
    CU_ASSERT_EQUAL(store_events_sweep(db, EVENT_SENT, 100, 9, &n, NULL), 0);
    CU_ASSERT_EQUAL(n, 0);
    CU_ASSERT_EQUAL(store_events_sweep(db, EVENT_SENT, 101, 1, &n, NULL), 0);
    CU_ASSERT_EQUAL(n, 1);
    CU_ASSERT_EQUAL(store_events_sweep(db, EVENT_SENT, 200, 9, &n, NULL), 0);
    CU_ASSERT_EQUAL(n, 1);
    CU_ASSERT_EQUAL(store_events_sweep(db, EVENT_ASIDE, 200, 9, &n, NULL), 0);
    CU_ASSERT_EQUAL(n, 1);
    CU_ASSERT_TRUE(kit_is(db, "2", "SELECT count(*) FROM {events}"));
    CU_ASSERT_TRUE(kit_is(db, "2", "SELECT count(*) FROM {event_keys}"));
    CU_ASSERT_EQUAL(add(db, "k1", "a"), 0);
    CU_ASSERT_EQUAL(add(db, "k1", "c"), 1);
    CU_ASSERT_TRUE(kit_is(db, "6", "SELECT max(id) FROM {events}")); /* ids never come again */
    db_close(db);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"taken in as they came", taken_in},
        {"all or none", refused_whole},
        {"one that comes again is known", known_again},
        {"no more than may wait", depth},
        {"whose are due", whose_are_due},
        {"one holder, until its lease ends by the database's clock", one_holder},
        {"what becomes of them", settling},
        {"too old ones are given up", too_old},
        {"held and let go with their destination", moving},
        {"by hand", by_hand},
        {"listed and counted", listed_and_counted},
        {"swept with their keys", swept},
        {NULL, NULL},
    };
    return run_tests(kit_suite("store events"), tests);
}
