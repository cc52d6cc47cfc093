/* SPDX-License-Identifier: MIT
 * Reads for discovery: pages of a job's table in key order, or one row, each with renewd's record of it. Decides
 * nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/map.h"
#include "core/rules/ident.h"
#include "core/store/user_rows.h"

enum { LOOKED_AT = 1000, PAGE_MS = 5000, ALONE_MS = 1000 };

static int discover_read_page(struct db *db, const struct table *t, const char *after, size_t limit, struct page *p,
                              struct error *e)
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

static int read_key_list(struct db *db, const struct table *t, const char *after, size_t limit, struct row **ret,
                         size_t *ret_count, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0}, key = {0};
    struct table bare = *t;
    bare.column_count = 0;
    bare.status = -1;
    bare.only_count = 0;
    buf_init(&sql, ROWS_SQL_MAX);
    buf_init(&key, 256);
    ident_quote(t->key, &key);
    rows_begin(db, &bare, &a, &sql);
    row_put_filter(t, ROW_TABLE, &a, &sql);
    if (after)
        buf_printf(&sql, " AND %s > $%d", key.data, args_text(&a, after));
    buf_printf(&sql, " ORDER BY renewd_t.%s LIMIT %zu", key.data, limit);
    return rows_read(db, &bare, &a, sql.data, ret, ret_count, e);
}

/* A page that cannot be read as a whole: first its keys, then the rows that can be read; the others are named. */
static int read_in_parts(struct db *db, const struct table *t, const char *after, size_t limit, struct page *p,
                         struct error *e)
{
    struct row *bare = NULL, *rows = NULL;
    size_t count = 0, some = 0;
    int r = read_key_list(db, t, after, limit, &bare, &count, e);
    if (r < 0)
        return r;
    cleanup(free_p) const char **keys = xcalloc(count + 1, sizeof(*keys));
    for (size_t i = 0; i < count; i++)
        keys[i] = bare[i].key;
    db->statement_ms = ALONE_MS;
    r = count ? rows_of_keys(db, t, keys, count, &rows, &some, e) : 0;
    p->rows = xcalloc(count + 1, sizeof(*p->rows));
    for (size_t i = 0; i < count && r == 0; i++) /* in the order of the keys, which only the database knows */
        for (size_t k = 0; k < some; k++)
            if (rows[k].key && !strcmp(rows[k].key, keys[i])) {
                p->rows[p->count++] = rows[k];
                memset(&rows[k], 0, sizeof(rows[k]));
                break;
            }
    p->last = count < limit;
    p->parted = true;
    p->next = count ? xstrdup(keys[count - 1]) : NULL;
    rows_free(rows, some);
    rows_free(bare, count);
    return r;
}

static int read_records(struct db *db, const struct table *t, struct page *p, struct error *e)
{
    cleanup(free_p) const char **keys = xcalloc(p->count + 1, sizeof(*keys));
    for (size_t i = 0; i < p->count; i++)
        keys[i] = p->rows[i].key;
    p->records = xcalloc(p->count + 1, sizeof(*p->records));
    int r = records_of_keys(db, t->source, keys, p->count, p->records, e);
    for (size_t i = 0; i < p->count && r == 0; i++)
        row_own_instants(t, &p->rows[i], &p->records[i]);
    return r;
}

int store_page(struct db *db, const struct table *t, const char *after, size_t limit, struct page *ret,
               struct error *e)
{
    struct page p = {0};
    struct error why = {""};
    int before = db->statement_ms;
    db->statement_ms = PAGE_MS;
    db->timed = true;
    int r = discover_read_page(db, t, after, limit, &p, &why);
    if (rows_one_of(db, r))
        r = read_in_parts(db, t, after, limit, &p, &why);
    db->timed = false;
    db->statement_ms = before;
    if (r == 0)
        r = read_records(db, t, &p, &why);
    if (r < 0) {
        page_done(&p);
        return error_set(e, r, "job %s: reading %s: %s", t->job, t->name, why.text);
    }
    if (!p.parted)
        p.last = p.count < limit;
    if (!after)
        p.lengths = rows_of_lengths(t, p.rows, p.count);
    if (!p.parted && p.count)
        p.next = xstrdup(p.rows[p.count - 1].key);
    *ret = p;
    return 0;
}

static int read_first(struct db *db, const struct table *t, size_t limit, struct page *p, struct error *e)
{
    struct error why = {""};
    int before = db->statement_ms;
    db->statement_ms = PAGE_MS;
    int r = discover_read_page(db, t, NULL, limit, p, &why);
    db->statement_ms = before;
    return r < 0 ? error_set(e, r, "job %s: reading %s: %s", t->job, t->name, why.text) : 0;
}

bool row_has_credential(const struct table *t, const struct row *row)
{
    return t->credential < 0 || row->cells[t->credential].len > 0;
}

/* How much of what a refresh does can be tried with it. */
static int worth(const struct table *t, const struct row *row)
{
    return row->outside ? 0 : row->unfit || !row_has_credential(t, row) ? 1 : 2;
}

int store_first_row(struct db *db, const struct table *t, struct row *ret, bool *ret_found, struct error *e)
{
    struct page p = {0};
    size_t best = 0;
    int r = read_first(db, t, LOOKED_AT, &p, e);
    if (rows_one_of(db, r))
        r = read_first(db, t, 1, &p, e);
    if (r < 0)
        return r;
    for (size_t i = 1; i < p.count; i++)
        if (worth(t, &p.rows[i]) > worth(t, &p.rows[best]))
            best = i;
    *ret_found = p.count > 0;
    if (p.count)
        row_copy(ret, &p.rows[best]);
    page_done(&p);
    return 0;
}

int store_first_unfit(struct db *db, const struct table *t, struct row *ret, bool *ret_found, struct error *e)
{
    struct page p = {0};
    int r = read_first(db, t, LOOKED_AT, &p, e);
    *ret_found = false;
    if (r < 0)
        return r;
    for (size_t i = 0; i < p.count && !*ret_found; i++)
        if (p.rows[i].unfit && !p.rows[i].outside) {
            row_copy(ret, &p.rows[i]);
            *ret_found = true;
        }
    page_done(&p);
    return 0;
}

int store_long_keys(struct db *db, const struct table *t, struct page *p, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *found = NULL;
    if (!row_key_may_be_long(db, t))
        return 0;
    buf_init(&sql, ROWS_SQL_MAX);
    buf_text(&sql, "SELECT count(*), min(substr(CAST(" ROW_TABLE);
    ident_quote(t->key, &sql);
    buf_text(&sql, " AS text), 1, 60)) FROM ");
    table_quoted(db, t, &sql);
    buf_text(&sql, " AS renewd_t WHERE ");
    row_put_key_length(db, t, &sql);
    buf_printf(&sql, " > %d", ROW_KEY_MAX);
    row_put_filter(t, ROW_TABLE, &a, &sql);
    int before = db->statement_ms;
    db->statement_ms = PAGE_MS;
    db->timed = true;
    int r = rows_exec(db, sql.data, &a, &found, e);
    db->timed = false;
    db->statement_ms = before;
    if (r < 0)
        return r;
    p->long_keys = db_integer(found, 0, 0);
    p->long_key = db_copy(found, 0, 1);
    return 0;
}

void page_done(struct page *p)
{
    for (size_t i = 0; p->records && i < p->count; i++)
        record_done(&p->records[i]);
    free(p->records);
    free(p->next);
    free(p->lengths);
    free(p->long_key);
    if (p->rows)
        rows_free(p->rows, p->count);
    memset(p, 0, sizeof(*p));
}

static void known_rows_add(const struct table *t, const char *const *keys, size_t count, struct row *rows,
                           size_t row_count, struct known_row *ret)
{
    struct map *at = map_new();
    for (size_t i = 0; i < count; i++)
        map_put(at, keys[i], &ret[i]);
    for (size_t i = 0; i < row_count; i++) {
        /* one may be named otherwise than the row spells it: "007" of a bigint */
        struct known_row *k = count == 1 ? ret : map_get(at, rows[i].key);
        if (!k || k->row.key)
            continue;
        k->row = rows[i];
        row_own_instants(t, &k->row, &k->record);
        memset(&rows[i], 0, sizeof(rows[i]));
    }
    map_free(at, NULL);
}

int store_rows(struct db *db, const struct table *t, const char *const *keys, size_t count, struct known_row *ret,
               struct error *e)
{
    struct row *rows = NULL;
    size_t row_count = 0;
    cleanup(free_p) struct record *records = xcalloc(count + 1, sizeof(*records));
    memset(ret, 0, count * sizeof(*ret));
    int r = records_of_keys(db, t->source, keys, count, records, e);
    for (size_t i = 0; r == 0 && i < count; i++)
        ret[i].record = records[i];
    if (r == 0 && count)
        r = rows_of_keys(db, t, keys, count, &rows, &row_count, e);
    if (r == 0)
        known_rows_add(t, keys, count, rows, row_count, ret);
    rows_free(rows, row_count);
    return r;
}

static void known_row_done(struct known_row *k)
{
    row_done(&k->row);
    record_done(&k->record);
}

void known_rows_free(struct known_row *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        known_row_done(&list[i]);
    free(list);
}

int store_row(struct db *db, const struct table *t, const char *key, struct row *ret_row, struct record *ret_record,
              bool *ret_known, struct error *e)
{
    struct known_row one;
    int r = store_rows(db, t, &key, 1, &one, e);
    if (r < 0) {
        known_row_done(&one);
        return r;
    }
    *ret_record = one.record;
    *ret_known = one.record.source != NULL;
    if (!one.row.key)
        return error_set(e, -ENOENT, "job %s: there is no record %.100s in %s", t->job, key, t->name);
    *ret_row = one.row;
    return 0;
}
