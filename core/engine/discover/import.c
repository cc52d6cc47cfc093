/* SPDX-License-Identifier: MIT
 * Import into renewd's own table: JSON lines, one record each, sealed before they reach the store. Either all lines
 * are imported or none.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/engine/discover/discover.h"
#include "core/engine/state/state.h"
#include "core/engine/rows/rows.h"
#include "core/json/json_mend.h"
#include "core/time/timestamp.h"

enum { ROWS_MAX = 100000 };

struct import_task {
    struct job *job;
    struct import_row *rows;
    size_t count;
    bool replace;
    size_t at;
    action_counted_done *done;
    void *ctx;
};

static void import_task_free(struct import_task *t)
{
    for (size_t i = 0; i < t->count; i++) {
        struct write *writes = (struct write *)(uintptr_t)t->rows[i].writes;
        for (size_t k = 0; k < t->rows[i].write_count; k++)
            wipe_free(writes[k].text);
        free(writes);
        free((char *)(uintptr_t)t->rows[i].id);
        free((char *)(uintptr_t)t->rows[i].account);
    }
    free(t->rows);
    free(t);
}

static const struct renewd_slot *slot_named(const struct job *j, const char *name)
{
    int i = plugin_slot(j->config->plugin, name);
    return i < 0 ? NULL : plugin_descriptor(j->config->plugin)->slots[i];
}

/* A time may be Unix seconds or RFC 3339. */
static int time_text(const struct json *doc, const char *path, char **ret)
{
    int64_t at;
    const char *text = NULL;
    if (json_integer(doc, path, &at) < 0 &&
        (json_text(doc, path, &text, NULL) < 0 || timestamp_parse(text, &at, NULL) < 0))
        return -EINVAL;
    *ret = xasprintf("%" PRId64, at);
    return 0;
}

static int member_value(const struct job *j, const char *id, const struct renewd_slot *s, const struct json *doc,
                        const char *path, struct write *w, struct error *e)
{
    int res;
    const char *text = NULL;
    w->column = table_column(j->table, s->name);
    if (json_kind(doc, path) == JSON_NULL)
        return 0;
    if (s->type == RENEWD_TIME)
        res = time_text(doc, path, &w->text);
    else if (s->type == RENEWD_INTEGER)
        res = json_digits(doc, path, &w->text);
    else {
        res = json_text(doc, path, &text, NULL);
        if (res >= 0)
            res = row_value_seal(j, id, s->name, text, strlen(text), s->type == RENEWD_SECRET, &w->text);
    }
    if (res < 0)
        return error_set(e, -EINVAL, "%s must be %s", s->name,
                         s->type == RENEWD_TIME      ? "a time: RFC 3339 or Unix seconds"
                         : s->type == RENEWD_INTEGER ? "an integer"
                                                     : "a text, without NUL");
    w->len = strlen(w->text);
    return 0;
}

static int take_members(const struct job *j, const struct json *doc, const char *id, struct write *writes,
                        size_t *ret_count, struct error *e)
{
    const char *name;
    size_t n = 0;
    for (size_t i = 0; json_member(doc, "", i, &name); i++) {
        if (strcmp(name, "id") == 0 || strcmp(name, "account") == 0)
            continue;
        const struct renewd_slot *s = slot_named(j, name);
        if (!s)
            return error_set(e, -EINVAL,
                             "unknown member \"%.60s\"; known are id, account and the slots that "
                             "`renewctl describe %s` lists",
                             name, j->config->plugin_name);
        cleanup(free_p) char *path = json_path_escape(name);
        int res = member_value(j, id, s, doc, path, &writes[n], e);
        *ret_count = n + 1;
        if (res < 0)
            return res;
        n++;
    }
    *ret_count = n;
    return 0;
}

static int check_required(const struct job *j, const struct write *writes, size_t count, struct error *e)
{
    const struct renewd_slot *const *slots = plugin_descriptor(j->config->plugin)->slots;
    for (; *slots; slots++) {
        if (!(*slots)->credential)
            continue;
        bool there = false;
        for (size_t i = 0; i < count; i++)
            there = there || (writes[i].column == table_column(j->table, (*slots)->name) && writes[i].text);
        if (!there)
            return error_set(e, -EINVAL, "%s is missing: it is what a refresh presents", (*slots)->name);
    }
    return 0;
}

static int import_take_line(struct import_task *t, const char *line, size_t len, struct error *e)
{
    cleanup(json_free_p) struct json *doc = NULL;
    size_t offset = 0;
    int parsed = json_parse(line, len, &doc, &offset);
    if (parsed < 0)
        return error_set(e, -EINVAL, "%s", json_fault("it", line, len, parsed, offset).why);
    if (json_kind(doc, "") != JSON_OBJECT)
        return error_set(e, -EINVAL, "a record is a JSON object");
    cleanup(free_p) char *digits = NULL;
    const char *id = NULL, *account = NULL;
    if (json_text(doc, "id", &id, NULL) < 0 && json_digits(doc, "id", &digits) >= 0)
        id = digits;
    if (!id || !*id || strlen(id) > 500)
        return error_set(e, -EINVAL, "id must be a text of 1 to 500 bytes");
    if (json_kind(doc, "account") != JSON_ABSENT && json_kind(doc, "account") != JSON_NULL &&
        json_text(doc, "account", &account, NULL) < 0)
        return error_set(e, -EINVAL, "account must be a text");
    size_t members = 0;
    const char *name;
    while (json_member(doc, "", members, &name))
        members++;
    struct import_row *row = &t->rows[t->count++];
    struct write *writes = xcalloc(members + 1, sizeof *writes);
    row->id = xstrdup(id);
    row->account = xstrdup_or_null(account);
    row->writes = writes;
    int res = take_members(t->job, doc, id, writes, &row->write_count, e);
    return res < 0 ? res : check_required(t->job, writes, row->write_count, e);
}

static int take_lines(struct import_task *t, const char *lines, size_t len, struct error *e)
{
    size_t number = 0;
    for (const char *p = lines, *end = lines + len; p < end;) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        size_t n = eol ? (size_t)(eol - p) : (size_t)(end - p);
        number++;
        if (n && strspn(p, " \t\r") < n) {
            if (t->count >= ROWS_MAX)
                return error_set(e, -E2BIG, "more than %d records in one import", ROWS_MAX);
            t->rows = xrealloc(t->rows, (t->count + 1) * sizeof *t->rows);
            memset(&t->rows[t->count], 0, sizeof *t->rows);
            struct error why;
            int res = import_take_line(t, p, n, &why);
            if (res < 0)
                return error_set(e, res, "line %zu: %s; nothing was imported", number, why.text);
        }
        p = eol ? eol + 1 : end;
    }
    if (!t->count)
        return error_set(e, -ENODATA, "there is no record in it");
    return 0;
}

static int import_work(struct db *db, void *arg, struct error *e)
{
    struct import_task *t = arg;
    return store_import(db, t->job->table, t->rows, t->count, t->replace, clock_now(), &t->at, e);
}

static void import_done(void *arg, int result, const struct error *e)
{
    struct import_task *t = arg;
    struct job *j = t->job;
    struct error why = *e;
    if (result == -EEXIST)
        error_set(&why, result,
                  "a record with the id \"%s\" is there already; --replace overwrites it; "
                  "nothing was imported",
                  t->rows[t->at].id);
    t->done(t->ctx, result < 0 ? 0 : (int64_t)t->count, result, why.text);
    if (result >= 0)
        discovery_start(j, true);
    import_task_free(t);
}

void engine_import(struct engine *e, struct job *j, const char *lines, size_t len, bool replace,
                   action_counted_done *done, void *ctx)
{
    struct error err;
    if (!engine_store_up(e) || !j->table) {
        done(ctx, 0, e->phase == ENGINE_READ_ONLY ? -EROFS : -ENOTCONN,
             e->phase == ENGINE_READ_ONLY ? e->store_why
             : j->held                    ? j->held
                                          : "the database is not available");
        return;
    }
    if (!j->table->own) {
        done(ctx, 0, -EINVAL,
             "this job keeps rows of its own application's table (records in its file); "
             "rows are imported only into renewd's own table");
        return;
    }
    struct import_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->replace = replace;
    t->done = done;
    t->ctx = ctx;
    int res = take_lines(t, lines, len, &err);
    if (res < 0) {
        done(ctx, 0, res, err.text);
        import_task_free(t);
        return;
    }
    engine_async(e, import_work, t, import_done);
}
