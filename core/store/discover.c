/* SPDX-License-Identifier: MIT
 * Discovery's reading: pages of a job's table in key order, or one row, each with what renewd knows of
 * it. Decides nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/domain/ident.h"
#include "core/store/rows.h"

enum { PAGE_MS = 5000 };

static int read_page(struct db *db, const struct table *t, const char *after, size_t limit,
                     struct page *p, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0}, key = {0};
    buf_init(&sql, ROWS_SQL_MAX);
    buf_init(&key, 256);
    ident_quote(t->key, &key);
    rows_begin(db, t, &a, &sql);
    if (after)
        buf_printf(&sql, " AND %s > $%d", key.data, args_text(&a, after));
    buf_printf(&sql, " ORDER BY renewd_t.%s LIMIT %zu", key.data, limit);
    return rows_read(db, t, &a, sql.data, &p->rows, &p->count, e);
}

static int read_records(struct db *db, const struct table *t, struct page *p, struct error *e)
{
    cleanup(free_p) const char **keys = xcalloc(p->count + 1, sizeof(*keys));
    for (size_t i = 0; i < p->count; i++)
        keys[i] = p->rows[i].key;
    p->records = xcalloc(p->count + 1, sizeof(*p->records));
    return records_of_keys(db, t->source, keys, p->count, p->records, e);
}

int store_page(struct db *db, const struct table *t, const char *after, size_t limit,
               struct page *ret, struct error *e)
{
    struct page p = {0};
    struct error why = {""};
    int before = db->statement_ms;
    db->statement_ms = PAGE_MS;
    int r = read_page(db, t, after, limit, &p, &why);
    if (r == 0)
        r = read_records(db, t, &p, &why);
    db->statement_ms = before;
    if (r < 0) {
        page_done(&p);
        return error_set(e, r, "job %s: reading %s: %s", t->job, t->name, why.text);
    }
    p.last = p.count < limit;
    *ret = p;
    return 0;
}

int store_first_row(struct db *db, const struct table *t, struct row *ret, bool *ret_found, struct error *e)
{
    struct page p = {0};
    struct error why = {""};
    int before = db->statement_ms;
    db->statement_ms = PAGE_MS;
    int r = read_page(db, t, NULL, 1, &p, &why);
    db->statement_ms = before;
    if (r < 0)
        return error_set(e, r, "job %s: reading %s: %s", t->job, t->name, why.text);
    *ret_found = p.count == 1;
    if (p.count == 1)
        row_copy(ret, &p.rows[0]);
    page_done(&p);
    return 0;
}

void page_done(struct page *p)
{
    for (size_t i = 0; p->records && i < p->count; i++)
        record_done(&p->records[i]);
    free(p->records);
    if (p->rows)
        rows_free(p->rows, p->count);
    memset(p, 0, sizeof(*p));
}

int store_row(struct db *db, const struct table *t, const char *key, struct row *ret_row,
              struct record *ret_record, bool *ret_known, struct error *e)
{
    struct row *rows = NULL;
    size_t count = 0;
    struct record known;
    int r = records_of_keys(db, t->source, &key, 1, &known, e);
    if (r < 0)
        return r;
    *ret_record = known;
    *ret_known = known.source != NULL;
    r = rows_of_keys(db, t, &key, 1, &rows, &count, e);
    if (r < 0) {
        record_done(ret_record);
        *ret_known = false;
        return r;
    }
    if (!count) {
        free(rows);
        return error_set(e, -ENOENT, "job %s: there is no record %.100s in %s", t->job, key, t->name);
    }
    *ret_row = rows[0];
    memset(&rows[0], 0, sizeof(rows[0]));
    rows_free(rows, count);
    return 0;
}
