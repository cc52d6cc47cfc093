/* SPDX-License-Identifier: MIT
 * The bare loop on SQLite: a batch is one transaction of prepared statements, synchronous=FULL as renewd's.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bare.h"

struct sqlite {
    sqlite3 *db;
    struct bare_options options;
    size_t written;
    sqlite3_stmt *read, *claim, *release, *update, *record, *history, *spent;
};

static void run(struct sqlite *s, const char *sql)
{
    if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        bare_fail(sql, sqlite3_errmsg(s->db));
}

static sqlite3_stmt *compiled(struct sqlite *s, const char *sql)
{
    sqlite3_stmt *out;

    if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &out, NULL) != SQLITE_OK)
        bare_fail(sql, sqlite3_errmsg(s->db));
    return out;
}

static void step(struct sqlite *s, sqlite3_stmt *what)
{
    int r = sqlite3_step(what);

    if (r != SQLITE_DONE && r != SQLITE_ROW)
        bare_fail("sqlite", sqlite3_errmsg(s->db));
    sqlite3_reset(what);
}

static void *open_sqlite(const char *where, const struct bare_options *o)
{
    struct sqlite *s = calloc(1, sizeof *s);

    s->options = *o;
    if (sqlite3_open(where, &s->db) != SQLITE_OK)
        bare_fail(where, sqlite3_errmsg(s->db));
    run(s,
        "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384");
    s->read = compiled(s, "SELECT id, refresh_token FROM tokens WHERE id = ?1");
    s->update = compiled(s, "UPDATE tokens SET access_token = ?3, refresh_token = coalesce(?5, refresh_token),"
                            " expires_at = ?4, refreshed_at = unixepoch(), last_error = NULL"
                            " WHERE id = ?1 AND refresh_token = ?2");
    s->claim = compiled(s, "INSERT INTO bare_claims (host, until, fingerprints) VALUES (1, 0, ?1)");
    s->release = compiled(s, "DELETE FROM bare_claims WHERE id = ?1");
    s->record = compiled(s, "UPDATE bare_records SET generation = generation + 1, hash = ?2, fingerprint = ?3,"
                            " expires_at = ?4, refreshed_at = ?4, due_at = ?4, ok_at = ?4 WHERE id = ?1");
    s->history = compiled(s, "INSERT INTO bare_history (record, host, outcome, finished, spent, brought)"
                             " VALUES (?1, 1, 1, ?4, ?2, ?3)");
    s->spent = compiled(s, "INSERT INTO bare_spent (fingerprint, record, replaced) VALUES (?2, ?1, ?4)");
    return s;
}

static size_t due_sqlite(void *ctx, int64_t **ret_ids)
{
    struct sqlite *s = ctx;
    sqlite3_stmt *q = compiled(s, "SELECT id FROM tokens WHERE expires_at < unixepoch() ORDER BY expires_at");
    size_t count = 0, room = 1024;

    *ret_ids = calloc(room, sizeof **ret_ids);
    while (sqlite3_step(q) == SQLITE_ROW) {
        if (count == room)
            *ret_ids = realloc(*ret_ids, (room *= 2) * sizeof **ret_ids);
        (*ret_ids)[count++] = sqlite3_column_int64(q, 0);
    }
    sqlite3_finalize(q);
    return count;
}

static size_t read_sqlite(void *ctx, const int64_t *ids, size_t count, struct bare_row *ret_rows)
{
    struct sqlite *s = ctx;
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        sqlite3_bind_int64(s->read, 1, ids[i]);
        if (sqlite3_step(s->read) == SQLITE_ROW)
            ret_rows[found++] = (struct bare_row){ids[i], strdup((const char *)sqlite3_column_text(s->read, 1))};
        sqlite3_reset(s->read);
    }
    return found;
}

static int64_t claim_sqlite(void *ctx, const struct bare_row *rows, size_t count)
{
    struct sqlite *s = ctx;
    char *fingerprints = malloc(count * 16);

    for (size_t i = 0; i < count; i++)
        memcpy(fingerprints + 16 * i, rows[i].refresh_token + strlen(rows[i].refresh_token) - 16, 16);
    sqlite3_bind_blob(s->claim, 1, fingerprints, (int)count * 16, SQLITE_STATIC);
    step(s, s->claim);
    free(fingerprints);
    return sqlite3_last_insert_rowid(s->db);
}

static void release_sqlite(void *ctx, int64_t claim)
{
    struct sqlite *s = ctx;

    sqlite3_bind_int64(s->release, 1, claim);
    step(s, s->release);
}

/* The end of a token, which is as long and as little alike as a fingerprint in hexadecimal digits. */
static void bind_digest(sqlite3_stmt *to, int place, const char *token)
{
    size_t len = strlen(token);
    sqlite3_bind_text(to, place, token + (len > 32 ? len - 32 : 0), -1, SQLITE_STATIC);
}

static void write_promises(struct sqlite *s, const struct bare_result *r)
{
    sqlite3_stmt *all[] = {s->record, s->history, s->options.rotates ? s->spent : NULL};

    for (size_t i = 0; i < sizeof all / sizeof *all && all[i]; i++) {
        sqlite3_bind_int64(all[i], 1, r->id);
        bind_digest(all[i], 2, i == 0 ? r->access_token : r->spent);
        if (i != 2)
            bind_digest(all[i], 3, i == 0 && r->refresh_token ? r->refresh_token : r->access_token);
        sqlite3_bind_int64(all[i], 4, r->expires_at);
        step(s, all[i]);
    }
}

static void write_sqlite(void *ctx, const struct bare_result *results, size_t count)
{
    struct sqlite *s = ctx;

    run(s, "BEGIN IMMEDIATE");
    for (size_t i = 0; i < count; i++) {
        const struct bare_result *r = &results[i];
        sqlite3_bind_int64(s->update, 1, r->id);
        sqlite3_bind_text(s->update, 2, r->spent, -1, SQLITE_STATIC);
        sqlite3_bind_text(s->update, 3, r->access_token, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s->update, 4, r->expires_at);
        sqlite3_bind_text(s->update, 5, r->refresh_token, -1, SQLITE_STATIC); /* NULL: none */
        step(s, s->update);
        s->written += (size_t)sqlite3_changes(s->db);
        if (s->options.promises)
            write_promises(s, r);
    }
    run(s, "COMMIT");
}

static bool writing_sqlite(void *ctx, int *ret_fd)
{
    (void)ctx;
    *ret_fd = -1;
    return false;
}

static size_t written_sqlite(const void *ctx)
{
    const struct sqlite *s = ctx;
    return s->written;
}

static void close_sqlite(void *ctx)
{
    struct sqlite *s = ctx;
    sqlite3_stmt *all[] = {s->read, s->claim, s->release, s->update, s->record, s->history, s->spent};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        sqlite3_finalize(all[i]);
    sqlite3_close(s->db);
    free(s);
}

const struct bare_store bare_sqlite = {
    open_sqlite,  due_sqlite,     read_sqlite,    claim_sqlite, release_sqlite,
    write_sqlite, writing_sqlite, written_sqlite, close_sqlite,
};
