/* SPDX-License-Identifier: MIT
 * See leases.h.
 */
#include "core/store/leases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/db/db.h"
#include "core/store/record_row.h"

enum { EVERY = 1000000, BEFORE_RECORD = 7 };

static void leases_take(const struct db_result *r, size_t row, struct lease_row *to)
{
    snprintf(to->attempt_id, ID_SIZE, "%s", db_text(r, row, 0));
    snprintf(to->fingerprint, FINGERPRINT_SIZE, "%s", db_text(r, row, 1));
    snprintf(to->host, ID_SIZE, "%s", db_text(r, row, 2));
    snprintf(to->incarnation, ID_SIZE, "%s", db_text(r, row, 3));
    to->left_s = db_integer(r, row, 4) - db_integer(r, row, 5);
    to->unanswered = (int)db_integer(r, row, 6);
    record_from_result(r, row, BEFORE_RECORD, &to->record);
}

int leases_where(struct db *db, const char *where, const char *const *texts, size_t text_count, size_t limit,
                 struct lease_row **ret, size_t *ret_count, struct error *e)
{
    cleanup(buf_done) struct buf sql = {0};
    buf_init(&sql, 1 << 14);
    buf_printf(&sql,
               "SELECT c.attempt_id, c.fingerprint, c.lease_host, c.lease_incarnation, c.lease_until,"
               " %s, c.unanswered, ",
               db_now(db));
    record_columns("r.", &sql);
    buf_printf(&sql,
               " FROM {credentials} c LEFT JOIN {records} r ON r.fingerprint = c.fingerprint"
               " WHERE %s ORDER BY c.fingerprint, r.rkey LIMIT %zu",
               where, limit);
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(db, sql.data, texts, text_count, &r, e);
    if (res < 0)
        return res;
    struct lease_row *list = xcalloc(db_rows(r) + 1, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < db_rows(r); i++)
        if (!n || strcmp(list[n - 1].fingerprint, db_text(r, i, 1)) != 0)
            leases_take(r, i, &list[n++]); /* several records of one credential: one of them represents it */
    *ret = list;
    *ret_count = n;
    return 0;
}

int store_leases(struct db *db, const char *host, const char *incarnation, struct lease_row **ret,
                 size_t *ret_count, struct error *e)
{
    const char *texts[] = {host, incarnation};
    return leases_where(db, "c.lease_host = $1 AND c.lease_incarnation = $2", texts, 2, EVERY, ret, ret_count, e);
}

void leases_free(struct lease_row *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        record_done(&list[i].record);
    free(list);
}
