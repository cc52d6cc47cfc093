/* SPDX-License-Identifier: MIT
 * See listen.h. A part of the PostgreSQL driver.
 */
#include "core/db/listen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/db/postgresql_internal.h"

struct listener {
    struct db *db;
};

static PGconn *connection(const struct listener *l)
{
    return l->db->connection;
}

/* A pooler reports an invented process id to its clients. */
static int check_direct(struct listener *l, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(l->db, "SELECT pg_backend_pid()", NULL, 0, &r, e);

    if (res == 0 && db_integer(r, 0, 0) != PQbackendPID(connection(l)))
        return error_set(e, -EOPNOTSUPP, "a pooler stands before PostgreSQL");
    return res;
}

int listener_open(const struct store_options *o, struct listener **ret, struct error *e)
{
    struct listener *l = xcalloc(1, sizeof(*l));
    int r = db_open(o, &l->db, e);

    if (r == 0)
        r = check_direct(l, e);
    if (r == 0)
        r = db_run(l->db, "LISTEN renewd_rows", NULL, 0, NULL, e);
    if (r == 0)
        r = db_run(l->db, "LISTEN renewd", NULL, 0, NULL, e);
    if (r < 0) {
        listener_close(l);
        return r;
    }
    *ret = l;
    return 0;
}

int listener_fd(const struct listener *l)
{
    return PQsocket(connection(l));
}

int listener_hear(struct listener *l, listener_fn *heard, void *ctx)
{
    PGnotify *n;

    if (!PQconsumeInput(connection(l)))
        return -ENOTCONN;
    while ((n = PQnotifies(connection(l)))) {
        heard(ctx, strcmp(n->relname, "renewd_rows") == 0 ? n->extra : NULL);
        PQfreemem(n);
    }
    return 0;
}

void listener_close(struct listener *l)
{
    if (!l)
        return;
    db_close(l->db);
    free(l);
}
