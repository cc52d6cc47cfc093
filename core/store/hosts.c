/* SPDX-License-Identifier: MIT
 * See hosts.h.
 */
#include "core/store/hosts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/db/db.h"
#include "core/rules/replay.h"
#include "core/store/commit_internal.h"

enum { KEEP_S = 86400, SQL_MAX = 1024 };

int store_heartbeat(struct db *db, const char *host, const char *incarnation, struct error *e)
{
    char name[256] = "";
    char sql[512];
    const char *texts[] = {host, incarnation, name};
    if (gethostname(name, sizeof(name) - 1) < 0)
        name[0] = '\0';
    snprintf(sql, sizeof(sql),
             "INSERT INTO {hosts} (id, incarnation, name, started_at, beat_at)"
             " VALUES ($1, $2, $3, %s, %s) ON CONFLICT (id, incarnation) DO UPDATE SET"
             " beat_at = excluded.beat_at",
             db_now(db), db_now(db));
    return db_run(db, sql, texts, 3, NULL, e);
}

int store_hosts_tidy(struct db *db, const char *host, const char *incarnation, struct error *e)
{
    char sql[SQL_MAX];
    const char *texts[] = {host, incarnation};
    snprintf(sql, sizeof(sql),
             "DELETE FROM {hosts} WHERE id = $1 AND incarnation <> $2 AND beat_at < %s - %d"
             " AND NOT EXISTS (SELECT 1 FROM {credentials} c"
             " WHERE c.lease_incarnation = {hosts}.incarnation)",
             db_now(db), KEEP_S);
    return db_run(db, sql, texts, 2, NULL, e);
}

int store_process_lives(struct db *db, const char *host, const char *incarnation, bool *ret, struct error *e)
{
    char sql[SQL_MAX];
    cleanup(db_result_free_p) struct db_result *r = NULL;
    const char *texts[] = {host, incarnation};
    snprintf(sql, sizeof(sql),
             "SELECT 1 FROM {hosts} WHERE id = $1 AND incarnation = $2 AND over_at = 0 AND beat_at > %s - %d",
             db_now(db), HOST_ALIVE_S);
    int res = db_run(db, sql, texts, 2, &r, e);
    if (res == 0)
        *ret = db_rows(r) > 0;
    return res;
}

int store_process_over(struct db *db, const char *host, const char *incarnation, struct error *e)
{
    char sql[SQL_MAX];
    const char *texts[] = {host, incarnation};
    snprintf(sql, sizeof(sql), "UPDATE {hosts} SET over_at = %s WHERE id = $1 AND incarnation = $2 AND over_at = 0",
             db_now(db));
    return db_run(db, sql, texts, 2, NULL, e);
}

int host_may_claim(struct db *db, const char *host, const char *incarnation, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    const char *texts[] = {host, incarnation};
    int res = db_run(db,
                     db_is_postgresql(db)
                         ? "SELECT 1 FROM {hosts} WHERE id = $1 AND incarnation = $2 AND over_at = 0 FOR SHARE"
                         : "SELECT 1 FROM {hosts} WHERE id = $1 AND incarnation = $2 AND over_at = 0",
                     texts, 2, &r, e);
    if (res < 0 || db_rows(r))
        return res;
    return error_set(e, -EOWNERDEAD,
                     "this host was forgotten while it was away; it claims again after its next heartbeat");
}

int store_forget_host(struct db *db, const char *host, bool *ret_forgotten, struct error *e)
{
    char sql[SQL_MAX];
    cleanup(db_result_free_p) struct db_result *r = NULL;
    snprintf(sql, sizeof(sql),
             "DELETE FROM {hosts} WHERE id = $1 AND NOT EXISTS"
             " (SELECT 1 FROM {hosts} h WHERE h.id = $1 AND h.beat_at > %s - %d)",
             db_now(db), HOST_ALIVE_S);
    int res = db_run(db, sql, &host, 1, &r, e);
    if (res == 0)
        *ret_forgotten = db_affected(r) > 0;
    return res;
}

int store_hosts(struct db *db, struct host_row **ret, size_t *ret_count, struct error *e)
{
    char sql[SQL_MAX];
    cleanup(db_result_free_p) struct db_result *r = NULL;
    snprintf(sql, sizeof(sql),
             "SELECT h.id, max(h.name), max(h.beat_at), %s, (SELECT count(*) FROM {credentials} c"
             " WHERE c.lease_host = h.id) FROM {hosts} h GROUP BY h.id ORDER BY max(h.name), h.id",
             db_now(db));
    int res = db_run(db, sql, NULL, 0, &r, e);
    if (res < 0)
        return res;
    *ret_count = db_rows(r);
    *ret = xcalloc(*ret_count + 1, sizeof(**ret));
    for (size_t i = 0; i < *ret_count; i++) {
        struct host_row *h = &(*ret)[i];
        const char *name = db_text(r, i, 1);
        snprintf(h->id, ID_SIZE, "%s", db_text(r, i, 0));
        h->name = name && name[0] ? xstrdup(name) : NULL;
        h->beat_at = db_integer(r, i, 2);
        h->now = db_integer(r, i, 3);
        h->leases = db_integer(r, i, 4);
    }
    return 0;
}

void hosts_free(struct host_row *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        free(list[i].name);
    free(list);
}

int store_leases_left(struct db *db, const char *host, const char *incarnation, int64_t now, size_t limit,
                      struct lease_row **ret, size_t *ret_count, struct error *e)
{
    char where[SQL_MAX];
    const char *clock = db_now(db);
    const char *texts[] = {host, incarnation};
    snprintf(where, sizeof(where),
             "r.source IS NOT NULL AND NOT (c.lease_host = $1 AND c.lease_incarnation = $2)"
             " AND c.lease_incarnation IS NOT NULL AND c.lease_until < %s AND"
             " (NOT EXISTS (SELECT 1 FROM {hosts} h WHERE h.id = c.lease_host)"
             " OR (c.lease_until + %d <= %s AND r.expires_at - %d <= %" PRId64 "))"
             " AND (SELECT 1 FROM {attempts} h WHERE h.attempt_id = c.attempt_id) IS NULL",
             clock, SILENCE_AFTER_LEASE_S, clock, SILENCE_BEFORE_END_S, now);
    return leases_where(db, where, texts, 2, limit, ret, ret_count, e);
}

/* c takes the lease for as long as the transaction lasts: only one host gets it. */
static int lease_over(struct db *db, const char *attempt_id, const struct commit *c, bool *ret_done,
                      struct error *e)
{
    char sql[SQL_MAX];
    struct commit_work work = {.c = (struct commit *)c};
    const struct commit_work *w = &work;
    cleanup(db_result_free_p) struct db_result *r = NULL;
    const char *texts[] = {c->before.fingerprint, attempt_id, c->attempt_id};
    snprintf(sql, sizeof(sql),
             "UPDATE {credentials} SET attempt_id = $3 WHERE fingerprint = $1 AND attempt_id = $2"
             " AND lease_until < %s",
             db_now(db));
    int res = db_run(db, sql, texts, 3, &r, e);
    if (res < 0 || !db_affected(r))
        return res;
    *ret_done = true;
    res = commit_records(db, &w, 1, e);
    if (res == 0)
        res = commit_credentials(db, &c, 1, true, e);
    if (res == 0)
        res = commit_history(db, &c, 1, e);
    return res;
}

int store_lease_over(struct db *db, const char *attempt_id, const struct commit *c, bool *ret_done, struct error *e)
{
    *ret_done = false;
    int res = db_begin(db, e);
    if (res == 0)
        res = lease_over(db, attempt_id, c, ret_done, e);
    if (res == 0)
        res = db_commit(db, e);
    db_rollback(db);
    return res;
}
