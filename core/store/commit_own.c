/* SPDX-License-Identifier: MIT
 * The part of commits that is written to renewd's own tables: the record, its credential and the successor, the
 * history. Called inside the batch's transaction, with one commit or with many; of many, no two may name the same
 * record or credential.
 */
#include "core/store/commit_internal.h"

#include <string.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/store/many.h"
#include "core/store/record_row.h"

enum { SQL_MAX = 16 * 1024 };

#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))

/* ---- records ---- */

/* A failure says nothing about a credential that has been replaced meanwhile. */
static bool only_of_its_generation(const struct commit *c)
{
    return !c->replaces && c->outcome != OUTCOME_OK;
}

static void record_after(const struct commit_work *w, struct many *m)
{
    const struct commit *c = w->c;
    struct record now = c->after;

    if (w->hashed)
        memcpy(now.hash, w->hash, sizeof(now.hash));
    for (size_t i = 0; w->writes && now.wrote_status && i < c->write_count; i++)
        if (c->writes[i].column == c->table->status)
            now.wrote_status = w->writes[i].text;
    record_many_values(&now, m);
    many_number(m, only_of_its_generation(c) ? c->before.generation : c->finished_at);
}

static int records_failed(struct many *m, struct error *e)
{
    cleanup(buf_done) struct buf sql = {0};

    buf_init(&sql, SQL_MAX);
    buf_text(&sql, "UPDATE {records} AS r SET ");
    record_assignments("renewd_u.", &sql);
    buf_text(&sql, " FROM");
    return many_exec(m, sql.data,
                     "WHERE r.source = renewd_u.source AND r.rkey = renewd_u.rkey AND r.generation = renewd_u.was",
                     NULL, e);
}

/* seen_at is set for a new row alone. */
static int records_upsert(struct many *m, struct error *e)
{
    cleanup(buf_done) struct buf head = {0}, tail = {0};

    buf_init(&head, SQL_MAX);
    buf_init(&tail, SQL_MAX);
    buf_text(&head, "INSERT INTO {records} (");
    many_put_names(m, "", &head);
    buf_text(&head, ") SELECT ");
    many_put_names(m, "renewd_u.", &head);
    buf_text(&head, " FROM");
    buf_text(&tail, "WHERE true ON CONFLICT (source, rkey) DO UPDATE SET ");
    record_assignments("excluded.", &tail);
    return many_exec(m, head.data, tail.data, NULL, e);
}

int commit_records(struct db *db, const struct commit_work *const *list, size_t count, struct error *e)
{
    struct many_column columns[RECORD_COLUMNS + 1];
    cleanup(many_done) struct many ok = {0}, failed = {0};

    record_many_columns(columns);
    columns[RECORD_COLUMNS] = (struct many_column){"seen_at", true};
    many_begin(&ok, db, columns, RECORD_COLUMNS + 1);
    columns[RECORD_COLUMNS] = (struct many_column){"was", true};
    many_begin(&failed, db, columns, RECORD_COLUMNS + 1);
    for (size_t i = 0; i < count; i++)
        record_after(list[i], only_of_its_generation(list[i]->c) ? &failed : &ok);
    int r = records_upsert(&ok, e);
    return r < 0 ? r : records_failed(&failed, e);
}

/* ---- credentials ---- */

static bool stays(const struct commit *c)
{
    return !strcmp(c->before.fingerprint, c->after.fingerprint);
}

/* Without an answer, the successor of a credential that stays may have been lost. */
static bool gives(const struct commit *c)
{
    return c->replaces && !(stays(c) && c->outcome == OUTCOME_AMBIGUOUS);
}

static bool is_spent(const struct commit *c)
{
    return gives(c) && !stays(c) && c->before.fingerprint[0];
}

/* The lease, where it still is this attempt's. */
static void sql_append_given_back(const char *mine, struct buf *sql)
{
    static const char *const columns[] = {"lease_host", "lease_incarnation", "lease_until", "attempt_id"};

    for (size_t i = 0; i < COUNT_OF(columns); i++)
        buf_printf(sql, "%s%s = CASE WHEN %s THEN NULL ELSE c.%s END", i ? ", " : "", columns[i], mine, columns[i]);
}

/* Spent: it has a successor from now on, and its pair is no longer the newest. */
static int old_spent(struct db *db, const struct commit *const *list, size_t count, bool newest, struct error *e)
{
    static const struct many_column columns[] = {{"fingerprint", false},
                                                 {"plugin", false},
                                                 {"successor", false},
                                                 {"spent_at", true},
                                                 {"attempt", false}};
    cleanup(many_done) struct many m = {0};
    cleanup(buf_done) struct buf sql = {0};
    const char *mine = db_is_postgresql(db) ? "c.attempt_id = ANY($5::text[])" : "c.attempt_id = $5";

    many_begin(&m, db, columns, COUNT_OF(columns));
    for (size_t i = 0; i < count; i++) {
        const struct commit *c = list[i];
        if (!is_spent(c) || c->safe)
            continue;
        many_text(&m, c->before.fingerprint);
        many_text(&m, c->plugin);
        many_text(&m, c->after.fingerprint);
        many_number(&m, c->finished_at);
        many_text(&m, c->attempt_id);
    }
    buf_init(&sql, SQL_MAX);
    buf_printf(&sql,
               "WHERE true ON CONFLICT (fingerprint) DO UPDATE SET successor = %s, sealed = NULL,"
               " replaced_at = excluded.replaced_at, ",
               newest ? "excluded.successor" : "coalesce(c.successor, excluded.successor)");
    sql_append_given_back(mine, &sql);
    return many_exec(
        &m,
        "INSERT INTO {credentials} AS c (fingerprint, plugin, successor, dead, created_at, replaced_at)"
        " SELECT renewd_u.fingerprint, renewd_u.plugin, renewd_u.successor, 0, renewd_u.spent_at,"
        " renewd_u.spent_at FROM",
        sql.data, NULL, e);
}

/* The old credential of a provider at which it is harmless to present it again. */
static int old_forgotten(struct db *db, const struct commit *const *list, size_t count, struct error *e)
{
    static const struct many_column columns[] = {{"fingerprint", false}, {"attempt", false}};
    cleanup(many_done) struct many m = {0};
    bool pg = db_is_postgresql(db);

    many_begin(&m, db, columns, COUNT_OF(columns));
    for (size_t i = 0; i < count; i++) {
        if (!is_spent(list[i]) || !list[i]->safe)
            continue;
        many_text(&m, list[i]->before.fingerprint);
        many_text(&m, list[i]->attempt_id);
    }
    return many_exec(&m,
                     pg ? "DELETE FROM {credentials} AS c USING"
                        : "DELETE FROM {credentials} AS c WHERE c.fingerprint IN (SELECT renewd_u.fingerprint FROM",
                     pg ? "WHERE c.fingerprint = renewd_u.fingerprint"
                          " AND (c.attempt_id IS NULL OR c.attempt_id = renewd_u.attempt)"
                        : ") AND (c.attempt_id IS NULL OR c.attempt_id = $2)",
                     NULL, e);
}

/* A credential that the provider has just given is neither spent nor dead, whatever it was before. */
static int new_known(struct db *db, const struct commit *const *list, size_t count, struct error *e)
{
    static const struct many_column columns[] = {{"fingerprint", false},
                                                 {"plugin", false},
                                                 {"sealed", false},
                                                 {"created_at", true},
                                                 {"attempt", false}};
    cleanup(many_done) struct many m = {0};
    cleanup(buf_done) struct buf sql = {0};
    const char *mine = db_is_postgresql(db) ? "c.attempt_id = ANY($5::text[])" : "c.attempt_id = $5";

    many_begin(&m, db, columns, COUNT_OF(columns));
    for (size_t i = 0; i < count; i++) {
        const struct commit *c = list[i];
        if (!gives(c) || !c->after.fingerprint[0])
            continue;
        many_text(&m, c->after.fingerprint);
        many_text(&m, c->plugin);
        many_text(&m, c->safe ? NULL : c->sealed_pair);
        many_number(&m, c->finished_at);
        many_text(&m, stays(c) ? c->attempt_id : NULL);
    }
    buf_init(&sql, SQL_MAX);
    buf_text(&sql, "WHERE true ON CONFLICT (fingerprint) DO UPDATE SET successor = NULL, dead = 0, unanswered = 0,"
                   " hold_until = 0, sealed = coalesce(excluded.sealed, c.sealed), replaced_at = NULL, ");
    sql_append_given_back(mine, &sql);
    return many_exec(&m,
                     "INSERT INTO {credentials} AS c (fingerprint, plugin, dead, sealed, created_at)"
                     " SELECT renewd_u.fingerprint, renewd_u.plugin, 0, renewd_u.sealed, renewd_u.created_at FROM",
                     sql.data, NULL, e);
}

/* One that stays and is renewed was given back with the new token. */
static bool is_given_back(const struct commit *c)
{
    return !gives(c) && c->before.fingerprint[0] && c->release;
}

static int leases_clear(struct db *db, const struct commit *const *list, size_t count, struct error *e)
{
    static const struct many_column columns[] = {{"fingerprint", false}, {"attempt", false}};
    cleanup(many_done) struct many m = {0};

    many_begin(&m, db, columns, COUNT_OF(columns));
    for (size_t i = 0; i < count; i++) {
        if (!is_given_back(list[i]))
            continue;
        many_text(&m, list[i]->before.fingerprint);
        many_text(&m, list[i]->attempt_id);
    }
    return many_exec(&m,
                     "UPDATE {credentials} AS c SET lease_host = NULL, lease_incarnation = NULL,"
                     " lease_until = NULL, attempt_id = NULL FROM",
                     "WHERE c.fingerprint = renewd_u.fingerprint AND c.attempt_id = renewd_u.attempt", NULL, e);
}

/* What a failure says of its credential: it is dead, or it was presented without an answer and is not presented
 * again before its time, by any record that holds it. */
static int credentials_judged(struct db *db, const struct commit *const *list, size_t count, struct error *e)
{
    static const struct many_column columns[] = {{"fingerprint", false}, {"hold_until", true}};
    cleanup(many_done) struct many dead = {0}, silent = {0};

    many_begin(&dead, db, columns, 1);
    many_begin(&silent, db, columns, COUNT_OF(columns));
    for (size_t i = 0; i < count; i++) {
        const struct commit *c = list[i];
        if (gives(c) || !c->before.fingerprint[0])
            continue;
        if (c->dead)
            many_text(&dead, c->before.fingerprint);
        if (c->outcome != OUTCOME_AMBIGUOUS || c->safe)
            continue;
        many_text(&silent, c->before.fingerprint);
        many_number(&silent, c->after.not_before);
    }
    int r = many_exec(&dead, "UPDATE {credentials} AS c SET dead = 1 FROM",
                      "WHERE c.fingerprint = renewd_u.fingerprint", NULL, e);
    return r < 0 ? r
                 : many_exec(&silent,
                             "UPDATE {credentials} AS c SET unanswered = c.unanswered + 1,"
                             " hold_until = renewd_u.hold_until FROM",
                             "WHERE c.fingerprint = renewd_u.fingerprint", NULL, e);
}

int commit_credentials(struct db *db, const struct commit *const *list, size_t count, bool newest, struct error *e)
{
    int r = old_spent(db, list, count, newest, e);

    if (r == 0)
        r = old_forgotten(db, list, count, e);
    if (r == 0)
        r = new_known(db, list, count, e);
    if (r == 0)
        r = credentials_judged(db, list, count, e);
    return r < 0 ? r : leases_clear(db, list, count, e);
}

/* ---- the history ---- */

int commit_history(struct db *db, const struct commit *const *list, size_t count, struct error *e)
{
    static const struct many_column columns[] = {
        {"attempt_id", false}, {"run_id", true},     {"job", false},        {"source", false},
        {"rkey", false},       {"outcome", false},   {"http_status", true}, {"code", false},
        {"text", false},       {"started_at", true}, {"finished_at", true}, {"host", false},
    };
    cleanup(many_done) struct many m = {0};
    cleanup(buf_done) struct buf sql = {0};

    many_begin(&m, db, columns, COUNT_OF(columns));
    for (size_t i = 0; i < count; i++) {
        const struct commit *c = list[i];
        many_text(&m, c->attempt_id);
        many_number(&m, c->run_id);
        many_text(&m, c->before.job);
        many_text(&m, c->before.source);
        many_text(&m, c->before.key);
        many_text(&m, outcome_name(c->outcome));
        many_number(&m, c->http_status);
        many_text(&m, c->code);
        many_text(&m, c->text);
        many_number(&m, c->started_at);
        many_number(&m, c->finished_at);
        many_text(&m, c->host);
    }
    buf_init(&sql, SQL_MAX);
    buf_text(&sql, "INSERT INTO {attempts} (");
    many_put_names(&m, "", &sql);
    buf_text(&sql, ") SELECT ");
    many_put_names(&m, "renewd_u.", &sql);
    buf_text(&sql, " FROM");
    return many_exec(&m, sql.data, "", NULL, e);
}
