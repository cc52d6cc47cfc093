/* SPDX-License-Identifier: MIT
 * See suspects.h: reads and writes the two rows, and the facts about other records that a decision needs. The row
 * of the job is locked first, so that two hosts decide one after the other.
 */
#include "core/store/suspects.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/rules/outcome.h"
#include "core/store/suspects_internal.h"

_Static_assert(STATE_RECONNECT == 4 && STATE_MISCONFIGURED == 5 && STATE_PENDING == 7 && STATE_PAUSED == 8,
               "the statements here name these states");

enum { TRIES = 4, SQL_BYTES = 16384 };

struct suspect_member {
    const char *column;
    size_t offset;
};
#define JOB(name)                                 \
    {                                             \
#        name, offsetof(struct suspect_job, name) \
    }
#define ONE(name)                             \
    {                                         \
#        name, offsetof(struct suspect, name) \
    }

static const struct suspect_member job_members[] = {
    JOB(success_at), JOB(recovery_at), JOB(recovering_from), JOB(streak),   JOB(turned),      JOB(held_at),
    JOB(ended_at),   JOB(alarmed_at),  JOB(canary_at),       JOB(canaries), JOB(believed_at),
};
static const struct suspect_member members[] = {
    ONE(began_at), ONE(since), ONE(asked_at), ONE(refusals), ONE(next_at), ONE(told_at), ONE(struck_at),
};
enum { JOB_MEMBERS = sizeof job_members / sizeof job_members[0], MEMBERS = sizeof members / sizeof members[0] };

void breaker_row_done(struct breaker_row *b)
{
    free(b->why);
    memset(b, 0, sizeof *b);
}

void refused_ruling_done(struct refused_ruling *r)
{
    breaker_row_done(&r->job);
    free(r->code);
    free(r->text);
    memset(r, 0, sizeof *r);
}

void breaker_args(const struct breaker_key *k, struct args *a)
{
    args_text(a, k->job);
    args_text(a, k->settings);
}

static void sql_append_columns(const struct suspect_member *list, size_t count, struct buf *sql)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(sql, "%s%s", i ? ", " : "", list[i].column);
}

static void take_columns(const struct suspect_member *list, size_t count, const struct db_result *r, void *to)
{
    for (size_t i = 0; i < count; i++) {
        int64_t n = db_integer(r, 0, i);
        memcpy((char *)to + list[i].offset, &n, sizeof n);
    }
}

static void sql_append_assignments(const struct suspect_member *list, size_t count, const void *from,
                                   struct args *a, struct buf *sql)
{
    for (size_t i = 0; i < count; i++) {
        int64_t n;
        memcpy(&n, (const char *)from + list[i].offset, sizeof n);
        buf_printf(sql, "%s%s = $%d", i ? ", " : "", list[i].column, args_number(a, n));
    }
}

/* ---- the job's row ---- */

int breaker_load(struct db *db, const struct breaker_key *k, bool lock, struct breaker_row *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    breaker_args(k, &a);
    buf_init(&sql, SQL_BYTES);
    buf_text(&sql, "SELECT ");
    sql_append_columns(job_members, JOB_MEMBERS, &sql);
    buf_printf(&sql, ", why FROM {breakers} WHERE job = $1 AND settings = $2%s",
               lock && db_is_postgresql(db) ? " FOR UPDATE" : "");
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res < 0)
        return res;
    memset(ret, 0, sizeof *ret);
    if (!db_rows(r))
        return error_set(e, -ENOENT, "job %s has no row of its breaker", k->job);
    take_columns(job_members, JOB_MEMBERS, r, &ret->state);
    const char *why = db_text(r, 0, JOB_MEMBERS);
    ret->why = xstrdup_or_null(why);
    return 0;
}

int breaker_save(struct db *db, const struct breaker_key *k, const struct breaker_row *b, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    breaker_args(k, &a);
    buf_init(&sql, SQL_BYTES);
    buf_text(&sql, "UPDATE {breakers} SET ");
    sql_append_assignments(job_members, JOB_MEMBERS, &b->state, &a, &sql);
    buf_printf(&sql, ", why = $%d WHERE job = $1 AND settings = $2", args_text(&a, b->why));
    return db_exec(db, sql.data, a.params, a.count, NULL, e);
}

/* ---- a suspect's row ---- */

static int suspect_load(struct db *db, const struct breaker_key *k, const char *fingerprint, struct suspect *ret,
                        struct refused_ruling *said, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    breaker_args(k, &a);
    args_text(&a, fingerprint);
    buf_init(&sql, SQL_BYTES);
    buf_text(&sql, "SELECT ");
    sql_append_columns(members, MEMBERS, &sql);
    buf_text(&sql, ", dead_grant, code, text FROM {suspects} WHERE job = $1 AND settings = $2 AND fingerprint = $3"
                   " AND ended_at = 0");
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    memset(ret, 0, sizeof *ret);
    if (res < 0 || !db_rows(r))
        return res;
    take_columns(members, MEMBERS, r, ret);
    if (said) {
        said->dead_grant = db_integer(r, 0, MEMBERS) != 0;
        said->code = db_copy(r, 0, MEMBERS + 1);
        said->text = db_copy(r, 0, MEMBERS + 2);
    }
    return 0;
}

/* It stays for a while, and is counted for its hour. */
static int suspect_end(struct db *db, const struct breaker_key *k, const char *fingerprint, int64_t now,
                       struct error *e)
{
    cleanup(args_done) struct args a = {0};
    breaker_args(k, &a);
    args_text(&a, fingerprint);
    args_number(&a, now);
    return db_exec(db,
                   "UPDATE {suspects} SET ended_at = $4 WHERE job = $1 AND settings = $2 AND fingerprint = $3"
                   " AND ended_at = 0",
                   a.params, a.count, NULL, e);
}

static int suspect_save(struct db *db, const struct breaker_key *k, const struct refusal *r,
                        const struct suspect *s, const struct refused_ruling *said, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    breaker_args(k, &a);
    args_text(&a, r->fingerprint);
    buf_init(&sql, SQL_BYTES);
    int res = db_exec(db,
                      "INSERT INTO {suspects} (job, settings, fingerprint) VALUES ($1, $2, $3)"
                      " ON CONFLICT (job, settings, fingerprint) DO NOTHING",
                      a.params, a.count, NULL, e);
    if (res < 0)
        return res;
    buf_text(&sql, "UPDATE {suspects} SET ");
    sql_append_assignments(members, MEMBERS, s, &a, &sql);
    buf_printf(&sql, ", ended_at = 0, dead_grant = $%d", args_number(&a, said->dead_grant));
    buf_printf(&sql, ", code = $%d", args_text(&a, r->asked ? r->code : said->code));
    buf_printf(&sql, ", text = $%d", args_text(&a, r->asked ? r->text : said->text));
    buf_text(&sql, " WHERE job = $1 AND settings = $2 AND fingerprint = $3");
    return db_exec(db, sql.data, a.params, a.count, NULL, e);
}

/* ---- facts about other records for a decision ---- */

struct others {
    struct db *db;
    const struct breaker_key *k;
    const char *self;
    int64_t most;
    int result;
    struct error error;
};

static int64_t suspects_ask(struct others *o, const char *sql, struct args *a)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    if (o->result < 0)
        return 0;
    o->result = db_exec(o->db, sql, a->params, a->count, &r, &o->error);
    return o->result < 0 || !db_rows(r) ? 0 : db_integer(r, 0, 0);
}

static int64_t others_began(void *ctx, int64_t from, int64_t until)
{
    struct others *o = ctx;
    cleanup(args_done) struct args a = {0};
    breaker_args(o->k, &a);
    args_text(&a, o->self);
    args_number(&a, from);
    args_number(&a, until);
    args_number(&a, o->most);
    return suspects_ask(o,
                        "SELECT count(*) FROM (SELECT 1 FROM {suspects} WHERE job = $1 AND settings = $2"
                        " AND fingerprint <> $3 AND began_at >= $4 AND began_at <= $5 LIMIT $6) x",
                        &a);
}

static int64_t others_count(void *ctx)
{
    struct others *o = ctx;
    cleanup(args_done) struct args a = {0};
    breaker_args(o->k, &a);
    args_text(&a, o->self);
    args_text(&a, o->k->source);
    args_number(&a, o->most);
    return suspects_ask(o,
                        "SELECT count(*) FROM (SELECT 1 FROM {suspects} s WHERE job = $1 AND settings = $2"
                        " AND fingerprint <> $3 AND ended_at = 0 AND EXISTS (SELECT 1 FROM {records} r"
                        " WHERE r.fingerprint = s.fingerprint AND r.source = $4 AND r.state IN (4, 5)) LIMIT $5) x",
                        &a);
}

static bool others_fine(void *ctx)
{
    struct others *o = ctx;
    cleanup(args_done) struct args a = {0};
    args_text(&a, o->k->source);
    args_text(&a, o->k->settings);
    args_text(&a, o->self);
    return suspects_ask(
        o,
        "SELECT count(*) FROM (SELECT 1 FROM {records} WHERE source = $1 AND ok_under = $2"
        " AND fingerprint <> $3 AND state NOT IN (4, 5, 7, 8) AND without_credential = 0 LIMIT 1) x",
        &a);
}

/* ---- refusals ---- */

/* Records of the same credential count as one: none of them is presented before its time. */
static int twins_wait(struct db *db, const struct breaker_key *k, const struct refusal *r, int64_t next_at,
                      int64_t now, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    args_text(&a, k->source);
    args_text(&a, r->fingerprint);
    args_text(&a, r->rkey);
    args_number(&a, (next_at + 999) / 1000);
    args_number(&a, now / 1000);
    args_text(&a, r->code);
    args_text(&a, r->text);
    return db_exec(db,
                   "UPDATE {records} SET state = 5, last_outcome = 5, last_at = $5, attempts = attempts + 1,"
                   " not_before = $4, due_at = CASE WHEN point > $4 THEN point WHEN point > 0 THEN $4 ELSE 0 END,"
                   " last_code = $6, last_text = $7"
                   " WHERE source = $1 AND fingerprint = $2 AND rkey <> $3 AND state IN (1, 2, 3, 5)",
                   a.params, a.count, NULL, e);
}

static char *why_held(const struct suspect_job *job, const char *code)
{
    const char *before = code ? " (" : "", *after = code ? ")" : "";
    code = code ? code : "";
    if (job->success_at)
        return xasprintf(
            "the provider refused %" PRId64 " records that were refreshed before%s%s%s, and refreshed none since; "
            "new and suspected records wait, canaries are tried, and no account is reported as disconnected",
            job->turned, before, code, after);
    return xasprintf(
        "the provider refused %" PRId64 " records%s%s%s, and refreshed none with these settings; check "
        "client_id, client_secret and the URLs; the other records wait, and no account is reported as disconnected",
        job->turned, before, code, after);
}

static int refused_once(struct db *db, const struct breaker_key *k, const struct suspect_limits *l,
                        const struct refusal *r, int64_t now, struct refused_ruling *ret, struct error *e)
{
    struct suspect s;
    struct others others = {.db = db, .k = k, .self = r->fingerprint, .most = l->records};
    const struct suspect_others o = {others_began, others_count, others_fine, &others};
    int res = breaker_load(db, k, true, &ret->job, e);
    if (res == 0)
        res = suspect_load(db, k, r->fingerprint, &s, r->asked ? NULL : ret, e);
    if (res < 0)
        return res;
    struct suspect_job *job = &ret->job.state;
    if (r->success_at > job->success_at) {
        job->success_at = r->success_at;
        job->turned = 0;
    }
    if (r->asked)
        ret->dead_grant = r->dead_grant;
    const struct suspect_refusal it = {ret->dead_grant, r->fine_before && !s.began_at, r->unanswered};
    if (r->asked)
        suspect_refused(l, job, &s, &it, &o, now, &ret->ruling);
    else if (s.began_at)
        suspect_judge(l, job, &s, &it, &o, now, &ret->ruling);
    else
        ret->ruling = (struct suspect_ruling){.verdict = SUSPECT_WITHHELD, .next_at = now};
    if (others.result < 0)
        return error_set(e, others.result, "%s", others.error.text);
    if (ret->ruling.held)
        ret->job.why = why_held(job, r->code ? r->code : ret->code);
    res = breaker_save(db, k, &ret->job, e);
    if (res == 0)
        res = s.began_at ? suspect_save(db, k, r, &s, ret, e) : suspect_end(db, k, r->fingerprint, now, e);
    if (res == 0 && r->asked && ret->ruling.verdict < SUSPECT_NOT_FINAL)
        res = twins_wait(db, k, r, ret->ruling.next_at, now, e);
    return res;
}

int store_breaker_refused(struct db *db, const struct breaker_key *k, const struct suspect_limits *l,
                          const struct refusal *r, int64_t now, struct refused_ruling *ret, struct error *e)
{
    int res = -EDEADLK;
    for (int i = 0; res == -EDEADLK && i < TRIES; i++) {
        refused_ruling_done(ret);
        res = db_begin(db, e);
        if (res == 0)
            res = refused_once(db, k, l, r, now, ret, e);
        if (res == 0)
            res = db_commit(db, e);
        db_rollback(db);
    }
    return res;
}

/* ---- successes, and an operator's word ---- */

/* Also those that were refused ahead of their time, as witnesses are: not_before is then a time of their own. */
static int all_due(struct db *db, const struct breaker_key *k, int64_t now, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    breaker_args(k, &a);
    args_text(&a, k->source);
    args_number(&a, now / 1000);
    int res = db_exec(db,
                      "UPDATE {records} SET not_before = CASE WHEN point < $4 THEN 0 ELSE $4 END,"
                      " due_at = CASE WHEN point < $4 THEN point ELSE $4 END"
                      " WHERE source = $3 AND point > 0"
                      " AND (state = 5 OR (state = 4 AND due_at > 0)) AND fingerprint IN"
                      " (SELECT fingerprint FROM {suspects} WHERE job = $1 AND settings = $2 AND ended_at = 0)",
                      a.params, a.count, NULL, e);
    if (res < 0)
        return res;
    cleanup(args_done) struct args b = {0};
    breaker_args(k, &b);
    args_number(&b, now);
    return db_exec(db, "UPDATE {suspects} SET next_at = $3 WHERE job = $1 AND settings = $2 AND ended_at = 0",
                   b.params, b.count, NULL, e);
}

struct breaker_change {
    const char *fingerprint; /* of a success; NULL: an operator's word */
    bool believe;
    int64_t now;
};

static int breaker_change_once(struct db *db, const struct breaker_key *k, const struct breaker_change *c,
                               struct breaker_row *ret, bool *ret_over, struct error *e)
{
    struct suspect s = {0};
    int res = breaker_load(db, k, true, ret, e);
    if (res == 0 && c->fingerprint)
        res = suspect_load(db, k, c->fingerprint, &s, NULL, e);
    if (res < 0)
        return res;
    bool was = s.began_at != 0;
    *ret_over = c->fingerprint ? suspect_succeeded(&ret->state, &s, c->now)
                               : suspect_resumed(&ret->state, c->believe, c->now);
    if (!ret->state.held_at) {
        free(ret->why);
        ret->why = NULL;
    }
    res = breaker_save(db, k, ret, e);
    if (res == 0 && was)
        res = suspect_end(db, k, c->fingerprint, c->now, e);
    if (res == 0 && *ret_over)
        res = all_due(db, k, c->now, e);
    return res;
}

static int breaker_change_put(struct db *db, const struct breaker_key *k, const struct breaker_change *c,
                              struct breaker_row *ret, bool *ret_over, struct error *e)
{
    int res = -EDEADLK;
    for (int i = 0; res == -EDEADLK && i < TRIES; i++) {
        breaker_row_done(ret);
        res = db_begin(db, e);
        if (res == 0)
            res = breaker_change_once(db, k, c, ret, ret_over, e);
        if (res == 0)
            res = db_commit(db, e);
        db_rollback(db);
    }
    return res;
}

int store_breaker_succeeded(struct db *db, const struct breaker_key *k, const char *fingerprint, int64_t now,
                            struct breaker_row *ret, bool *ret_over, struct error *e)
{
    return breaker_change_put(db, k, &(struct breaker_change){fingerprint, false, now}, ret, ret_over, e);
}

int store_breaker_resumed(struct db *db, const struct breaker_key *k, bool believe, int64_t now,
                          struct breaker_row *ret, struct error *e)
{
    bool over;
    return breaker_change_put(db, k, &(struct breaker_change){NULL, believe, now}, ret, &over, e);
}
