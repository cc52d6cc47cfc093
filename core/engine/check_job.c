/* SPDX-License-Identifier: MIT
 * See check_job.h. Every check that can still be made is made, so that all mistakes are reported at once.
 */
#include "core/engine/check_job.h"
#include "core/engine/commit/commit.h"
#include "core/engine/discover/discover.h"
#include "core/engine/rows/rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/db/schema_rights.h"
#include "core/engine/internal.h"
#include "core/rules/outcome.h"
#include "core/store/user_table_check.h"

enum { SENTENCE_MAX = 1400, GRANTS_MAX = 900, TOKEN_LETTERS = 2048, ERROR_LETTERS = 500, KEY_NAME_MAX = 80 };

struct asking {
    struct db *db;
    check_say *say;
    void *ctx;
    const char *job; /* NULL: the database itself */
    bool mistaken;
};

static void say(struct asking *a, enum check_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct asking *a, enum check_level level, const char *fmt, ...)
{
    char text[SENTENCE_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    a->mistaken |= level == CHECK_MISTAKE;
    a->say(a->ctx, level, a->job, text);
}

/* ---- the database itself ------------------------------------------------------------------------ */

/* Where no job seals, the key of fingerprints is all that is sealed. */
static void ask_fingerprint_key(struct asking *a, const struct keyring *ring)
{
    cleanup(free_p) char *wrong = NULL;
    struct error e = {""};

    if (keys_look(ring, a->db, &wrong, &e) < 0)
        say(a, CHECK_MISTAKE, "renewd's own tables cannot be read: %s", e.text);
    else if (wrong && keyring_key(ring, wrong))
        say(a, CHECK_MISTAKE, "the key \"%s\" of renewd.conf is not the one that this database was sealed with",
            wrong);
    else if (wrong)
        say(a, CHECK_MISTAKE,
            "renewd.conf has no key \"%s\", with which this database was sealed: put that key back into keys, "
            "behind the new one",
            wrong);
}

static void ask_keys(struct asking *a, const struct keyring *ring)
{
    for (size_t i = 0; i < keyring_count(ring); i++) {
        const char *id = keyring_id_at(ring, i);
        cleanup(free_p) char *value = NULL;
        char name[KEY_NAME_MAX];
        struct error e = {""};
        snprintf(name, sizeof name, "key:%s", id);
        int r = store_fact(a->db, name, NULL, &value, &e);
        if (r == 0 && keyring_check_verify(ring, id, value) < 0)
            say(a, CHECK_MISTAKE, "the key \"%s\" of renewd.conf is not the one that this database was sealed with",
                id);
        else if (r < 0 && r != -ENOENT)
            say(a, CHECK_MISTAKE, "renewd's own tables cannot be read: %s", e.text);
    }
    if (!a->mistaken)
        ask_fingerprint_key(a, ring);
}

static void ask_place(struct asking *a)
{
    cleanup(free_p) char *known = NULL, *here = NULL;
    struct error e = {""};

    if (store_fact(a->db, "place", NULL, &known, &e) == 0 && store_place(a->db, &here, &e) == 0 &&
        strcmp(known, here))
        say(a, CHECK_MISTAKE,
            "this database is a copy or was moved: it was in use at %s and is now at %s; renewd only reads "
            "it until `renewctl adopt`",
            known, here);
}

static void ask_migration(struct asking *a)
{
    cleanup(buf_done) struct buf grants = {0};
    struct error e = {""};

    int behind = store_behind(a->db, &e);
    if (behind < 0)
        say(a, CHECK_MISTAKE, "%s", e.text);
    if (behind <= 0)
        return;
    buf_init(&grants, GRANTS_MAX);
    if (rights_alter(a->db, &grants, &e) < 0)
        say(a, CHECK_MISTAKE, "the owners of renewd's own tables cannot be read: %s", e.text);
    else if (grants.len)
        say(a, CHECK_MISTAKE,
            "renewd's own tables are of an older version, and renewd's role may not bring them up to date: "
            "start this renewd once as their owner, or %s",
            grants.data);
    else
        say(a, CHECK_FINE,
            "renewd's own tables are of an older version; it brings them up to date at its next start");
}

void check_store(struct db *db, const struct config *c, check_say *sink, void *ctx)
{
    struct asking a = {.db = db, .say = sink, .ctx = ctx};
    cleanup(buf_done) struct buf grants = {0};
    struct error e = {""};

    buf_init(&grants, GRANTS_MAX);
    if (store_takes_writes(db, &e) < 0)
        say(&a, CHECK_MISTAKE, "%s; renewd refreshes nothing with it", e.text);
    int made = store_made(db, &e);
    if (made < 0 && made != -EACCES)
        say(&a, CHECK_MISTAKE, "renewd's own tables cannot be read: %s", e.text);
    if (rights_own(db, &grants, &e) < 0)
        say(&a, CHECK_MISTAKE, "the rights on renewd's own schema cannot be read: %s", e.text);
    else if (grants.len)
        say(&a, CHECK_MISTAKE, "renewd's role lacks rights on %s: %s",
            made ? "renewd's own schema" : "the database, in which it makes a schema of its own", grants.data);
    if (made == 0)
        say(&a, CHECK_FINE, "renewd's own tables are not there yet; it makes them at its first start");
    if (made > 0)
        ask_migration(&a);
    if (made <= 0 || a.mistaken)
        return;
    ask_keys(&a, c->keys);
    ask_place(&a);
}

/* ---- a job -------------------------------------------------------------------------------------- */

static void ask_lengths(struct asking *a, const struct job_config *c, const struct table *t,
                        const struct table_look *look)
{
    for (size_t i = 0; i < look->narrow_count; i++) {
        const struct column *column = look->narrow[i].column;
        int64_t most = look->narrow[i].letters, least = column->type == VALUE_SECRET              ? TOKEN_LETTERS
                                                        : strcmp(column->slot, "last_error") == 0 ? ERROR_LETTERS
                                                                                                  : 0;
        for (size_t k = 0; k < c->status_value_count && strcmp(column->slot, "status") == 0; k++)
            if (c->status_values[k].value && (int64_t)strlen(c->status_values[k].value) > most)
                say(a, CHECK_MISTAKE,
                    "column %s of %s holds at most %" PRId64 " characters, and the value \"%s\" of "
                    "status_values is longer",
                    column->name, t->name, most, c->status_values[k].value);
        if (most < least)
            say(a, CHECK_WARNING,
                "column %s of %s holds at most %" PRId64 " characters, and renewd writes longer values "
                "there: ALTER TABLE %s ALTER COLUMN %s TYPE text",
                column->name, t->name, most, t->name, column->name);
    }
}

static void ask_row_security(struct asking *a, const struct table *t, const struct table_look *look, bool any_row)
{
    cleanup(free_p) char *hidden = table_look_hidden(look, t, any_row);
    if (hidden)
        say(a, CHECK_MISTAKE, "%s", hidden);
    else if (look->row_security)
        say(a, CHECK_WARNING,
            "row security is on for %s: rows that no policy shows to renewd's role are not refreshed", t->name);
}

static void ask_values(struct asking *a, const struct job *j, const struct row *row)
{
    struct row_values v = {0};
    struct error e = {""};

    if (row_values_decrypt(j, row, &v, &e) < 0)
        say(a, CHECK_MISTAKE, "row %s of %s: %s", row->key, j->table->name, e.text);
    row_values_done(&v);
}

/* A wrong column may be empty in the first row and show what it is in another. */
static void ask_unfit(struct asking *a, const struct table *t, const struct row *first)
{
    struct row row = {0};
    struct error ignored = {""};
    bool found = false;

    if (!first->unfit && store_first_unfit(a->db, t, &row, &found, &ignored) == 0 && found)
        say(a, CHECK_MISTAKE, "row %s of %s: %s", row.key, t->name, row.unfit);
    row_done(&row);
}

/* Words that are written seldom, each told that the table refuses. */
static void ask_status_words(struct asking *a, const struct job *j, const struct row *row)
{
    for (size_t i = 0; i < j->config->status_value_count; i++) {
        const struct status_value *v = &j->config->status_values[i];
        struct error e = {""};
        if (store_rehearse_status(a->db, j->table, row->key, v->value, &e) < 0)
            say(a, CHECK_MISTAKE, "status_values.%s: %s", state_name(v->state), e.text);
    }
}

/* Rows of other tables that belong to this one. */
static void ask_also(struct asking *a, const struct job *j, const struct row *row)
{
    for (size_t i = 0; i < j->config->also_count; i++) {
        struct error e = {""};
        bool any = false;
        int r = status_columns_rehearse(a->db, j, row, i, &any, &e);
        if (r < 0)
            say(a, CHECK_MISTAKE, "%s", e.text);
        else if (r > 0 && !any)
            say(a, CHECK_WARNING,
                "also: %s has no row for row %s of %s (by column %s): nothing would be written there",
                j->config->also[i].table, row->key, j->table->name, j->config->also[i].from);
    }
}

/* The row is the best to try with that was found: where it lacks something, so do the others. */
static void say_read(struct asking *a, const struct job *j, const struct row *row, const struct table_look *look)
{
    const struct table *t = j->table;
    const char *credential = t->credential < 0 ? NULL : t->columns[t->credential].name;
    bool empty = !row_has_credential(t, row);

    say(a, CHECK_FINE, "%s: row %s was read%s%s%s", t->name, row->key, empty ? "" : " and opened",
        t->unwritten ? "" : ", its update rehearsed and rolled back", look->triggers ? " with its triggers" : "");
    if (row->outside)
        say(a, CHECK_WARNING,
            "%s: `only` leaves out row %s and all others that were looked at: nothing would be refreshed", t->name,
            row->key);
    else if (empty)
        say(a, CHECK_WARNING,
            "%s: row %s has no credential (column %s is empty), nor has another row that was looked at: nothing was opened, "
            "and nothing would be refreshed",
            t->name, row->key, credential);
}

static void ask_only(struct asking *a, const struct job *j)
{
    struct only_unheld found = {0};
    struct error ignored;

    if (only_unheld_look(a->db, j->config, j->table, &found, &ignored) < 0)
        return;
    if (found.text)
        say(a, found.doubtful ? CHECK_WARNING : CHECK_FINE, "%s", job_unnamed(j, found.text));
    if (found.unknown)
        say(a, CHECK_FINE, "%s", job_unnamed(j, found.unknown));
    only_unheld_done(&found);
}

static void ask_row(struct asking *a, struct job *j, const struct table_look *look)
{
    const struct table *t = j->table;
    struct error e = {""};
    struct row row = {0};
    bool found = false;

    int r = store_first_row(a->db, t, &row, &found, &e);
    if (r < 0) {
        say(a, CHECK_MISTAKE, "%s", job_unnamed(j, e.text));
        return;
    }
    ask_row_security(a, t, look, found);
    ask_only(a, j);
    if (!found) {
        say(a, a->mistaken ? CHECK_FINE : CHECK_WARNING,
            "%s has no row%s: there is nothing to read or to rehearse with", t->name,
            t->only_count ? " within `only`" : "");
        return;
    }
    ask_values(a, j, &row);
    ask_unfit(a, t, &row);
    if (store_rehearse(a->db, t, row.key, &e) < 0)
        say(a, CHECK_MISTAKE, "%s", job_unnamed(j, e.text));
    else
        ask_status_words(a, j, &row);
    ask_also(a, j, &row);
    if (!a->mistaken)
        say_read(a, j, &row, look);
    row_done(&row);
}

static void ask_table(struct asking *a, struct job *j)
{
    struct table_look look = {0};
    struct error e = {""};

    if (job_rights(a->db, j->config, j->table, true, &e) < 0)
        say(a, CHECK_MISTAKE, "%s", e.text);
    bool may_read = !a->mistaken;
    if (job_check_statements(a->db, j->config, &e) < 0)
        say(a, CHECK_MISTAKE, "%s", e.text);
    if ((store_made(a->db, &e) > 0 ? status_columns_check : status_columns_check_names)(a->db, j, &e) < 0)
        say(a, CHECK_MISTAKE, "%s", job_unnamed(j, e.text));
    if (j->table->own) {
        say(a, CHECK_FINE, "its records are in renewd's own table");
        return;
    }
    if (table_look(a->db, j->table, &look, &e) < 0)
        say(a, CHECK_MISTAKE, "%s cannot be read: %s", j->table->name, e.text);
    if (look.triggers)
        say(a, CHECK_FINE, "%s has triggers at UPDATE, which run with each refresh: %s", j->table->name,
            look.triggers);
    ask_lengths(a, j->config, j->table, &look);
    if (may_read)
        ask_row(a, j, &look);
    table_look_done(&look);
}

void check_job(struct db *db, struct config *c, struct job_config *config, check_say *sink, void *ctx)
{
    struct asking a = {.db = db, .say = sink, .ctx = ctx, .job = config->job};
    struct engine en = {.setup.config = c, .on = &engine_listeners};
    struct job j = {.engine = &en, .config = config};
    struct table_requirement wish;
    struct error e = {""};

    if (!config->enabled || config->mistake)
        return;
    status_columns_make(&j);
    job_wish(config, &wish);
    if (table_resolve(db, &wish, &j.table, &e) < 0) {
        say(&a, CHECK_MISTAKE, "%s", job_unnamed(&j, e.text));
    } else {
        job_map_slots(&j);
        ask_table(&a, &j);
    }
    table_free(j.table);
    free(j.slot_column);
    status_columns_free(&j);
}
