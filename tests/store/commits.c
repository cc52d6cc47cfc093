/* SPDX-License-Identifier: MIT
 * See commits.h.
 */
#include "tests/store/commits.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"

void account_put(struct db *db, const char *table, const char *id, const char *expires_sql)
{
    kit_sql(db,
            "INSERT INTO \"%s\" (\"id\", account, access_token, refresh_token, expires_at, status)"
            " VALUES ('%s', 'Account %s', 'access-%s', 'refresh-%s', %s, 'connected')",
            table, id, id, id, id, expires_sql);
}

static void known(struct db *db, struct commit *c)
{
    const struct record *r = &c->before;

    kit_sql(db,
            "INSERT INTO {records} (source, rkey, job, state, generation, fingerprint, due_at, point)"
            " VALUES ('%s', '%s', 'kit', 1, 1, '%s', 5, 5) ON CONFLICT (source, rkey) DO NOTHING",
            r->source, r->key, r->fingerprint);
    kit_sql(db,
            "INSERT INTO {credentials} (fingerprint, plugin, lease_host, lease_incarnation,"
            " attempt_id, lease_until) VALUES ('%s', 'oauth2', 'host', 'life', '%s', 99)"
            " ON CONFLICT (fingerprint) DO UPDATE SET attempt_id = excluded.attempt_id",
            r->fingerprint, c->attempt_id);
}

struct commit *commit_of(struct db *db, const struct table *t, const char *id, const char *attempt)
{
    struct commit *c = commit_new();
    struct record ignored = {0};
    struct error e = {{0}};
    bool is_known = false;

    snprintf(c->attempt_id, sizeof(c->attempt_id), "%s", attempt);
    c->run_id = 7;
    c->plugin = xstrdup("oauth2");
    c->host = xstrdup("host");
    c->incarnation = xstrdup("life");
    c->table = t;
    if (store_row(db, t, id, &c->row, &ignored, &is_known, &e) < 0)
        printf("# reading row %s: %s\n", id, e.text);
    record_done(&ignored);
    c->before.source = xstrdup(t->source);
    c->before.key = xstrdup(id);
    c->before.job = xstrdup("kit");
    c->before.state = STATE_OK;
    c->before.generation = 1;
    c->before.due_at = c->before.point = 5;
    snprintf(c->before.fingerprint, FINGERPRINT_SIZE, "fp-%s", id);
    snprintf(c->before.hash, FINGERPRINT_SIZE, "%s", c->row.hash);
    record_copy(&c->after, &c->before);
    c->outcome = OUTCOME_OK;
    c->http_status = 200;
    c->started_at = 1000;
    c->finished_at = 1001;
    c->release = true;
    known(db, c);
    return c;
}

void commit_put(struct commit *c, const char *slot, const char *text)
{
    c->writes = xrealloc(c->writes, (c->write_count + 1) * sizeof(*c->writes));
    struct write *w = &c->writes[c->write_count++];
    *w = (struct write){0};
    w->column = table_column(c->table, slot);
    w->text = text ? xstrdup(text) : NULL;
    w->len = text ? strlen(text) : 0;
    c->touches_row = true;
}

void commit_new_pair(struct commit *c, int64_t expires_at)
{
    char text[128];

    snprintf(text, sizeof(text), "access-new-%s", c->before.key);
    commit_put(c, "access_token", text);
    snprintf(text, sizeof(text), "refresh-new-%s", c->before.key);
    commit_put(c, "refresh_token", text);
    snprintf(text, sizeof(text), "%lld", (long long)expires_at);
    commit_put(c, "expires_at", text);
    c->replaces = true;
    c->sealed_pair = xstrdup("r1.key.sealed");
    c->after.generation++;
    c->after.expires_at = expires_at;
    c->after.due_at = c->after.point = expires_at - 60;
    snprintf(c->after.fingerprint, FINGERPRINT_SIZE, "fp-new-%s", c->before.key);
}

void commit_failure(struct commit *c, int outcome, const char *text)
{
    c->outcome = outcome;
    c->http_status = 400;
    c->code = xstrdup("invalid_grant");
    c->text = xstrdup(text);
    c->after.state = state_after(outcome);
    c->after.attempts = 1;
    c->after.last_outcome = outcome;
    c->after.last_text = xstrdup(text);
    commit_put(c, "last_error", text);
}

static struct commit_effect *effect_new(struct commit *c, int kind, const char *name)
{
    c->effects = xrealloc(c->effects, (c->effect_count + 1) * sizeof(*c->effects));
    struct commit_effect *f = &c->effects[c->effect_count++];
    memset(f, 0, sizeof(*f));
    f->kind = kind;
    f->name = xstrdup(name);
    return f;
}

void commit_once(struct commit *c, const char *key)
{
    effect_new(c, EFFECT_ONCE, key);
}

enum { PARAMETERS_MAX = 6 };

void commit_run(struct commit *c, const char *name, const char *sql, int rows, ...)
{
    struct commit_effect *f = effect_new(c, EFFECT_RUN, name);
    va_list list;

    f->sql = sql;
    f->rows = rows;
    f->bound = xcalloc(PARAMETERS_MAX, sizeof(*f->bound));
    va_start(list, rows);
    for (int type = va_arg(list, int); type && f->bound_count < PARAMETERS_MAX; type = va_arg(list, int)) {
        struct bound *b = &f->bound[f->bound_count++];
        const char *text = va_arg(list, const char *);
        b->type = type;
        b->form = kit_postgresql() ? FORM_TIMESTAMPTZ : FORM_UNIX;
        b->text = text ? xstrdup(text) : NULL;
    }
    va_end(list);
}

int commit_one(struct db *db, struct commit *c)
{
    struct error e = {{0}};
    int r = store_commit(db, &c, 1, &e);

    if (r < 0)
        printf("# store_commit: %d %s\n", r, e.text);
    else if (c->result == COMMIT_REJECTED || c->result == COMMIT_ROWS)
        printf("# refused: %s\n", c->why);
    return r < 0 ? r : c->result;
}
