/* SPDX-License-Identifier: MIT
 * The part of a commit that is written to renewd's own tables: the record, its credential and the successor, the
 * history. Called inside the batch's transaction.
 */
#include "core/store/commit_internal.h"

#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/db/parameters.h"
#include "core/store/record_row.h"

/* A failure says nothing about a credential that has been replaced meanwhile. */
static int record_failed(struct db *db, const struct commit *c, const struct record *now, struct error *e)
{
    struct record_params p;
    const char *texts[RECORD_COLUMNS + 1];
    char generation[24];
    cleanup(buf_done) struct buf sql = {0};

    buf_init(&sql, 8192);
    buf_text(&sql, "UPDATE {records} SET ");
    record_assignments(NULL, &sql);
    buf_printf(&sql, " WHERE source = $1 AND rkey = $2 AND generation = $%d", RECORD_COLUMNS + 1);
    record_params(now, &p);
    memcpy(texts, p.texts, sizeof(p.texts));
    snprintf(generation, sizeof(generation), "%lld", (long long)c->before.generation);
    texts[RECORD_COLUMNS] = generation;
    return db_run(db, sql.data, texts, RECORD_COLUMNS + 1, NULL, e);
}

int commit_record(struct db *db, const struct commit_work *w, struct error *e)
{
    const struct commit *c = w->c;
    struct record now = c->after;

    if (w->hashed)
        memcpy(now.hash, w->hash, sizeof(now.hash));
    for (size_t i = 0; w->writes && now.wrote_status && i < c->write_count; i++)
        if (c->writes[i].column == c->table->status)
            now.wrote_status = w->writes[i].text;
    if (!c->replaces && c->outcome != OUTCOME_OK)
        return record_failed(db, c, &now, e);
    return record_upsert(db, &now, c->finished_at, e);
}

/* Spent: it has a successor from now on, and its pair is no longer the newest. */
static int old_spent(struct db *db, const struct commit *c, bool newest, struct error *e)
{
    cleanup(args_done) struct args a = {0};

    args_text(&a, c->before.fingerprint);
    args_text(&a, c->plugin);
    args_text(&a, c->after.fingerprint);
    args_number(&a, c->finished_at);
    args_text(&a, c->attempt_id);
    args_text(&a, newest ? "newest" : "late");
    return db_exec(db,
                   "INSERT INTO {credentials} AS c"
                   " (fingerprint, plugin, successor, dead, created_at, replaced_at)"
                   " VALUES ($1, $2, $3, 0, $4, $4)"
                   " ON CONFLICT (fingerprint) DO UPDATE SET successor = CASE"
                   " WHEN $6 = 'newest' THEN excluded.successor"
                   " ELSE coalesce(c.successor, excluded.successor) END,"
                   " sealed = NULL, replaced_at = excluded.replaced_at,"
                   " lease_host = CASE WHEN c.attempt_id = $5 THEN NULL ELSE c.lease_host END,"
                   " lease_incarnation ="
                   " CASE WHEN c.attempt_id = $5 THEN NULL ELSE c.lease_incarnation END,"
                   " lease_until = CASE WHEN c.attempt_id = $5 THEN NULL ELSE c.lease_until END,"
                   " attempt_id = CASE WHEN c.attempt_id = $5 THEN NULL ELSE c.attempt_id END",
                   a.params, a.count, NULL, e);
}

/* A credential that the provider has just given is neither spent nor dead, whatever it was before. */
static int new_known(struct db *db, const struct commit *c, struct error *e)
{
    cleanup(args_done) struct args a = {0};

    if (!c->after.fingerprint[0])
        return 0;
    args_text(&a, c->after.fingerprint);
    args_text(&a, c->plugin);
    args_text(&a, c->safe ? NULL : c->sealed_pair);
    args_number(&a, c->finished_at);
    return db_exec(db,
                   "INSERT INTO {credentials} AS c (fingerprint, plugin, dead, sealed, created_at)"
                   " VALUES ($1, $2, 0, $3, $4)"
                   " ON CONFLICT (fingerprint) DO UPDATE SET successor = NULL, dead = 0, unanswered = 0,"
                   " hold_until = 0,"
                   " sealed = coalesce(excluded.sealed, c.sealed), replaced_at = NULL",
                   a.params, a.count, NULL, e);
}

static int lease_clear(struct db *db, const struct commit *c, struct error *e)
{
    const char *texts[] = {c->before.fingerprint, c->attempt_id};

    return db_run(db,
                  "UPDATE {credentials} SET lease_host = NULL, lease_incarnation = NULL,"
                  " lease_until = NULL, attempt_id = NULL WHERE fingerprint = $1 AND attempt_id = $2",
                  texts, 2, NULL, e);
}

/* Presented without an answer: it is not presented again before its time, by any record that holds it. */
static int credential_silent(struct db *db, const struct commit *c, struct error *e)
{
    cleanup(args_done) struct args a = {0};

    args_text(&a, c->before.fingerprint);
    args_number(&a, c->after.not_before);
    return db_exec(db,
                   "UPDATE {credentials} SET unanswered = unanswered + 1, hold_until = $2"
                   " WHERE fingerprint = $1",
                   a.params, a.count, NULL, e);
}

static int credentials_replaced(struct db *db, const struct commit *c, bool newest, struct error *e)
{
    const char *forget[] = {c->before.fingerprint, c->attempt_id};
    int r = 0;

    if (!strcmp(c->before.fingerprint, c->after.fingerprint)) {
        r = new_known(db, c, e);
        return r < 0 ? r : lease_clear(db, c, e);
    }
    if (c->before.fingerprint[0] && c->safe)
        r = db_run(db,
                   "DELETE FROM {credentials} WHERE fingerprint = $1"
                   " AND (attempt_id IS NULL OR attempt_id = $2)",
                   forget, 2, NULL, e);
    else if (c->before.fingerprint[0])
        r = old_spent(db, c, newest, e);
    return r < 0 ? r : new_known(db, c, e);
}

int commit_credentials(struct db *db, const struct commit *c, bool newest, struct error *e)
{
    const char *old[] = {c->before.fingerprint};
    bool same = !strcmp(c->before.fingerprint, c->after.fingerprint);
    int r = 0;

    if (c->replaces && !(same && c->outcome == OUTCOME_AMBIGUOUS)) /* else its successor may have been lost */
        return credentials_replaced(db, c, newest, e);
    if (!c->before.fingerprint[0])
        return 0;
    if (c->dead)
        r = db_run(db, "UPDATE {credentials} SET dead = 1 WHERE fingerprint = $1", old, 1, NULL, e);
    if (r == 0 && c->outcome == OUTCOME_AMBIGUOUS && !c->safe)
        r = credential_silent(db, c, e);
    if (r < 0 || !c->release)
        return r;
    return lease_clear(db, c, e);
}

int commit_history(struct db *db, const struct commit *c, struct error *e)
{
    cleanup(args_done) struct args a = {0};

    args_text(&a, c->attempt_id);
    args_number(&a, c->run_id);
    args_text(&a, c->before.job);
    args_text(&a, c->before.source);
    args_text(&a, c->before.key);
    args_text(&a, outcome_name(c->outcome));
    args_number(&a, c->http_status);
    args_text(&a, c->code);
    args_text(&a, c->text);
    args_number(&a, c->started_at);
    args_number(&a, c->finished_at);
    args_text(&a, c->host);
    return db_exec(db,
                   "INSERT INTO {attempts} (attempt_id, run_id, job, source, rkey, outcome,"
                   " http_status, code, text, started_at, finished_at, host)"
                   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
                   a.params, a.count, NULL, e);
}
