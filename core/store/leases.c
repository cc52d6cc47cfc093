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
#include "core/store/db.h"
#include "core/store/record_row.h"

int store_leases(struct db *db, const char *host, const char *incarnation, struct lease_row **ret,
                 size_t *ret_count, struct error *e)
{
    cleanup(buf_done) struct buf sql = {0};
    buf_init(&sql, 1 << 14);
    buf_text(&sql, "SELECT c.attempt_id, c.fingerprint, ");
    record_columns("r.", &sql);
    buf_text(&sql, " FROM {credentials} c LEFT JOIN {records} r ON r.fingerprint = c.fingerprint"
                   " WHERE c.lease_host = $1 AND c.lease_incarnation = $2 ORDER BY c.fingerprint, r.rkey");
    const char *texts[] = {host, incarnation};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(db, sql.data, texts, 2, &r, e);
    if (res < 0)
        return res;
    struct lease_row *list = xcalloc(db_rows(r) + 1, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < db_rows(r); i++) {
        if (n && strcmp(list[n - 1].fingerprint, db_text(r, i, 1)) == 0)
            continue; /* several records of one credential: one of them speaks for it */
        snprintf(list[n].attempt_id, ID_SIZE, "%s", db_text(r, i, 0));
        snprintf(list[n].fingerprint, FINGERPRINT_SIZE, "%s", db_text(r, i, 1));
        record_from_result(r, i, 2, &list[n].record);
        n++;
    }
    *ret = list;
    *ret_count = n;
    return 0;
}

void leases_free(struct lease_row *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        record_done(&list[i].record);
    free(list);
}
