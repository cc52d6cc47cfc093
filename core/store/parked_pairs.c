/* SPDX-License-Identifier: MIT
 * Parked pairs: those that a row did not take, stored sealed as "pending" or "orphan"; and the newest pair that
 * replaced a spent credential. The caller has sealed the contents.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/db/parameters.h"
#include "core/store/commit_internal.h"
#include "core/store/parked.h"

enum { REPEATS = 5 };

static int parked_pair_put(struct db *db, const struct kept *k, struct error *e)
{
    cleanup(args_done) struct args a = {0};

    args_text(&a, k->attempt_id);
    args_text(&a, k->kind);
    args_text(&a, k->source);
    args_text(&a, k->key);
    args_text(&a, k->job);
    args_text(&a, k->sealed);
    args_text(&a, k->why);
    args_number(&a, k->created_at);
    args_number(&a, k->retry_at);
    return db_exec(db,
                   "INSERT INTO {kept} (attempt_id, kind, source, rkey, job, sealed, why, created_at,"
                   " retry_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
                   " ON CONFLICT (attempt_id) DO UPDATE SET kind = excluded.kind,"
                   " sealed = excluded.sealed, why = excluded.why, retry_at = excluded.retry_at",
                   a.params, a.count, NULL, e);
}

int commit_answer(struct db *db, const struct commit *c, struct error *e)
{
    struct kept k = {.kind = (char *)(uintptr_t) "answer",
                     .source = c->after.source,
                     .key = c->after.key,
                     .job = c->after.job,
                     .sealed = c->answer,
                     .why = c->text,
                     .created_at = c->finished_at};

    snprintf(k.attempt_id, sizeof(k.attempt_id), "%s", c->attempt_id);
    return c->answer ? parked_pair_put(db, &k, e) : 0;
}

/* Not due until the row takes its pair; until then its record tells why. */
static int record_pending(struct db *db, const struct kept *k, struct error *e)
{
    cleanup(args_done) struct args a = {0};

    args_text(&a, k->source);
    args_text(&a, k->key);
    args_number(&a, STATE_PENDING);
    args_number(&a, OUTCOME_TRANSIENT);
    args_text(&a, k->code);
    args_text(&a, k->why);
    args_number(&a, k->created_at);
    return db_exec(db,
                   "UPDATE {records} SET state = $3, due_at = 0, point = 0, last_outcome = $4,"
                   " last_code = $5, last_text = $6, last_at = $7"
                   " WHERE source = $1 AND rkey = $2",
                   a.params, a.count, NULL, e);
}

/* An attempt that is parked again has its row already. */
static int history_once(struct db *db, const struct kept *k, const struct commit *c, struct error *e)
{
    const char *texts[] = {c->attempt_id};
    cleanup(db_result_free_p) struct db_result *found = NULL;
    int r = db_run(db, "SELECT 1 FROM {attempts} WHERE attempt_id = $1", texts, 1, &found, e);

    if (r < 0 || db_rows(found) > 0)
        return r;
    struct commit aside = *c; /* its row does not hold what the provider has given */
    char code[] = "set_aside";
    char *text = xasprintf("the new token was parked: %s; renewctl parked shows it", k->why);
    aside.outcome = OUTCOME_TRANSIENT;
    aside.code = code;
    aside.text = text;
    const struct commit *list[] = {&aside};
    r = commit_history(db, list, 1, e);
    free(text);
    return r;
}

static int park(struct db *db, const struct kept *k, const struct commit *c, struct error *e)
{
    bool pending = !strcmp(k->kind, "pending");
    int r = parked_pair_put(db, k, e);

    if (r == 0 && pending)
        r = record_pending(db, k, e);
    if (r == 0)
        r = commit_credentials(db, &c, 1, pending, e);
    if (r == 0 && !pending)
        r = history_once(db, k, c, e);
    return r;
}

int store_park(struct db *db, const struct kept *k, const struct commit *c, struct error *e)
{
    int r = 0;

    for (int i = 0; i < REPEATS; i++) {
        r = db_begin(db, e);
        if (r == 0)
            r = park(db, k, c, e);
        if (r == 0)
            r = db_commit(db, e);
        db_rollback(db);
        if (r != -EDEADLK)
            break;
    }
    return r;
}

int store_parked_pair(struct db *db, const char *kind, int64_t retry_before, size_t limit, struct kept **ret,
                      size_t *ret_count, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *found = NULL;

    args_text(&a, kind);
    args_number(&a, retry_before);
    args_number(&a, (int64_t)limit);
    int r = db_exec(db,
                    "SELECT " KEPT_COLUMNS " FROM {kept} k WHERE kind = $1 AND retry_at <= $2"
                    " ORDER BY retry_at, attempt_id LIMIT $3",
                    a.params, a.count, &found, e);
    if (r < 0)
        return r;
    *ret_count = db_rows(found);
    *ret = xcalloc(*ret_count + 1, sizeof(**ret));
    for (size_t i = 0; i < *ret_count; i++)
        kept_from_result(found, i, &(*ret)[i]);
    return 0;
}

int store_parked_later(struct db *db, const char *attempt_id, int64_t retry_at, struct error *e)
{
    cleanup(args_done) struct args a = {0};

    args_text(&a, attempt_id);
    args_number(&a, retry_at);
    return db_exec(db, "UPDATE {kept} SET retry_at = $2 WHERE attempt_id = $1", a.params, a.count, NULL, e);
}

int store_parked_count(struct db *db, int64_t before, struct parked_counts *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *gone = NULL, *left = NULL;

    args_number(&a, before);
    int r = db_exec(db, "DELETE FROM {kept} WHERE kind IN ('orphan', 'answer') AND created_at < $1", a.params,
                    a.count, &gone, e);
    if (r == 0)
        r = db_run(db,
                   "SELECT coalesce(sum(CASE WHEN kind = 'pending' THEN 1 ELSE 0 END), 0),"
                   " coalesce(sum(CASE WHEN kind = 'orphan' THEN 1 ELSE 0 END), 0),"
                   " coalesce(sum(CASE WHEN kind = 'answer' THEN 1 ELSE 0 END), 0) FROM {kept}",
                   NULL, 0, &left, e);
    if (r < 0)
        return r;
    *ret = (struct parked_counts){.pending = db_integer(left, 0, 0),
                                  .orphans = db_integer(left, 0, 1),
                                  .answers = db_integer(left, 0, 2),
                                  .removed = db_affected(gone)};
    return 0;
}

int store_parked_drop(struct db *db, const char *attempt_id, struct error *e)
{
    return db_run(db, "DELETE FROM {kept} WHERE attempt_id = $1 AND kind <> 'answer'", &attempt_id, 1, NULL, e);
}

/* One statement for a chain of any length; each step is one look along the index, and a ring ends by itself. */
int store_successor(struct db *db, const char *fingerprint, char ret_newest[FINGERPRINT_SIZE], char **ret_sealed,
                    struct error *e)
{
    const char *texts[] = {fingerprint};
    cleanup(db_result_free_p) struct db_result *found = NULL;
    int r = db_run(
        db,
        "WITH RECURSIVE chain (fingerprint, successor) AS ("
        " SELECT fingerprint, successor FROM {credentials} WHERE fingerprint = $1"
        " UNION SELECT chain.successor, (SELECT c.successor FROM {credentials} c"
        "  WHERE c.fingerprint = chain.successor) FROM chain WHERE chain.successor IS NOT NULL)"
        " SELECT c.fingerprint, c.sealed FROM chain JOIN {credentials} c ON c.fingerprint = chain.fingerprint"
        " WHERE chain.successor IS NULL AND c.fingerprint <> $1 AND c.sealed IS NOT NULL",
        texts, 1, &found, e);

    if (r < 0)
        return r;
    if (db_rows(found) == 0)
        return error_set(e, -ENOENT, "no newer credential is known");
    snprintf(ret_newest, FINGERPRINT_SIZE, "%s", db_text(found, 0, 0));
    *ret_sealed = db_copy(found, 0, 1);
    return 0;
}
