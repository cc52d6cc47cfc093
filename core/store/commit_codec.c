/* SPDX-License-Identifier: MIT
 * Converts a commit to text, for the spool and for parked pairs, and back. The text is JSON with every string in
 * base64: a key or a token is bytes, and comes back as the same bytes. Buffers are wiped.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/secret.h"
#include "core/crypto/encoding.h"
#include "core/json/json.h"
#include "core/store/record_row.h"
#include "core/store/store.h"

enum { VERSION = 1, LIST_MAX = 10000, PATH_MAX_LEN = 128, CELL_MAX = 16 * 1024 };

/* ---- writing ---- */

static void codec_put(struct json_writer *w, const char *name, const char *text, size_t len)
{
    cleanup(buf_done) struct buf b64 = {0};

    if (!text) {
        json_put_null(w, name);
        return;
    }
    buf_init(&b64, JSON_TEXT_MAX);
    buf_text(&b64, "");
    if (base64_encode(&b64, text, len) < 0)
        w->error = w->error ? w->error : -ENOBUFS;
    else
        json_put_text_n(w, name, b64.data, b64.len);
}

static void put_text(struct json_writer *w, const char *name, const char *text)
{
    codec_put(w, name, text, text ? strlen(text) : 0);
}

/* What is absent reads as 0 or NULL, and most of a record is. */
static void put_record(struct json_writer *w, const char *name, const struct record *rec)
{
    struct record_params p;

    record_params(rec, &p);
    json_begin_object(w, name);
    for (size_t i = 0; i < RECORD_COLUMNS; i++)
        if (p.texts[i] && (p.texts[i] != p.numbers[i] || strcmp(p.texts[i], "0") != 0))
            put_text(w, record_column(i), p.texts[i]);
    json_end(w);
}

/* Leaves out very long values of the row, and all tokens except the one that identifies it. */
static bool is_kept(const struct commit *c, size_t i)
{
    if (!c->table || c->table->credential < 0 || (size_t)c->table->credential == i)
        return true;
    return c->table->columns[i].type != VALUE_SECRET && c->row.cells[i].len <= CELL_MAX;
}

static void codec_put_row(struct json_writer *w, const struct commit *c)
{
    const struct row *row = &c->row;

    json_begin_object(w, "row");
    put_text(w, "key", row->key);
    put_text(w, "hash", row->hash);
    json_put_bool(w, "outside", row->outside);
    json_begin_array(w, "cells");
    for (size_t i = 0; i < row->count; i++) {
        bool wanted = is_kept(c, i);
        json_begin_object(w, NULL);
        codec_put(w, "text", wanted ? row->cells[i].text : NULL, wanted ? row->cells[i].len : 0);
        put_text(w, "raw", row->cells[i].raw);
        json_end(w);
    }
    json_end(w);
    json_end(w);
}

static void put_slots(struct json_writer *w, const struct commit *c)
{
    json_begin_array(w, "slots");
    for (size_t i = 0; c->table && i < c->table->column_count; i++)
        put_text(w, NULL, c->table->columns[i].slot);
    for (size_t i = 0; !c->table && i < c->slot_count; i++)
        put_text(w, NULL, c->slots[i]);
    json_end(w);
}

static void put_writes(struct json_writer *w, const struct commit *c)
{
    json_begin_array(w, "writes");
    for (size_t i = 0; i < c->write_count; i++) {
        json_begin_object(w, NULL);
        json_put_integer(w, "column", c->writes[i].column);
        codec_put(w, "text", c->writes[i].text, c->writes[i].len);
        if (c->writes[i].plain)
            json_put_bool(w, "plain", true);
        json_end(w);
    }
    json_end(w);
}

static void put_effects(struct json_writer *w, const struct commit *c)
{
    json_begin_array(w, "effects");
    for (size_t i = 0; i < c->effect_count; i++) {
        const struct commit_effect *f = &c->effects[i];
        json_begin_object(w, NULL);
        json_put_integer(w, "kind", f->kind);
        put_text(w, "name", f->name);
        json_put_integer(w, "rows", f->rows);
        json_begin_array(w, "bound");
        for (size_t k = 0; k < f->bound_count; k++) {
            json_begin_object(w, NULL);
            json_put_integer(w, "type", f->bound[k].type);
            json_put_integer(w, "form", f->bound[k].form);
            put_text(w, "text", f->bound[k].text);
            json_end(w);
        }
        json_end(w);
        json_end(w);
    }
    json_end(w);
}

static void put_flags(struct json_writer *w, const struct commit *c)
{
    json_put_bool(w, "touches_row", c->touches_row);
    json_put_bool(w, "replaces", c->replaces);
    json_put_bool(w, "safe", c->safe);
    json_put_bool(w, "dead", c->dead);
    json_put_bool(w, "release", c->release);
}

int commit_to_text(const struct commit *c, char **ret_text, size_t *ret_len)
{
    cleanup(buf_done) struct buf out = {0};
    struct json_writer w;

    buf_init(&out, JSON_TEXT_MAX);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_put_integer(&w, "v", VERSION);
    put_text(&w, "attempt_id", c->attempt_id);
    json_put_integer(&w, "run_id", c->run_id);
    put_text(&w, "plugin", c->plugin);
    put_text(&w, "host", c->host);
    put_text(&w, "incarnation", c->incarnation);
    put_flags(&w, c);
    put_record(&w, "before", &c->before);
    put_record(&w, "after", &c->after);
    codec_put_row(&w, c);
    put_slots(&w, c);
    put_writes(&w, c);
    put_effects(&w, c);
    put_text(&w, "sealed_pair", c->sealed_pair);
    put_text(&w, "answer", c->answer);
    json_put_integer(&w, "outcome", c->outcome);
    json_put_integer(&w, "http_status", c->http_status);
    put_text(&w, "code", c->code);
    put_text(&w, "text", c->text);
    json_put_integer(&w, "started_at", c->started_at);
    json_put_integer(&w, "finished_at", c->finished_at);
    json_end(&w);
    int r = json_finish(&w);
    if (r < 0)
        return r;
    *ret_len = out.len;
    *ret_text = buf_steal(&out);
    return 0;
}

/* ---- reading: the first mistake is kept in `error`, everything after it reads as empty ---- */

struct reader {
    const struct json *doc;
    int error;
};

static char *get(struct reader *r, const char *path, size_t *ret_len)
{
    cleanup(buf_done) struct buf plain = {0};
    const char *b64 = NULL;
    size_t len = 0;

    if (ret_len)
        *ret_len = 0;
    if (r->error)
        return NULL;
    int status = json_text(r->doc, path, &b64, &len);
    if (status == -ENODATA)
        return NULL;
    buf_init(&plain, JSON_TEXT_MAX);
    buf_text(&plain, "");
    if (status == 0)
        status = base64_decode(&plain, b64, len);
    if (status == 0 && !ret_len && memchr(plain.data, 0, plain.len))
        status = -EILSEQ;
    if (status < 0) {
        r->error = status;
        return NULL;
    }
    if (ret_len)
        *ret_len = plain.len;
    return buf_steal(&plain);
}

static void get_chars(struct reader *r, const char *path, char *to, size_t size)
{
    cleanup(free_p) char *text = get(r, path, NULL);

    if (text && strlen(text) >= size)
        r->error = -EINVAL;
    else
        snprintf(to, size, "%s", text ? text : "");
}

static int64_t codec_get_number(struct reader *r, const char *path)
{
    int64_t value = 0;
    int status = r->error ? r->error : json_integer(r->doc, path, &value);

    if (status < 0)
        r->error = status;
    return value;
}

static bool get_flag(struct reader *r, const char *path)
{
    bool value = false;
    int status = r->error ? r->error : json_boolean(r->doc, path, &value);

    if (status < 0)
        r->error = status;
    return value;
}

/* A flag that is written only when it is true. */
static bool get_mark(struct reader *r, const char *path)
{
    return !r->error && json_kind(r->doc, path) != JSON_ABSENT && get_flag(r, path);
}

static size_t get_count(struct reader *r, const char *path)
{
    size_t count = 0;
    int status = r->error ? r->error : json_array_length(r->doc, path, &count);

    if (status == 0 && count > LIST_MAX)
        status = -E2BIG;
    if (status < 0)
        r->error = status;
    return r->error ? 0 : count;
}

/* The index-th element of the list: its member, or the element itself. */
static const char *at(char *path, const char *list, size_t index, const char *member)
{
    snprintf(path, PATH_MAX_LEN, "%.60s.%zu%s%.20s", list, index, *member ? "." : "", member);
    return path;
}

static void get_record(struct reader *r, const char *name, struct record *rec)
{
    char path[PATH_MAX_LEN];

    for (size_t i = 0; i < RECORD_COLUMNS; i++) {
        snprintf(path, sizeof(path), "%s.%s", name, record_column(i));
        if (json_kind(r->doc, path) == JSON_ABSENT) /* 0 or NULL, or an older renewd did not know it */
            continue;
        cleanup(free_p) char *text = get(r, path, NULL);
        record_set(rec, i, text);
    }
    if (!r->error && (!rec->source || !rec->key || !rec->job))
        r->error = -EINVAL;
}

static void get_row(struct reader *r, struct row *row)
{
    char path[PATH_MAX_LEN];
    size_t count = get_count(r, "row.cells");

    row->key = get(r, "row.key", NULL);
    get_chars(r, "row.hash", row->hash, sizeof(row->hash));
    row->outside = get_flag(r, "row.outside");
    row->cells = xcalloc(count + 1, sizeof(*row->cells));
    row->count = count;
    for (size_t i = 0; i < count; i++) {
        row->cells[i].text = get(r, at(path, "row.cells", i, "text"), &row->cells[i].len);
        row->cells[i].raw = get(r, at(path, "row.cells", i, "raw"), NULL);
    }
}

static void get_writes(struct reader *r, struct commit *c)
{
    char path[PATH_MAX_LEN];

    c->slot_count = get_count(r, "slots");
    c->slots = xcalloc(c->slot_count + 1, sizeof(*c->slots));
    for (size_t i = 0; i < c->slot_count; i++) {
        c->slots[i] = get(r, at(path, "slots", i, ""), NULL);
        if (!c->slots[i] && !r->error)
            r->error = -EINVAL;
    }
    c->write_count = get_count(r, "writes");
    c->writes = xcalloc(c->write_count + 1, sizeof(*c->writes));
    for (size_t i = 0; i < c->write_count; i++) {
        int64_t column = codec_get_number(r, at(path, "writes", i, "column"));
        if (!r->error && (column < 0 || (size_t)column >= c->slot_count))
            r->error = -EINVAL;
        c->writes[i].column = (int)column;
        c->writes[i].text = get(r, at(path, "writes", i, "text"), &c->writes[i].len);
        c->writes[i].plain = get_mark(r, at(path, "writes", i, "plain"));
    }
}

static void get_bound(struct reader *r, const char *effect, struct commit_effect *f)
{
    char list[PATH_MAX_LEN], path[PATH_MAX_LEN];

    snprintf(list, sizeof(list), "%.80s.bound", effect);
    f->bound_count = get_count(r, list);
    f->bound = xcalloc(f->bound_count + 1, sizeof(*f->bound));
    for (size_t i = 0; i < f->bound_count; i++) {
        f->bound[i].type = (int)codec_get_number(r, at(path, list, i, "type"));
        f->bound[i].form = (int)codec_get_number(r, at(path, list, i, "form"));
        f->bound[i].text = get(r, at(path, list, i, "text"), NULL);
    }
}

static void get_effects(struct reader *r, struct commit *c)
{
    char path[PATH_MAX_LEN];

    c->effect_count = get_count(r, "effects");
    c->effects = xcalloc(c->effect_count + 1, sizeof(*c->effects));
    for (size_t i = 0; i < c->effect_count; i++) {
        struct commit_effect *f = &c->effects[i];
        f->kind = (int)codec_get_number(r, at(path, "effects", i, "kind"));
        f->name = get(r, at(path, "effects", i, "name"), NULL);
        f->rows = (int)codec_get_number(r, at(path, "effects", i, "rows"));
        get_bound(r, at(path, "effects", i, ""), f);
        if (!f->name && !r->error)
            r->error = -EINVAL;
    }
}

static void get_commit(struct reader *r, struct commit *c)
{
    if (codec_get_number(r, "v") != VERSION && !r->error)
        r->error = -EPROTO;
    get_chars(r, "attempt_id", c->attempt_id, sizeof(c->attempt_id));
    c->run_id = codec_get_number(r, "run_id");
    c->plugin = get(r, "plugin", NULL);
    c->host = get(r, "host", NULL);
    c->incarnation = get(r, "incarnation", NULL);
    c->touches_row = get_flag(r, "touches_row");
    c->replaces = get_flag(r, "replaces");
    c->safe = get_flag(r, "safe");
    c->dead = get_flag(r, "dead");
    c->release = get_flag(r, "release");
    get_record(r, "before", &c->before);
    get_record(r, "after", &c->after);
    get_row(r, &c->row);
    get_writes(r, c);
    get_effects(r, c);
    c->sealed_pair = get(r, "sealed_pair", NULL);
    c->answer = get(r, "answer", NULL);
    c->outcome = (int)codec_get_number(r, "outcome");
    c->http_status = (int)codec_get_number(r, "http_status");
    c->code = get(r, "code", NULL);
    c->text = get(r, "text", NULL);
    c->started_at = codec_get_number(r, "started_at");
    c->finished_at = codec_get_number(r, "finished_at");
}

int commit_from_text(const char *text, size_t len, struct commit **ret, struct error *e)
{
    cleanup(json_free_p) struct json *doc = NULL;
    int status = json_parse(text, len, &doc, NULL);

    if (status < 0)
        return error_set(e, status, "the stored result cannot be read (it is not a commit)");
    struct reader r = {doc, 0};
    struct commit *c = commit_new();
    get_commit(&r, c);
    if (r.error) {
        commit_free(c);
        if (r.error == -EPROTO)
            return error_set(e, r.error, "the stored result was written by another version of renewd");
        return error_set(e, -EINVAL, "the stored result cannot be read (a part is missing or damaged)");
    }
    *ret = c;
    return 0;
}

/* ---- assigning the table again ---- */

static void move_cells(struct commit *c, const struct table *t)
{
    struct row moved = {0};

    moved.cells = xcalloc(t->column_count + 1, sizeof(*moved.cells));
    moved.count = t->column_count;
    for (size_t i = 0; i < c->row.count && i < c->slot_count; i++) {
        int to = table_column(t, c->slots[i]);
        if (to < 0)
            continue;
        moved.cells[to] = c->row.cells[i];
        memset(&c->row.cells[i], 0, sizeof(c->row.cells[i]));
    }
    moved.key = c->row.key;
    c->row.key = NULL;
    memcpy(moved.hash, c->row.hash, sizeof(moved.hash));
    moved.outside = c->row.outside;
    row_done(&c->row);
    c->row = moved;
}

int commit_attach(struct commit *c, const struct table *t, struct error *e)
{
    for (size_t i = 0; i < c->write_count; i++) {
        const char *slot = c->slots[c->writes[i].column];
        if (table_column(t, slot) < 0)
            return error_set(e, -ENOENT, "%s: the slot %s of the stored result is not mapped any more",
                             c->before.source, slot);
    }
    for (size_t i = 0; i < c->write_count; i++)
        c->writes[i].column = table_column(t, c->slots[c->writes[i].column]);
    if (c->row.key || c->row.count)
        move_cells(c, t);
    for (size_t i = 0; i < c->slot_count; i++)
        free(c->slots[i]);
    free(c->slots);
    c->slots = NULL;
    c->slot_count = 0;
    c->table = t;
    return 0;
}
