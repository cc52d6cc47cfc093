/* SPDX-License-Identifier: MIT
 * See shared_credential.h.
 */
#include "core/store/shared_credential.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/map.h"
#include "core/store/claim_internal.h"
#include "core/store/list.h"
#include "core/store/record_row.h"

int store_sharing(struct db *db, const char *fingerprint, size_t limit, struct record **ret, size_t *ret_count,
                  struct error *e)
{
    cleanup(buf_done) struct buf sql = {0};
    buf_init(&sql, 1 << 14);
    buf_text(&sql, "SELECT ");
    record_columns("", &sql);
    buf_printf(&sql, " FROM {records} WHERE fingerprint = $1 ORDER BY source, rkey LIMIT %zu", limit);
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(db, sql.data, &fingerprint, 1, &r, e);
    if (res < 0)
        return res;
    *ret_count = db_rows(r);
    *ret = xcalloc(*ret_count + 1, sizeof **ret);
    for (size_t i = 0; i < *ret_count; i++)
        record_from_result(r, i, 0, &(*ret)[i]);
    return 0;
}

int store_spent(struct db *db, const char *const *fingerprints, size_t count, bool *ret_spent, bool *ret_dead,
                struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    cleanup(free_p) const char **held = xcalloc(count + 1, sizeof(*held));
    size_t some = 0;
    for (size_t i = 0; i < count; i++)
        if (*fingerprints[i])
            held[some++] = fingerprints[i];
    if (!some)
        return 0;
    buf_init(&sql, 1 << 14);
    buf_text(&sql, "SELECT fingerprint, CASE WHEN successor IS NULL THEN 0 ELSE 1 END, dead FROM {credentials}"
                   " WHERE (successor IS NOT NULL OR dead <> 0) AND ");
    list_put_in(db, "fingerprint", list_add(db, &a, held, some), &sql);
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res < 0 || !db_rows(r))
        return res;
    struct map *at = map_new();
    for (size_t i = 0; i < db_rows(r); i++)
        map_put(at, db_text(r, i, 0), (void *)(uintptr_t)(i + 1));
    for (size_t k = 0; k < count; k++) {
        size_t row = (size_t)(uintptr_t)map_get(at, fingerprints[k]);
        if (!row)
            continue;
        ret_spent[k] = db_integer(r, row - 1, 1) != 0;
        ret_dead[k] = db_integer(r, row - 1, 2) != 0;
    }
    map_free(at, NULL);
    return 0;
}

int store_standing(struct db *db, const char *fingerprint, bool safe, struct standing *ret, struct error *e)
{
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    buf_init(&sql, 1 << 14);
    buf_text(&sql, "SELECT CASE WHEN NOT (1 = 1");
    claim_put_free(db, safe, &sql);
    buf_text(&sql, ") THEN 1 ELSE 0 END, CASE WHEN successor IS NULL OR successor = fingerprint THEN 0 ELSE 1 END,"
                   " dead, hold_until FROM {credentials} c WHERE fingerprint = $1");
    int res = db_run(db, sql.data, &fingerprint, 1, &r, e);
    *ret = (struct standing){0};
    if (res < 0 || !db_rows(r))
        return res;
    ret->leased = db_integer(r, 0, 0) != 0;
    ret->spent = !safe && db_integer(r, 0, 1) != 0;
    ret->dead = db_integer(r, 0, 2) != 0;
    ret->hold_until = safe ? 0 : db_integer(r, 0, 3);
    return 0;
}

int store_revive(struct db *db, const char *const *fingerprints, size_t count, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    if (!count)
        return 0;
    buf_init(&sql, 1 << 10);
    buf_text(&sql, "UPDATE {credentials} SET dead = 0 WHERE ");
    list_put_in(db, "fingerprint", list_add(db, &a, fingerprints, count), &sql);
    return db_exec(db, sql.data, a.params, a.count, NULL, e);
}

enum { KNOWN_BATCH = 1000 };

static int known_batch(struct db *db, const char *const *ids, size_t count, bool *ret_known, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    struct map *found = map_new();
    buf_init(&sql, 1 << 14);
    int number = list_add(db, &a, ids, count);
    buf_text(&sql, "SELECT attempt_id FROM {attempts} WHERE ");
    list_put_in(db, "attempt_id", number, &sql);
    buf_text(&sql, " UNION ALL SELECT attempt_id FROM {kept} WHERE ");
    list_put_in(db, "attempt_id", number, &sql);
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    for (size_t i = 0; res == 0 && i < db_rows(r); i++)
        map_put(found, db_text(r, i, 0), found);
    for (size_t i = 0; i < count; i++)
        ret_known[i] = map_get(found, ids[i]) != NULL;
    map_free(found, NULL);
    return res;
}

int store_attempts_known(struct db *db, const char *const *attempt_ids, size_t count, bool *ret_known,
                         struct error *e)
{
    int res = 0;
    for (size_t i = 0; res == 0 && i < count; i += KNOWN_BATCH)
        res = known_batch(db, attempt_ids + i, count - i < KNOWN_BATCH ? count - i : KNOWN_BATCH, ret_known + i, e);
    return res;
}
