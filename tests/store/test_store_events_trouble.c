/* SPDX-License-Identifier: MIT
 * Events in the store when things go wrong: hosts that do the same at the same moment, processes and connections that
 * end with events in their hands, a disk that is full.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "tests/store/events_kit.h"

enum { HOSTS = 4, TURNS = 40, SAME = 25 };

struct host {
    pthread_t thread;
    int number, result;
    size_t fresh, again;
    int64_t ids[TURNS * SAME];
};

/* Each host hands in the same batches, in an order of its own. */
static void *handing_in(void *arg)
{
    struct host *h = arg;
    struct db *db = kit_open();
    for (int turn = 0; turn < TURNS; turn++) {
        struct new_event n[SAME];
        char ids[SAME][24];
        for (int i = 0; i < SAME; i++) {
            int k = h->number % 2 ? SAME - 1 - i : i;
            snprintf(ids[i], sizeof(ids[i]), "%d-%d", turn, k);
            n[i] = event("k1", ids[i]);
        }
        struct error e = {""};
        int r;
        while ((r = store_events_add(db, "kit", source, n, SAME, 0, NOW, &e)) == -EBUSY)
            ;
        if (r < 0) {
            printf("# %s\n", e.text);
            h->result = r;
            break;
        }
        for (int i = 0; i < SAME; i++) {
            h->fresh += !n[i].duplicate;
            h->again += n[i].duplicate;
            h->ids[turn * SAME + (h->number % 2 ? SAME - 1 - i : i)] = n[i].id;
        }
    }
    db_close(db);
    return NULL;
}

static void handed_to_hosts_at_once(void)
{
    struct db *db = events_begin();
    struct host *hosts = xcalloc(HOSTS, sizeof(*hosts));
    size_t fresh = 0, again = 0;
    for (int i = 0; i < HOSTS; i++) {
        hosts[i].number = i;
        pthread_create(&hosts[i].thread, NULL, handing_in, &hosts[i]);
    }
    for (int i = 0; i < HOSTS; i++) {
        pthread_join(hosts[i].thread, NULL);
        CU_ASSERT_EQUAL(hosts[i].result, 0);
        CU_ASSERT_FALSE(memcmp(hosts[i].ids, hosts[0].ids, sizeof(hosts[i].ids)) != 0);
        fresh += hosts[i].fresh;
        again += hosts[i].again;
    }
    CU_ASSERT_EQUAL(fresh, TURNS * SAME);
    CU_ASSERT_EQUAL(again, (HOSTS - 1) * TURNS * SAME);
    CU_ASSERT_TRUE(kit_is(db, "1000", "SELECT count(*) FROM {events}"));
    CU_ASSERT_TRUE(kit_is(db, "1000", "SELECT count(DISTINCT event) FROM {event_keys}"));
    free(hosts);
    db_close(db);
}

/* Each host claims until nothing is left; ids[i] counts how often event i was handed out. */
struct claimer {
    pthread_t thread;
    int result, given[ALL + 1];
};

static void *claiming(void *arg)
{
    struct claimer *c = arg;
    struct db *db = kit_open();
    struct event_claim q = claim_of("i", NOW);
    q.limit = 10;
    for (int idle = 0; idle < 3 && c->result == 0;) {
        struct event_row *list = NULL;
        size_t count = 0;
        int64_t expired;
        int r = store_events_claim(db, &q, &list, &count, &expired, NULL);
        idle = r == 0 && !count ? idle + 1 : 0;
        c->result = r == -EBUSY ? 0 : r;
        for (size_t i = 0; i < count; i++)
            c->given[list[i].id]++;
        event_rows_free(list, count);
    }
    db_close(db);
    return NULL;
}

static void claimed_by_hosts_at_once(void)
{
    struct db *db = events_begin();
    struct claimer *hosts = xcalloc(HOSTS, sizeof(*hosts));
    kit_sql(db, "%s",
            kit_postgresql()
                ? "INSERT INTO {events} (job, rkey, event_id, text, state, created_at, due_at) SELECT 'kit',"
                  " 'k1', 'e' || n, '{}', 1, 5, n FROM generate_series(1, 1000) n"
                : "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 1000)"
                  " INSERT INTO {events} (job, rkey, event_id, text, state, created_at, due_at)"
                  " SELECT 'kit', 'k1', 'e' || n, '{}', 1, 5, n FROM s");
    for (int i = 0; i < HOSTS; i++)
        pthread_create(&hosts[i].thread, NULL, claiming, &hosts[i]);
    for (int i = 0; i < HOSTS; i++) {
        pthread_join(hosts[i].thread, NULL);
        CU_ASSERT_EQUAL(hosts[i].result, 0);
    }
    int wrong = 0;
    for (int id = 1; id <= ALL; id++) {
        int sum = 0;
        for (int i = 0; i < HOSTS; i++)
            sum += hosts[i].given[id];
        wrong += sum != 1;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_TRUE(kit_is(db, "1000", "SELECT sum(sends) FROM {events}"));
    free(hosts);
    db_close(db);
}

/* From now on the disk is full, or has room again. */
static void disk_full(struct db *db, bool full)
{
    static const char *const tables[] = {"events", "event_keys"};
    if (!kit_postgresql()) {
        cleanup(free_p) char *pages = kit_value(db, "PRAGMA page_count");
        kit_sql(db, "PRAGMA max_page_count = %s", full ? pages : "1000000");
        return;
    }
    kit_sql(db, "CREATE OR REPLACE FUNCTION renewd.full() RETURNS trigger LANGUAGE plpgsql AS"
                " 'BEGIN RAISE EXCEPTION USING ERRCODE = ''53100''; END'");
    for (int i = 0; i < 2; i++)
        kit_sql(db,
                full ? "CREATE TRIGGER full_disk AFTER INSERT OR UPDATE ON renewd.%s EXECUTE FUNCTION renewd.full()"
                     : "DROP TRIGGER full_disk ON renewd.%s",
                tables[i]);
}

static void on_a_full_disk(void)
{
    static char text[300000];
    struct db *db = events_begin();
    struct new_event n[2] = {event("k1", "a"), event("k1", "b")};
    struct event_claim q = claim_of("i", NOW);
    memset(text, ' ', sizeof(text));
    n[1].text = text; /* more than the pages of SQLite hold */
    n[1].len = sizeof(text);
    disk_full(db, true);
    CU_ASSERT_EQUAL(add_at(db, n, 2, 0, NOW), -ENOSPC);
    CU_ASSERT_TRUE(kit_is(db, "0", "SELECT count(*) FROM {events}"));
    CU_ASSERT_TRUE(kit_is(db, "0", "SELECT count(*) FROM {event_keys}"));
    disk_full(db, false);
    CU_ASSERT_EQUAL(add_at(db, n, 2, 0, NOW), 0);
    CU_ASSERT_TRUE(!n[0].duplicate && !n[1].duplicate);
    if (kit_postgresql()) { /* SQLite writes over what is there */
        disk_full(db, true);
        cleanup(free_p) char *refused = claim(db, &q, NULL);
        CU_ASSERT_PTR_NOT_NULL(strstr(refused, "53100"));
        disk_full(db, false);
    }
    CU_ASSERT_TRUE(gives(db, &q, "a/0 b/0"));
    db_close(db);
}

/* Between claim and settle; PostgreSQL alone has a connection to lose. */
static void a_lost_connection(void)
{
    if (!kit_postgresql())
        return;
    struct db *db = events_begin(), *lost = kit_open();
    struct event_claim q = claim_of("i", NOW), next = claim_of("next", NOW);
    int64_t released = 0;
    CU_ASSERT_EQUAL(add(db, "k1", "a"), 0);
    CU_ASSERT_TRUE(gives(lost, &q, "a/0"));
    kit_sql(db, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND usename = current_user");
    CU_ASSERT_EQUAL(settle_all(lost, "i", (struct event_settle){.state = EVENT_SENT}), -ENOTCONN);
    CU_ASSERT_FALSE(db_alive(lost));
    CU_ASSERT_TRUE(gives(db, &next, ""));
    /* the same process may say so on another connection, while nobody else took it */
    CU_ASSERT_EQUAL(settle_all(db, "i", (struct event_settle){.state = EVENT_WAITING, .due_at = NOW}), 0);
    CU_ASSERT_TRUE(gives(db, &next, "a/1"));
    CU_ASSERT_EQUAL(settle_all(db, "i", (struct event_settle){.state = EVENT_SENT}), 0);
    CU_ASSERT_TRUE(kit_is(db, "1", "SELECT state FROM {events}"));
    CU_ASSERT_EQUAL(store_events_release(db, "h", "next", &released, NULL), 0);
    CU_ASSERT_EQUAL(released, 1);
    db_close(lost);
    db_close(db);
}

/* A process dies between its claim and what became of it: its connection is cut, as by a kill. */
static void a_dead_process(void)
{
    struct db *db = events_begin(), *dead = kit_open();
    struct event_claim q = claim_of("dead", NOW), next = claim_of("next", NOW);
    int64_t released = -1;
    CU_ASSERT_EQUAL(add(db, "k1", "a"), 0);
    CU_ASSERT_EQUAL(add(db, "k1", "b"), 0);
    kit_sql(db, "UPDATE {events} SET state = 2, due_at = 999990 WHERE event_id = 'b'");
    CU_ASSERT_TRUE(gives(dead, &q, "b/0 a/0"));
    db_close(dead);
    CU_ASSERT_TRUE(gives(db, &next, ""));
    CU_ASSERT_EQUAL(store_events_release(db, "h", "another", &released, NULL), 0);
    CU_ASSERT_EQUAL(released, 0);
    CU_ASSERT_EQUAL(store_events_release(db, "h2", "dead", &released, NULL), 0);
    CU_ASSERT_EQUAL(released, 0);
    CU_ASSERT_EQUAL(store_events_release(db, "h", "dead", &released, NULL), 0);
    CU_ASSERT_EQUAL(released, 2);
    CU_ASSERT_TRUE(gives(db, &next, "a/1 b/1")); /* the sending that nobody knows of is counted */
    db_close(db);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"the same events handed to four hosts at once", handed_to_hosts_at_once},
        {"a process that died with them", a_dead_process},
        {"claimed by four hosts at once, each once", claimed_by_hosts_at_once},
        {"on a full disk nothing is half there", on_a_full_disk},
        {"a connection that is lost between claim and settle", a_lost_connection},
        {NULL, NULL},
    };
    return run_tests(kit_suite("events in trouble"), tests);
}
