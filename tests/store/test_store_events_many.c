/* SPDX-License-Identifier: MIT
 * A hundred thousand events that wait: no question of the store reads them all. What a statement reads is taken
 * from the driver's own counts, not from how long it takes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "core/base/cleanup.h"
#include "core/store/events/events.h"
#include "tests/store/kit.h"

enum { NOW = 1000000, MANY = 100000, BATCH = 1000, FEW = 20, LOOKED_AT = 2000 };

static const char source[] = "public.t/refresh_token";

struct scene {
    struct db *db;
    int64_t scanned, steps; /* SQLite: rows that statements went over without an index, and their steps in all */
    int64_t read;           /* PostgreSQL: rows read so far, with and without an index */
};

static int on_profile(unsigned kind, void *ctx, void *statement, void *took)
{
    struct scene *s = ctx;
    (void)kind;
    (void)took;
    /* A statement is kept and runs again: each time its counts begin anew. */
    s->scanned += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1);
    s->steps += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 1);
    return 0;
}

static int64_t number(struct db *db, const char *sql)
{
    cleanup(free_p) char *text = kit_value(db, "%s", sql);
    return text ? strtoll(text, NULL, 10) : 0;
}

/* Rows of the events and their keys that this cluster has read by now. Before PostgreSQL 15 a connection tells
 * others of its counts when it likes: then this is no test. */
static int64_t rows_read(struct db *db)
{
    if (number(db, "SHOW server_version_num") < 150000)
        return 0;
    kit_sql(db, "SELECT pg_stat_force_next_flush()");
    return number(db, "SELECT (SELECT sum(seq_tup_read) FROM pg_stat_all_tables WHERE relname IN"
                      " ('events', 'event_keys')) + (SELECT sum(idx_tup_read) FROM pg_stat_all_indexes"
                      " WHERE relname IN ('events', 'event_keys'))");
}

static void counting_begins(struct scene *s)
{
    s->steps = s->scanned = 0;
    if (kit_postgresql())
        s->read = rows_read(s->db);
}

/* Since then: at most so many rows. SQLite counts steps, of which a row takes some dozens. */
static bool read_at_most(struct scene *s, int64_t rows, const char *what)
{
    if (kit_postgresql()) {
        int64_t read = rows_read(s->db) - s->read;
        printf("# %s: %lld rows\n", what, (long long)read);
        return read <= rows;
    }
    printf("# %s: %lld steps, %lld rows without an index\n", what, (long long)s->steps, (long long)s->scanned);
    return s->steps <= rows * 100 && s->scanned <= rows;
}

static void put_many(struct db *db, const char *key, int count, int state, int due_at)
{
    kit_sql(db,
            kit_postgresql()
                ? "INSERT INTO {events} (job, rkey, event_id, text, state, created_at, due_at) SELECT 'kit', '%s',"
                  " '%s' || n, '{}', %d, 5, %d + n FROM generate_series(1, %d) n"
                : "INSERT INTO {events} (job, rkey, event_id, text, state, created_at, due_at)"
                  " SELECT 'kit', '%s', '%s' || n, '{}', %d, 5, %d + n FROM (WITH RECURSIVE s(n) AS (SELECT 1"
                  " UNION ALL SELECT n + 1 FROM s WHERE n < %d) SELECT n FROM s)",
            key, key, state, due_at, count);
}

static void begin(struct scene *s)
{
    *s = (struct scene){.db = kit_fresh()};
    kit_sql(s->db, "INSERT INTO {records} (source, rkey, job, state) VALUES ('%s', 'busy', 'kit', 1)", source);
    put_many(s->db, "sent", MANY, 3, 800000);
    put_many(s->db, "busy", MANY, 1, 800000);
    put_many(s->db, "quiet", FEW, 1, 999900);
    if (kit_postgresql())
        kit_sql(s->db, "ANALYZE {events}");
    else
        sqlite3_trace_v2(s->db->connection, SQLITE_TRACE_PROFILE, on_profile, s);
}

static int64_t claim(struct scene *s, const char *key, int64_t now)
{
    const struct event_claim q = {.job = "kit",
                                  .host = "h",
                                  .incarnation = "i",
                                  .keys = &key,
                                  .key_count = 1,
                                  .limit = BATCH,
                                  .now = now,
                                  .lease_s = 300};
    struct event_row *list = NULL;
    size_t count = 0;
    int64_t expired = 0;
    CU_ASSERT_EQUAL(store_events_claim(s->db, &q, &list, &count, &expired, NULL), 0);
    event_rows_free(list, count);
    return (int64_t)count;
}

static void looking(void)
{
    struct scene s;
    char **found = NULL;
    size_t count = 0;
    int64_t next = -1;
    begin(&s);
    counting_begins(&s);
    CU_ASSERT_EQUAL(store_events_due(s.db, "kit", NOW, 9, &found, &count, &next, NULL), 0);
    CU_ASSERT_TRUE(read_at_most(&s, LOOKED_AT + 1000, "whose are due"));
    CU_ASSERT_EQUAL_FATAL(count, 2); /* the quiet one stands behind 100,000 */
    CU_ASSERT_STRING_EQUAL(found[0], "busy");
    CU_ASSERT_STRING_EQUAL(found[1], "quiet");
    CU_ASSERT_EQUAL(next, 0);
    for (size_t i = 0; i < count; i++)
        free(found[i]);
    free(found);
    counting_begins(&s);
    CU_ASSERT_EQUAL(store_events_due(s.db, "kit", 5, 9, &found, &count, &next, NULL), 0);
    CU_ASSERT_TRUE(read_at_most(&s, 100, "nothing is due"));
    CU_ASSERT_EQUAL(count, 0);
    CU_ASSERT_EQUAL(next, 800001);
    free(found);
    db_close(s.db);
}

static void claiming(void)
{
    struct scene s;
    begin(&s);
    for (int i = 0; i < 3; i++) {
        counting_begins(&s);
        CU_ASSERT_EQUAL(claim(&s, "busy", NOW), BATCH);
        CU_ASSERT_TRUE(read_at_most(&s, 5 * BATCH, "a batch is claimed"));
    }
    counting_begins(&s);
    CU_ASSERT_EQUAL(claim(&s, "quiet", NOW), FEW);
    CU_ASSERT_TRUE(read_at_most(&s, 1000, "the few behind many"));
    counting_begins(&s);
    CU_ASSERT_EQUAL(claim(&s, "busy", 5), 0);
    CU_ASSERT_TRUE(read_at_most(&s, 100, "nothing to claim"));
    int64_t ids[BATCH], released = 0, expired = 0;
    for (int i = 0; i < BATCH; i++)
        ids[i] = MANY + i + 1;
    const struct event_settle sent =
        {.host = "h", .incarnation = "i", .ids = ids, .count = BATCH, .state = EVENT_SENT, .now = NOW};
    counting_begins(&s);
    CU_ASSERT_EQUAL(store_events_settle(s.db, &sent, NULL), 0);
    CU_ASSERT_TRUE(read_at_most(&s, 5 * BATCH, "a batch is settled"));
    counting_begins(&s);
    CU_ASSERT_EQUAL(store_events_release(s.db, "h", "i", &released, NULL), 0);
    CU_ASSERT_EQUAL(released, 2 * BATCH + FEW);
    CU_ASSERT_TRUE(read_at_most(&s, 5 * BATCH, "leases are released"));
    kit_sql(s.db, "UPDATE {events} SET last_at = %d WHERE id > %d", 2 * NOW, MANY);
    kit_sql(s.db, "UPDATE {events} SET last_at = 7 WHERE rkey = 'quiet'");
    counting_begins(&s);
    CU_ASSERT_EQUAL(store_events_expire(s.db, "kit", NOW, BATCH, &expired, NULL), 0);
    CU_ASSERT_TRUE(read_at_most(&s, 1000, "few are too old"));
    CU_ASSERT_EQUAL(expired, FEW);
    db_close(s.db);
}

static void adding(void)
{
    struct scene s;
    char ids[BATCH][16];
    struct new_event n[BATCH];
    begin(&s);
    for (int i = 0; i < BATCH; i++) {
        snprintf(ids[i], sizeof(ids[i]), "n%d", i);
        n[i] = (struct new_event){.key = "busy", .event_id = ids[i], .text = "{}", .len = 2};
    }
    counting_begins(&s);
    CU_ASSERT_EQUAL(store_events_add(s.db, "kit", source, n, BATCH, 10 * MANY, NOW, NULL), 0);
    CU_ASSERT_TRUE(read_at_most(&s, 10 * BATCH, "a batch is added"));
    counting_begins(&s);
    CU_ASSERT_EQUAL(store_events_add(s.db, "kit", source, n, BATCH, 10, NOW, NULL), 0);
    CU_ASSERT_TRUE(n[BATCH - 1].duplicate);
    CU_ASSERT_TRUE(read_at_most(&s, 10 * BATCH, "a batch is known"));
    db_close(s.db);
}

static void listing(void)
{
    struct scene s;
    struct event_row *list = NULL;
    size_t count = 0;
    int64_t swept = 0;
    struct event_query q = {.job = "kit", .limit = 100};
    begin(&s);
    for (q.state = 0; q.state < EVENT_STATES; q.state++) {
        counting_begins(&s);
        CU_ASSERT_EQUAL(store_events(s.db, &q, &list, &count, NULL), 0);
        CU_ASSERT_TRUE(read_at_most(&s, 1000, "a page"));
        CU_ASSERT_EQUAL(count, q.state == 0 || q.state == EVENT_WAITING || q.state == EVENT_SENT ? 100 : 0);
        event_rows_free(list, count);
    }
    counting_begins(&s);
    CU_ASSERT_EQUAL(store_events_sweep(s.db, EVENT_SENT, 1, BATCH, &swept, NULL), 0);
    CU_ASSERT_TRUE(read_at_most(&s, 10 * BATCH, "a sweep"));
    CU_ASSERT_EQUAL(swept, BATCH);
    db_close(s.db);
}

/* All of them, in pieces: none takes longer than a statement may. */
static void all_at_once(void)
{
    struct scene s;
    const char *busy = "busy";
    int64_t n = 0, counts[EVENT_STATES];
    begin(&s);
    CU_ASSERT_EQUAL(store_events_move(s.db, "kit", &busy, 1,
                                      &(struct event_move){EVENT_HELD, 2 * NOW, "10", "no permission"}, NULL),
                    0);
    CU_ASSERT_EQUAL(store_event_counts(s.db, "kit", counts, NULL), 0);
    CU_ASSERT_EQUAL(counts[EVENT_HELD], MANY);
    CU_ASSERT_EQUAL(counts[EVENT_WAITING], FEW);
    CU_ASSERT_EQUAL(claim(&s, "busy", NOW), 0); /* PostgreSQL goes over what it has moved once */
    counting_begins(&s);
    CU_ASSERT_EQUAL(claim(&s, "busy", NOW), 0);
    CU_ASSERT_TRUE(read_at_most(&s, 1000, "all are held"));
    CU_ASSERT_EQUAL(store_events_retry(s.db, "kit", NULL, 0, NOW, &n, NULL), 0);
    CU_ASSERT_EQUAL(n, MANY);
    CU_ASSERT_EQUAL(claim(&s, "busy", NOW), BATCH);
    db_close(s.db);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"whose are due", looking},
        {"claimed, settled, released, given up", claiming},
        {"added, and known again", adding},
        {"a page of them, and a sweep", listing},
        {"all held, all tried again", all_at_once},
        {NULL, NULL},
    };
    return run_tests(kit_suite("many events"), tests);
}
