/* SPDX-License-Identifier: MIT
 * See sources.h. The first job of a table has its plain name, "TABLE/COLUMN"; others get a number behind it.
 */
#include "core/store/sources.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/crypto/crypto.h"
#include "core/crypto/encoding.h"
#include "core/db/db.h"

enum { TRIES = 5, GROUP_SIZE = 2 * CRYPTO_HASH + 1 };

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int by_column(const void *a, const void *b)
{
    return strcmp((*(const struct only *const *)a)->column, (*(const struct only *const *)b)->column);
}

static void hash_on(unsigned char io[CRYPTO_HASH], const char *text)
{
    crypto_hash_on(io, text, strlen(text) + 1);
}

static void hash_rule(unsigned char io[CRYPTO_HASH], const struct only *o)
{
    size_t count = 0;
    while (o->values[count])
        count++;
    cleanup(free_p) char **sorted = xmemdup(o->values, (count + 1) * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_text);
    hash_on(io, o->column);
    for (size_t i = 0; i < count; i++)
        hash_on(io, sorted[i]);
    hash_on(io, "");
}

/* Which rows the job takes, as one text whatever the order in which its file names them. */
static void group_of(const struct table *t, char ret[GROUP_SIZE])
{
    unsigned char hash[CRYPTO_HASH] = {0};
    cleanup(buf_done) struct buf hex = {0};
    cleanup(free_p) const struct only **sorted = xcalloc(t->only_count + 1, sizeof *sorted);
    for (size_t i = 0; i < t->only_count; i++)
        sorted[i] = &t->only[i];
    qsort(sorted, t->only_count, sizeof *sorted, by_column);
    for (size_t i = 0; i < t->only_count; i++)
        if (!sorted[i]->is_status)
            hash_rule(hash, sorted[i]);
    ret[0] = '\0';
    buf_init(&hex, GROUP_SIZE);
    if (hex_encode(&hex, hash, CRYPTO_HASH) == 0)
        memcpy(ret, hex.data, GROUP_SIZE);
}

static int read_all(struct db *db, const char *base, struct db_result **ret, struct error *e)
{
    return db_run(db, "SELECT source, job, rows_of FROM {sources} WHERE base = $1 ORDER BY source", &base, 1, ret,
                  e);
}

/* That of this job; else that of the same rows, for a job that was renamed. Its index, or -1. */
static int find(const struct db_result *r, const char *job, const char *group)
{
    for (int column = 1; column <= 2; column++)
        for (size_t i = 0; i < db_rows(r); i++)
            if (strcmp(db_text(r, i, (size_t)column), column == 1 ? job : group) == 0)
                return (int)i;
    return -1;
}

static bool is_taken(const struct db_result *r, const char *source)
{
    for (size_t i = 0; i < db_rows(r); i++)
        if (strcmp(db_text(r, i, 0), source) == 0)
            return true;
    return false;
}

/* Records of an older renewd, which knew one job of a table. */
static int holds_others(struct db *db, const char *base, const char *job, bool *ret, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(db, "SELECT job FROM {records} WHERE source = $1 LIMIT 1", &base, 1, &r, e);
    *ret = res == 0 && db_rows(r) && strcmp(db_text(r, 0, 0), job) != 0;
    return res;
}

static int choose(struct db *db, const struct table *t, const struct db_result *r, bool shares, char **ret,
                  struct error *e)
{
    bool others = false;
    int res = shares && !is_taken(r, t->base) ? holds_others(db, t->base, t->job, &others, e) : 0;
    if (res < 0)
        return res;
    if (!shares || (!others && !is_taken(r, t->base))) {
        *ret = xstrdup(t->base);
        return 0;
    }
    for (int n = 2; !*ret; n++) {
        char *source = xasprintf("%s?%d", t->base, n);
        if (is_taken(r, source))
            free(source);
        else
            *ret = source;
    }
    return 0;
}

static int write_down(struct db *db, const struct table *t, const char *source, const char *group, bool known,
                      struct error *e)
{
    const char *texts[] = {source, t->base, t->job, group};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(db,
                     known ? "UPDATE {sources} SET job = $3, rows_of = $4 WHERE source = $1 AND base = $2"
                           : "INSERT INTO {sources} (source, base, job, rows_of) VALUES ($1, $2, $3, $4)"
                             " ON CONFLICT (source) DO NOTHING",
                     texts, 4, &r, e);
    return res < 0 ? res : db_affected(r) == 1 ? 0 : -EAGAIN;
}

static void give(struct table *t, const char *source)
{
    free(t->source);
    t->source = xstrdup(source);
}

/* 1: it is written down as it is. */
static int look_up(struct db *db, struct table *t, const char *group, struct db_result **ret, int *ret_at,
                   struct error *e)
{
    int res = read_all(db, t->base, ret, e);
    if (res < 0)
        return res;
    int at = *ret_at = find(*ret, t->job, group);
    if (at < 0 || strcmp(db_text(*ret, (size_t)at, 1), t->job) != 0 ||
        strcmp(db_text(*ret, (size_t)at, 2), group) != 0)
        return 0;
    give(t, db_text(*ret, (size_t)at, 0));
    return 1;
}

static int take(struct db *db, struct table *t, bool shares, const char *group, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    cleanup(free_p) char *source = NULL;
    int at = -1, res = look_up(db, t, group, &r, &at, e);
    if (res != 0)
        return res < 0 ? res : 0;
    if (at >= 0)
        source = xstrdup(db_text(r, (size_t)at, 0));
    else
        res = choose(db, t, r, shares, &source, e);
    if (res == 0)
        res = write_down(db, t, source, group, at >= 0 || is_taken(r, source), e);
    if (res == 0)
        give(t, source);
    return res;
}

int store_source_take(struct db *db, struct table *t, bool shares, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *known = NULL;
    char group[GROUP_SIZE];
    int at = -1;
    if (!t->base)
        return 0;
    group_of(t, group);
    int r = look_up(db, t, group, &known, &at, e);
    if (r != 0)
        return r < 0 ? r : 0;
    r = -EAGAIN;
    for (int i = 0; r == -EAGAIN && i < TRIES; i++) {
        r = db_begin(db, e);
        if (r == 0)
            r = take(db, t, shares, group, e);
        if (r == 0)
            r = db_commit(db, e);
        db_rollback(db);
    }
    return r == -EAGAIN
               ? error_set(e, -EBUSY, "job %s: other hosts name the sources of its table at this moment", t->job)
               : r;
}

int store_source_find(struct db *db, struct table *t, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    char group[GROUP_SIZE];
    int res = t->base ? read_all(db, t->base, &r, e) : 0;
    if (res < 0 || !t->base)
        return res;
    group_of(t, group);
    int at = find(r, t->job, group);
    if (at >= 0)
        give(t, db_text(r, (size_t)at, 0));
    return 0;
}
