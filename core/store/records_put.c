/* SPDX-License-Identifier: MIT
 * Writes the results of discovery to renewd's own rows, unless another process changed them first. A page of them is
 * one statement: on PostgreSQL over arrays, on SQLite compiled once and run for each.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/db/parameters.h"
#include "core/store/record_row.h"
#include "core/store/store.h"

enum {
    SQL_MAX_BYTES = 256 * 1024,
    ARRAY_MAX = 64 * 1024 * 1024,
    TRIES = 3,
    PUT_MS = 5000, /* a whole page */
    KEY_COLUMN = 1,
    /* after those of the record: what it must be still */
    OLD_HASH = RECORD_COLUMNS,
    OLD_GENERATION,
    OLD_LAST_AT,
    SEEN_AT,
    VALUES
};

/* The parameters of one record's statement. */
struct values {
    const char *texts[VALUES];
    struct record_params params;
    char generation[24], last_at[24], seen_at[24];
};

static void values_of(const struct record_change *c, int64_t now, struct values *v)
{
    record_params(&c->now, &v->params);
    memcpy(v->texts, v->params.texts, sizeof(v->params.texts));
    snprintf(v->generation, sizeof(v->generation), "%" PRId64, c->old_generation);
    snprintf(v->last_at, sizeof(v->last_at), "%" PRId64, c->old_last_at);
    snprintf(v->seen_at, sizeof(v->seen_at), "%" PRId64, now);
    v->texts[OLD_HASH] = c->old_hash;
    v->texts[OLD_GENERATION] = v->generation;
    v->texts[OLD_LAST_AT] = v->last_at;
    v->texts[SEEN_AT] = v->seen_at;
}

/* ---- PostgreSQL: arrays ---- */

static bool is_number(const struct values *v, size_t column)
{
    return column > OLD_HASH || (column < RECORD_COLUMNS && v->texts[column] == v->params.numbers[column]);
}

static bool is_used(size_t column, bool insert)
{
    return column < RECORD_COLUMNS || (column == SEEN_AT) == insert;
}

static bool all_same(const struct values *list, size_t count, size_t column)
{
    const char *first = list[0].texts[column];
    for (size_t i = 1; i < count; i++) {
        const char *text = list[i].texts[column];
        if (text != first && (!text || !first || strcmp(text, first) != 0))
            return false;
    }
    return true;
}

static void put_element(const char *text, struct buf *array)
{
    if (!text) {
        buf_text(array, "NULL");
        return;
    }
    buf_char(array, '"');
    while (*text) {
        size_t plain = strcspn(text, "\"\\");
        buf_append(array, text, plain);
        text += plain;
        if (*text) {
            buf_char(array, '\\');
            buf_char(array, *text++);
        }
    }
    buf_char(array, '"');
}

static int array_of(const struct values *list, size_t count, size_t column, struct args *a)
{
    cleanup(buf_done) struct buf array = {0};
    buf_init(&array, ARRAY_MAX);
    buf_char(&array, '{');
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_char(&array, ',');
        put_element(list[i].texts[column], &array);
    }
    buf_char(&array, '}');
    return args_own(a, buf_steal(&array));
}

/* What a column's value is in SQL. Most columns of new records are alike: those are one parameter. The others are
 * arrays side by side: "from" gets the FROM item u of them. */
static void records_put_values(const struct values *list, size_t count, bool insert, struct args *a,
                               char ret[VALUES][24], struct buf *from)
{
    cleanup(buf_done) struct buf names = {0};
    buf_init(&names, SQL_MAX_BYTES);
    buf_text(from, "unnest(");
    for (size_t i = 0; i < VALUES; i++) {
        if (!is_used(i, insert))
            continue;
        const char *type = is_number(&list[0], i) ? "bigint" : "text";
        if (i != KEY_COLUMN && all_same(list, count, i)) {
            snprintf(ret[i], sizeof(ret[i]), "$%d::%s", args_text(a, list[0].texts[i]), type);
            continue;
        }
        buf_printf(from, "%s$%d::%s[]", names.len ? ", " : "", array_of(list, count, i, a), type);
        buf_printf(&names, "%sv%zu", names.len ? ", " : "", i);
        snprintf(ret[i], sizeof(ret[i]), "u.v%zu", i);
    }
    buf_printf(from, ") AS u(%s)", names.data);
}

static void put_insert(char values[VALUES][24], const char *from, struct buf *sql)
{
    buf_text(sql, "INSERT INTO {records} (");
    record_columns("", sql);
    buf_text(sql, ", seen_at) SELECT ");
    for (size_t i = 0; i < RECORD_COLUMNS; i++)
        buf_printf(sql, "%s, ", values[i]);
    buf_printf(sql, "%s FROM %s ON CONFLICT (source, rkey) DO NOTHING", values[SEEN_AT], from);
}

static void put_update(char values[VALUES][24], const char *from, struct buf *sql)
{
    buf_text(sql, "UPDATE {records} AS r SET ");
    for (size_t i = KEY_COLUMN + 1; i < RECORD_COLUMNS; i++)
        buf_printf(sql, "%s%s = %s", i > KEY_COLUMN + 1 ? ", " : "", record_column(i), values[i]);
    buf_printf(sql,
               " FROM %s WHERE r.source = %s AND r.rkey = %s AND r.hash = %s AND r.generation = %s"
               " AND r.last_at = %s",
               from, values[0], values[KEY_COLUMN], values[OLD_HASH], values[OLD_GENERATION], values[OLD_LAST_AT]);
}

static int put_by_arrays(struct db *db, const struct values *list, size_t count, bool insert, int64_t *put,
                         struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0}, from = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    char values[VALUES][24];
    buf_init(&sql, SQL_MAX_BYTES);
    buf_init(&from, SQL_MAX_BYTES);
    records_put_values(list, count, insert, &a, values, &from);
    (insert ? put_insert : put_update)(values, from.data, &sql);
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res == 0)
        *put += db_affected(r);
    return res;
}

/* ---- SQLite: one after the other ---- */

static int put_each(struct db *db, const struct values *list, size_t count, bool insert, int64_t *put,
                    struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    char values[VALUES][24];
    int64_t affected = 0;
    buf_init(&sql, SQL_MAX_BYTES);
    for (size_t i = 0; i < VALUES; i++)
        snprintf(values[i], sizeof(values[i]), "$%zu", i + 1);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < VALUES; k++)
            args_text(&a, list[i].texts[k]);
    if (insert) {
        buf_text(&sql, "INSERT INTO {records} (");
        record_columns("", &sql);
        buf_text(&sql, ", seen_at) VALUES (");
        for (size_t i = 0; i < RECORD_COLUMNS; i++)
            buf_printf(&sql, "%s, ", values[i]);
        buf_printf(&sql, "%s) ON CONFLICT (source, rkey) DO NOTHING", values[SEEN_AT]);
    } else {
        buf_text(&sql, "UPDATE {records} SET ");
        record_assignments(NULL, &sql);
        buf_printf(&sql, " WHERE source = $1 AND rkey = $2 AND hash = %s AND generation = %s AND last_at = %s",
                   values[OLD_HASH], values[OLD_GENERATION], values[OLD_LAST_AT]);
    }
    int res = db_exec_each(db, sql.data, a.params, VALUES, count, &affected, e);
    *put += affected;
    return res;
}

/* ---- */

/* Those that are new, or the others. */
static int put_those(struct db *db, const struct record_change *changes, size_t count, bool insert, int64_t *put,
                     struct error *e)
{
    cleanup(free_p) struct values *list = xcalloc(count + 1, sizeof(*list));
    size_t n = 0;
    int64_t now = clock_now();
    for (size_t i = 0; i < count; i++)
        if (changes[i].is_new == insert && (insert || !changes[i].recovery))
            values_of(&changes[i], now, &list[n++]);
    if (!n)
        return 0;
    return (db_is_postgresql(db) ? put_by_arrays : put_each)(db, list, n, insert, put, e);
}

static int records_put_all(struct db *db, const struct record_change *changes, size_t count, int64_t *ret_put,
                           struct error *e)
{
    int64_t put = 0;
    int r = db_begin(db, e);
    if (r < 0)
        return r;
    r = put_those(db, changes, count, true, &put, e);
    if (r == 0)
        r = put_those(db, changes, count, false, &put, e);
    if (r == 0)
        r = db_commit(db, e);
    db_rollback(db);
    if (r == 0)
        *ret_put = put;
    return r;
}

int store_records_put(struct db *db, const struct record_change *changes, size_t count, struct error *e)
{
    int64_t put = 0;
    int r = -EDEADLK, before = db->statement_ms;
    db->statement_ms = PUT_MS;
    for (int i = 0; r == -EDEADLK && i < TRIES; i++)
        r = records_put_all(db, changes, count, &put, e);
    db->statement_ms = before;
    return r < 0 ? r : (int)put;
}
