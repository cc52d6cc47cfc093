/* SPDX-License-Identifier: MIT
 * See schema_rights.h.
 */
#include "core/db/schema_rights.h"

#include "core/base/cleanup.h"
#include "core/db/connection.h"
#include "core/db/db.h"

void rights_put(struct buf *grants, const char *what)
{
    buf_text(grants, grants->len ? " " : "");
    buf_printf(grants, "%s;", what);
}

int rights_put_found(struct db *db, const char *sql, const char *const *texts, size_t count, struct buf *grants,
                     struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;

    int res = db_run(db, sql, texts, count, &r, e);
    for (size_t i = 0; res == 0 && i < db_rows(r); i++)
        rights_put(grants, db_text(r, i, 0));
    return res;
}

int rights_own(struct db *db, struct buf *grants, struct error *e)
{
    static const char sql[] =
        "WITH s AS (SELECT (SELECT oid FROM pg_namespace WHERE nspname = 'renewd') AS oid,"
        " quote_ident(current_user) AS role, quote_ident(current_database()) AS db)"
        " SELECT g FROM ("
        "SELECT 1 AS n, format('GRANT CREATE ON DATABASE %s TO %s', db, role) AS g FROM s"
        " WHERE oid IS NULL AND NOT has_database_privilege(current_database(), 'CREATE')"
        " UNION ALL SELECT 2, format('GRANT USAGE, CREATE ON SCHEMA renewd TO %s', role) FROM s"
        " WHERE oid IS NOT NULL AND NOT has_schema_privilege(oid, 'USAGE')"
        " UNION ALL SELECT 3, format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA renewd TO %s', role)"
        " FROM s WHERE EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = s.oid AND c.relkind IN ('r', 'p')"
        "  AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')"
        "   AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')))"
        " UNION ALL SELECT 4, format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA renewd TO %s', role)"
        " FROM s WHERE EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = s.oid AND CASE WHEN c.relkind = 'S'"
        "  THEN NOT has_sequence_privilege(c.oid, 'USAGE') ELSE false END)) t ORDER BY n";

    return db_is_postgresql(db) ? rights_put_found(db, sql, NULL, 0, grants, e) : 0;
}

int rights_alter(struct db *db, struct buf *grants, struct error *e)
{
    static const char sql[] =
        "SELECT format('GRANT CREATE ON SCHEMA renewd TO %I', current_user) FROM pg_namespace n"
        " WHERE n.nspname = 'renewd' AND NOT has_schema_privilege(n.oid, 'CREATE')"
        " UNION SELECT format('GRANT %I TO %I', pg_get_userbyid(c.relowner), current_user) FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'renewd' AND c.relkind IN ('r', 'p', 'v', 'S')"
        " AND NOT pg_has_role(c.relowner, 'USAGE')";

    return db_is_postgresql(db) ? rights_put_found(db, sql, NULL, 0, grants, e) : 0;
}
