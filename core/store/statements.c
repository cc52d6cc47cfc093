/* SPDX-License-Identifier: MIT
 * Named statements before they are used: do they parse, do they take the parameters that their
 * plugin gives; and ready.sql. Statements run in commits, nowhere else.
 */
#include <errno.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/store/db.h"
#include "core/store/store.h"

/* In a transaction, so that a pooler keeps both halves of it on one connection. */
int store_check_statement(struct db *db, const char *sql, size_t parameters, struct error *e)
{
    size_t takes = 0;
    int r = db_begin(db, e);

    if (r == 0)
        r = db->driver->prepare(db, sql, &takes, e);
    db_rollback(db);
    if (r == 0 && takes != parameters)
        return error_set(e, -EINVAL, "the statement takes %zu parameters, its plugin gives %zu",
                         takes, parameters);
    return r;
}

int store_ready(struct db *db, const char *sql, char **ret_text, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *found = NULL;
    int r = db_begin(db, e);

    if (r == 0)
        r = db_exec_as_is(db, sql, NULL, 0, &found, e);
    db_rollback(db);
    if (r < 0)
        return r;
    const char *text = db_rows(found) > 0 ? db_text(found, 0, 0) : NULL;
    *ret_text = text ? xstrdup(text) : NULL;
    return 0;
}
