/* SPDX-License-Identifier: MIT
 * What a row's own last_error says of a row that nothing else can be written into, because it cannot be read.
 */
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/domain/ident.h"
#include "core/store/args.h"
#include "core/store/row.h"

int store_note(struct db *db, const struct table *t, const char *key, const char *text, const char *before,
               struct error *e)
{
    int at = table_column(t, "last_error");
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0}, name = {0};
    if (at < 0)
        return 0;
    buf_init(&sql, 64 * 1024);
    buf_init(&name, 256);
    ident_quote(t->columns[at].name, &name);
    buf_text(&sql, "UPDATE ");
    table_quoted(db, t, &sql);
    buf_printf(&sql, " SET %s = $%d WHERE ", name.data, args_text(&a, text));
    ident_quote(t->key, &sql);
    buf_printf(&sql, " = $%d", args_text(&a, key));
    row_put_filter(t, "", &a, &sql);
    if (!text) /* it can be read again: what renewd wrote goes, nothing else */
        buf_printf(&sql, " AND CAST(%s AS text) = $%d", name.data, args_text(&a, before));
    return db_exec(db, sql.data, a.params, a.count, NULL, e);
}
