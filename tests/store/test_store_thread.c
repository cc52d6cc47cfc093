/* SPDX-License-Identifier: MIT
 * The store thread: order, batches, away and back, and stopping.
 */
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/loop/loop.h"
#include "core/store/thread.h"
#include "tests/store/commits.h"

enum { PATIENCE_MS = 30000, TURN_MS = 50, WORKS = 200 };

static struct loop *loop;
static struct store_thread *st;
static int ups, downs;
static char down_why[512];
static bool stopped;
static int order[WORKS + 1], done_count, results[WORKS + 1];

static void on_up(void *ctx)
{
    (void)ctx;
    ups++;
}

static void on_down(void *ctx, const char *why)
{
    (void)ctx;
    downs++;
    snprintf(down_why, sizeof(down_why), "%s", why);
}

static void on_stopped(void *ctx)
{
    (void)ctx;
    stopped = true;
}

/* Turns the loop until *what reaches `value`; false when that takes too long. */
static bool turn_until(const int *what, int value)
{
    int64_t end = clock_boot_ms() + PATIENCE_MS;

    while (*what < value && clock_boot_ms() < end)
        loop_turn(loop, TURN_MS);
    return *what >= value;
}

static void start_with(const struct store_options *o)
{
    const struct store_events events = {.up = on_up, .down = on_down};
    struct error e = {{0}};

    ups = downs = done_count = 0;
    stopped = false;
    loop = loop_new();
    CU_ASSERT_EQUAL_FATAL(store_thread_start(loop, o, &events, &st, &e), 0);
}

static void start(void)
{
    struct store_options o = kit_options();

    start_with(&o);
    CU_ASSERT_TRUE_FATAL(turn_until(&ups, 1));
}

static void stop(void)
{
    int64_t end = clock_boot_ms() + PATIENCE_MS;

    store_thread_stop(st, on_stopped, NULL);
    while (!stopped && clock_boot_ms() < end)
        loop_turn(loop, TURN_MS);
    CU_ASSERT_TRUE(stopped);
    store_thread_free(st);
    loop_free(loop);
}

static int work_order(struct db *db, void *arg, struct error *e)
{
    (void)arg;
    return db_run(db, "SELECT 1", NULL, 0, NULL, e);
}

static void work_done(void *arg, int result, const struct error *e)
{
    (void)e;
    results[done_count] = result;
    order[done_count++] = *(int *)arg;
}

static void commit_arrived(void *arg, struct commit *c, int result, const struct error *e)
{
    (void)c;
    work_done(arg, result, e);
}

static int numbers[WORKS + 1];

static void in_order(void)
{
    struct db *db = kit_fresh();

    db_close(db);
    start();
    for (int i = 0; i < WORKS; i++) {
        numbers[i] = i;
        store_submit(st, work_order, &numbers[i], work_done);
    }
    CU_ASSERT_EQUAL(done_count, 0); /* never from within */
    CU_ASSERT_TRUE(turn_until(&done_count, WORKS));
    for (int i = 0; i < WORKS; i++)
        CU_ASSERT_TRUE(order[i] == i && results[i] == 0);
    stop();
}

static int together, runs;

static int work_together(struct db *db, void *const *args, size_t count, struct error *e)
{
    for (size_t i = 1; i < count; i++)
        CU_ASSERT_EQUAL(*(int *)args[i], *(int *)args[i - 1] + 1);
    together = (int)count > together ? (int)count : together;
    runs++;
    return db_run(db, "SELECT 1", NULL, 0, NULL, e);
}

static sem_t all_are_there;

static int work_wait(struct db *db, void *arg, struct error *e)
{
    while (sem_wait(&all_are_there) < 0)
        continue;
    return work_order(db, arg, e);
}

/* Work of one kind goes together; other work between keeps its place. */
static void work_of_one_kind(void)
{
    struct db *db = kit_fresh();

    db_close(db);
    start();
    together = runs = 0;
    sem_init(&all_are_there, 0, 0);
    for (int i = 0; i < WORKS; i++) {
        numbers[i] = i;
        if (i == 0 || i == WORKS / 2)
            store_submit(st, i ? work_order : work_wait, &numbers[i], work_done);
        else
            store_submit_many(st, work_together, &numbers[i], work_done);
    }
    sem_post(&all_are_there);
    CU_ASSERT_TRUE(turn_until(&done_count, WORKS));
    for (int i = 0; i < WORKS; i++)
        CU_ASSERT_TRUE(order[i] == i && results[i] == 0);
    CU_ASSERT_EQUAL(runs, 2);
    CU_ASSERT_EQUAL(together, WORKS / 2 - 1);
    sem_destroy(&all_are_there);
    stop();
}

/* Commits of one moment go together; work between them keeps its place. */
static void batches(void)
{
    struct db *db = kit_fresh();
    struct commit *list[WORKS];
    char id[24], attempt[24];

    kit_accounts(db, "acc", "text", kit_postgresql() ? "timestamptz" : "integer");
    struct table *t = kit_table(db, "acc", "auto", NULL);
    for (int i = 0; i < WORKS; i++) {
        snprintf(id, sizeof(id), "%03d", i);
        snprintf(attempt, sizeof(attempt), "a%d", i);
        account_put(db, "acc", id, "NULL");
        list[i] = commit_of(db, t, id, attempt);
        commit_new_pair(list[i], 1795269600);
        numbers[i] = i;
    }
    start();
    for (int i = 0; i < WORKS; i++) {
        if (i == WORKS / 2)
            store_submit(st, work_order, &numbers[i], work_done);
        else
            store_submit_commit(st, list[i], commit_arrived, &numbers[i]);
    }
    CU_ASSERT_TRUE(turn_until(&done_count, WORKS));
    for (int i = 0; i < WORKS; i++) {
        CU_ASSERT_TRUE(order[i] == i && results[i] == 0);
        CU_ASSERT_EQUAL(list[i]->result, i == WORKS / 2 ? COMMIT_WAITING : COMMIT_DONE);
    }
    if (kit_postgresql()) { /* rows of one transaction have one xmin */
        char *transactions = kit_value(db, "SELECT count(DISTINCT xmin::text) FROM acc");
        printf("# %d commits in %s transactions\n", WORKS - 1, transactions);
        CU_ASSERT_TRUE(atoi(transactions) < WORKS / 4);
        free(transactions);
    }
    stop();
    for (int i = 0; i < WORKS; i++)
        commit_free(list[i]);
    table_free(t);
    db_close(db);
}

static int work_break(struct db *db, void *arg, struct error *e)
{
    (void)arg;
    if (kit_postgresql())
        return db_run(db, "SELECT pg_terminate_backend(pg_backend_pid())", NULL, 0, NULL, e);
    db->away = true;
    return error_set(e, -ENOTCONN, "gone");
}

static void away_and_back(void)
{
    struct db *db = kit_fresh();

    db_close(db);
    start();
    for (int i = 0; i < 3; i++)
        numbers[i] = i;
    store_submit(st, work_break, &numbers[0], work_done);
    CU_ASSERT_TRUE(turn_until(&downs, 1));
    CU_ASSERT_TRUE(turn_until(&done_count, 1));
    CU_ASSERT_EQUAL(results[0], -ENOTCONN);
    CU_ASSERT_TRUE(down_why[0] != 0);
    printf("# down: %s\n", down_why);
    store_submit(st, work_order, &numbers[1], work_done); /* away: at once, unless it is back by now */
    CU_ASSERT_TRUE(turn_until(&done_count, 2));
    CU_ASSERT_TRUE(turn_until(&ups, 2));
    store_submit(st, work_order, &numbers[2], work_done);
    CU_ASSERT_TRUE(turn_until(&done_count, 3));
    CU_ASSERT_EQUAL(results[2], 0);
    CU_ASSERT_EQUAL(downs, 1);
    stop();
}

/* Nothing answers: told once, work is refused at once, stopping does not wait. */
static void never_there(void)
{
    struct store_options o = kit_options();
    struct secret *dsn = secret_from_text("host=127.0.0.1 port=1 user=u dbname=d password=secret-word");

    o.path = "/nowhere/at/all/renewd.db";
    o.dsn = dsn;
    start_with(&o);
    CU_ASSERT_TRUE(turn_until(&downs, 1));
    printf("# down: %s\n", down_why);
    CU_ASSERT_PTR_NULL(strstr(down_why, "secret-word"));
    numbers[0] = 0;
    store_submit(st, work_order, &numbers[0], work_done);
    CU_ASSERT_TRUE(turn_until(&done_count, 1));
    CU_ASSERT_EQUAL(results[0], -ENOTCONN);
    CU_ASSERT_EQUAL(ups, 0);
    CU_ASSERT_EQUAL(downs, 1);
    stop();
    secret_free(dsn);
}

/* What cannot heal by itself is told like the rest. */
static void newer_database(void)
{
    struct db *db = kit_fresh();
    struct store_options o = kit_options();

    kit_sql(db, "INSERT INTO {migrations} (version, applied_at) VALUES (9999, 0)");
    start_with(&o);
    CU_ASSERT_TRUE(turn_until(&downs, 1));
    CU_ASSERT_PTR_NOT_NULL(strstr(down_why, "9999"));
    kit_sql(db, "DELETE FROM {migrations} WHERE version = 9999");
    CU_ASSERT_TRUE(turn_until(&ups, 1));
    stop();
    db_close(db);
}

static void stop_drains(void)
{
    struct db *db = kit_fresh();

    db_close(db);
    start();
    for (int i = 0; i < WORKS; i++) {
        numbers[i] = i;
        store_submit(st, work_order, &numbers[i], work_done);
    }
    stop();
    CU_ASSERT_EQUAL(done_count, WORKS);
    for (int i = 0; i < WORKS; i++)
        CU_ASSERT_EQUAL(results[i], 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"work in order", in_order},      {"work of one kind together", work_of_one_kind},
        {"commits in batches", batches},  {"away and back", away_and_back},
        {"never there", never_there},     {"a database that is newer", newer_database},
        {"stopping drains", stop_drains}, {NULL, NULL},
    };

    return run_tests(kit_suite("store_thread"), tests);
}
