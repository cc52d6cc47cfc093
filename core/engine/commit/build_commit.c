/* SPDX-License-Identifier: MIT
 * Builds the commit that stores a finished attempt: which columns are written (sealed where needed), the record's
 * state afterwards, and the row for the history.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/crypto/encoding.h"
#include "core/engine/commit/commit.h"
#include "core/engine/state/state.h"
#include "core/engine/rows/rows.h"
#include "core/rules/backoff.h"
#include "core/rules/outcome.h"

enum { CODE_MAX = 100, TEXT_MAX = 500 };

/* A commit with a new attempt id for one row. */
struct commit *outcome_begin(const struct job *j, const struct record *rec, const struct row *row)
{
    struct commit *c = commit_new();
    crypto_id(c->attempt_id);
    c->plugin = xstrdup(plugin_name(j->config->plugin));
    c->table = j->table;
    c->host = xstrdup(j->engine->setup.state->host);
    c->incarnation = xstrdup(j->engine->setup.state->incarnation);
    record_copy(&c->before, rec);
    record_copy(&c->after, rec);
    row_copy(&c->row, row);
    c->safe = j->safe;
    c->outcome = OUTCOME_OK;
    c->started_at = c->finished_at = clock_now();
    c->release = true;
    return c;
}

static struct commit *commit_of(const struct attempt *a)
{
    struct commit *c = outcome_begin(a->job, &a->claim.record, &a->claim.row);
    memcpy(c->attempt_id, a->claim.attempt_id, ID_SIZE);
    c->run_id = a->run->row.id;
    c->started_at = a->started_at;
    c->http_status = a->status;
    return c;
}

static struct write *add_write(struct commit *c, int column)
{
    for (size_t i = 0; i < c->write_count; i++)
        if (c->writes[i].column == column) {
            wipe_free(c->writes[i].text);
            c->writes[i] = (struct write){.column = column};
            return &c->writes[i];
        }
    c->writes = xrealloc(c->writes, (c->write_count + 1) * sizeof *c->writes);
    c->writes[c->write_count] = (struct write){.column = column};
    return &c->writes[c->write_count++];
}

static void write_text(struct commit *c, const struct job *j, const char *slot, const char *text)
{
    int column = table_column(j->table, slot);
    if (column < 0)
        return;
    struct write *w = add_write(c, column);
    w->text = text ? xstrdup(text) : NULL;
    w->len = text ? strlen(text) : 0;
}

static void write_integer(struct commit *c, const struct job *j, const char *slot, int64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, n);
    write_text(c, j, slot, text);
}

/* The status column of a state; absent from status_values = left alone. */
static void write_status(struct commit *c, const struct job *j, int state)
{
    const char *value = status_value(j->config, state);
    if (!value || j->table->status < 0)
        return;
    write_text(c, j, "status", value);
    record_set_text(&c->after.wrote_status, value);
}

static void write_error(struct commit *c, const struct job *j, const char *text)
{
    write_text(c, j, "last_error", text);
    free(c->after.wrote_error);
    c->after.wrote_error = text ? error_mark(text) : NULL;
}

/* ---- effects ---- */

/* text NULL = SQL NULL. A slot that is not mapped is left out. */
int outcome_write_slot(struct commit *c, const struct job *j, int slot, const char *text, size_t len)
{
    const struct renewd_slot *s = plugin_descriptor(j->config->plugin)->slots[slot];
    int column = j->slot_column[slot];
    if (column < 0)
        return 0;
    char *stored = NULL;
    int res = text ? row_value_seal(j, c->row.key, s->name, text, len, s->type == RENEWD_SECRET, &stored) : 0;
    if (res < 0)
        return res;
    struct write *w = add_write(c, column);
    w->text = stored;
    w->len = stored ? strlen(stored) : 0;
    return 0;
}

/* A token that cannot be sealed is not dropped. Its row cannot take it unsealed, so the whole commit is parked
 * under renewd's own sealing. The token is sealed for its row when the pair is tried again. */
static void write_plain(struct commit *c, const struct job *j, const struct effect *f)
{
    struct write *w = add_write(c, j->slot_column[f->index]);
    w->text = xstrndup(f->text, f->len);
    w->len = f->len;
    w->plain = true;
}

void outcome_seal_plain(struct commit *c, const struct job *j)
{
    for (size_t i = 0; i < c->write_count; i++) {
        struct write *w = &c->writes[i];
        char *sealed = NULL;
        if (!w->plain)
            continue;
        if (row_value_seal(j, c->after.key, j->table->columns[w->column].slot, w->text, w->len, true, &sealed) < 0)
            continue;
        explicit_bzero(w->text, w->len);
        free(w->text);
        *w = (struct write){.column = w->column, .text = sealed, .len = strlen(sealed)};
    }
}

static void take_set(struct commit *c, const struct attempt *a, const struct effect *f, struct slot_value *after)
{
    after[f->index] = (struct slot_value){.text = f->is_null ? NULL : f->text,
                                          .len = f->is_null ? 0 : f->len,
                                          .number = f->number};
    if (outcome_write_slot(c, a->job, f->index, f->is_null ? NULL : f->text, f->len) < 0)
        write_plain(c, a->job, f);
}

static char *as_read(const struct attempt *a, const char *slot)
{
    const struct cell *cell = row_cell(a->job->table, &a->claim.row, slot);
    const char *text = cell ? cell->raw ? cell->raw : cell->text : NULL;
    return text ? xstrdup(text) : NULL;
}

/* number: the parameter's, $1 and on. */
static void bind(struct bound *b, const struct attempt *a, const struct effect_parameter *p, size_t statement,
                 size_t number)
{
    char digits[24];
    b->type = p->type;
    if (p->is_null)
        return;
    switch (p->type) {
    case RENEWD_AS_READ: {
        int column = table_column(a->job->table, p->text);
        b->form = column < 0 ? 0 : a->job->table->columns[column].form;
        b->text = as_read(a, p->text);
        return;
    }
    case RENEWD_INTEGER:
    case RENEWD_TIME:
        snprintf(digits, sizeof digits, "%" PRId64, p->number);
        b->text = xstrdup(digits);
        break;
    default:
        b->text = p->text ? xstrdup(p->text) : NULL;
    }
    if (p->type == RENEWD_TIME)
        statement_time(b, a, statement, number, p->number);
}

static void take_effect(struct commit *c, const struct attempt *a, const struct effect *f)
{
    c->effects = xrealloc(c->effects, (c->effect_count + 1) * sizeof *c->effects);
    struct commit_effect *e = &c->effects[c->effect_count++];
    memset(e, 0, sizeof *e);
    if (f->type == EFFECT_KEY) {
        e->kind = EFFECT_ONCE;
        e->name = xstrndup(f->text, f->len);
        return;
    }
    const struct renewd_plugin *d = plugin_descriptor(a->job->config->plugin);
    e->kind = EFFECT_RUN;
    e->name = xstrdup(d->statements[f->index]->name);
    e->sql = a->job->config->statements[f->index].sql;
    e->rows = d->statements[f->index]->rows;
    e->bound_count = f->parameter_count;
    e->bound = xcalloc(f->parameter_count + 1, sizeof *e->bound);
    for (size_t i = 0; i < f->parameter_count; i++)
        bind(&e->bound[i], a, &f->parameters[i], f->index, i + 1);
}

static void take_memo(struct commit *c, const struct effect *f)
{
    struct buf b;
    buf_init(&b, 4096);
    hex_encode(&b, f->text, f->len);
    free(c->after.memo);
    c->after.memo = f->len ? buf_steal(&b) : NULL;
    buf_done(&b);
}

static void take_effects(struct commit *c, const struct attempt *a, struct slot_value *after)
{
    const struct effects *list = plugin_attempt_effects(a->plugin);
    for (size_t i = 0; i < list->count; i++) {
        const struct effect *f = &list->list[i];
        if (f->type == EFFECT_SET)
            take_set(c, a, f, after);
        else if (f->type == EFFECT_MEMO)
            take_memo(c, f);
        else
            take_effect(c, a, f);
    }
}

/* ---- the record afterwards ---- */

static void write_core_ok(struct commit *c, const struct job *j)
{
    write_integer(c, j, "refreshed_at", c->finished_at);
    write_integer(c, j, "updated_at", c->finished_at);
    write_integer(c, j, "strikes", 0);
    write_error(c, j, NULL);
    write_status(c, j, STATE_OK);
}

static void take_credential(struct commit *c, struct job *j, const struct row_values *after)
{
    struct record *r = &c->after;
    char fp[FINGERPRINT_SIZE] = "";
    if (row_fingerprint(j, r->key, after, fp) < 0) /* too long for an account; the next round reports it */
        return;
    if (strcmp(fp, r->fingerprint) != 0) {
        memcpy(r->fingerprint, fp, sizeof fp);
        r->generation++;
        r->first_seen = c->finished_at;
    }
    r->without_credential = fp[0] == '\0';
}

/* The record as the new values make it: what it holds, how long that lives, when it wants the next refresh. */
static void settle_values(struct commit *c, struct job *j, const struct row_values *after)
{
    struct record *r = &c->after;
    struct error e;
    take_credential(c, j, after);
    r->refreshed_at = c->finished_at;
    if (j->expires_slot >= 0) {
        r->expires_at = after->list[j->expires_slot].number;
        if (r->expires_at > c->finished_at)
            r->life = r->expires_at - c->finished_at;
    }
    if (ask_refresh_window(j, r, &c->row, after, &e) < 0)
        r->window = (struct window){0};
}

/* after: the values as they will be after the commit. */
void outcome_settle_ok(struct commit *c, struct job *j, const struct row_values *after)
{
    struct record *r = &c->after;
    r->state = STATE_OK;
    r->attempts = r->strikes = 0;
    r->not_before = 0;
    r->last_outcome = OUTCOME_OK;
    record_set_text(&r->last_code, NULL);
    record_set_text(&r->last_text, NULL);
    r->ok_at = r->last_at = c->finished_at;
    memcpy(r->ok_under, j->settings_id, sizeof r->ok_under);
    settle_values(c, j, after);
    record_schedule(j, r);
    status_columns_add(c, j);
    if (j->table->unwritten)
        return;
    write_core_ok(c, j);
    c->touches_row = c->write_count > 0;
}

/* What the attempt set, as one sealed JSON object under the new credential's fingerprint. */
static char *sealed_pair(const struct attempt *a, const char *fp)
{
    const struct renewd_slot *const *slots = plugin_descriptor(a->job->config->plugin)->slots;
    const struct effects *set = plugin_attempt_effects(a->plugin);
    struct buf b;
    buf_init(&b, 1 << 20);
    struct json_writer w;
    json_writer_init(&w, &b);
    json_begin_object(&w, NULL);
    for (size_t i = 0; i < set->count; i++)
        if (set->list[i].type == EFFECT_SET && !set->list[i].is_null)
            json_put_text_n(&w, slots[set->list[i].index]->name, set->list[i].text, set->list[i].len);
    json_end(&w);
    char *sealed = NULL;
    int res = b.failed
                  ? -EFBIG
                  : seal(a->job->engine->setup.config->keys, "credentials", fp, "pair", b.data, b.len, &sealed);
    buf_done(&b);
    if (res < 0)
        log_line(LEVEL_ERROR,
                 "new tokens could not be sealed for renewd's own table; they are written into their row only, "
                 "and into no other row that shares the credential",
                 "job", a->job->config->job, "record", a->claim.record.key, "account", a->claim.record.account,
                 "reason", strerror(-res), NULL);
    return sealed;
}

struct commit *outcome_ok(struct attempt *a)
{
    struct commit *c = commit_of(a);
    struct row_values after = {.count = a->values.count};
    after.list = xmemdup(a->values.list, (after.count + 1) * sizeof *after.list);
    take_effects(c, a, after.list);
    c->replaces = plugin_attempt_effects(a->plugin)->token_set;
    outcome_settle_ok(c, a->job, &after);
    if (c->replaces)
        c->sealed_pair = sealed_pair(a, c->after.fingerprint);
    free(after.list);
    return c;
}

static void write_core_failed(struct commit *c, const struct job *j, const char *said)
{
    write_integer(c, j, "updated_at", c->finished_at);
    write_integer(c, j, "strikes", c->after.strikes);
    write_error(c, j, said);
    write_status(c, j, c->after.state);
}

void outcome_leave_effects(struct commit *c)
{
    for (size_t i = 0; i < c->effect_count; i++) {
        for (size_t k = 0; k < c->effects[i].bound_count; k++)
            free(c->effects[i].bound[k].text);
        free(c->effects[i].bound);
        free(c->effects[i].name);
    }
    c->effect_count = 0;
}

static void forget_effects(struct commit *c)
{
    for (size_t i = 0; i < c->write_count; i++)
        wipe_free(c->writes[i].text);
    c->write_count = 0;
    outcome_leave_effects(c);
}

static void note_failure(struct commit *c, const struct job *j, int64_t next_at)
{
    struct record *r = &c->after;
    r->state = next_at && c->outcome == OUTCOME_RECONNECT ? STATE_RETRYING : state_after(c->outcome);
    r->attempts++;
    r->not_before = next_at;
    r->last_outcome = c->outcome;
    record_set_text(&r->last_code, c->code);
    record_set_text(&r->last_text, c->text);
    r->last_at = c->finished_at;
    record_schedule(j, r);
    status_columns_add(c, j);
    if (j->table->unwritten)
        return;
    char *said = failure_said(c->code, c->outcome, c->text);
    write_core_failed(c, j, said);
    free(said);
    c->touches_row = c->write_count > 0;
}

static int64_t seconds_up(int64_t ms)
{
    return (ms + 999) / 1000;
}

void outcome_withhold(const struct job *j, struct commit *c, const struct suspect_ruling *r)
{
    bool strike = r->verdict == SUSPECT_STRIKE;
    if (c->outcome == OUTCOME_RECONNECT) {
        char *text = xasprintf(
            "the provider refused the credential%s%s%s%s, which is not treated as final yet; renewd tries again",
            c->code || c->text ? ": " : "", c->code ? c->code : "", c->code && c->text ? ": " : "",
            c->text ? c->text : "");
        free(c->code);
        free(c->text);
        c->code = xstrdup("withheld");
        c->text = text;
    }
    forget_effects(c);
    c->outcome = OUTCOME_MISCONFIGURED;
    c->dead = false;
    record_done(&c->after);
    record_copy(&c->after, &c->before);
    c->after.strikes += strike;
    note_failure(c, j, r->at_once ? c->finished_at : seconds_up(r->next_at));
    if (!strike)
        commit_drop_user_writes(c);
}

/* These outcomes need a person and store a time. The row and the owner are notified once. */
void outcome_not_final(const struct job *j, struct commit *c, int64_t next_at_ms)
{
    c->dead = false;
    if (c->after.state != STATE_RECONNECT) /* the plugin gave a time of its own */
        return;
    c->after.not_before = seconds_up(next_at_ms);
    record_schedule(j, &c->after);
    if (c->before.state == STATE_RECONNECT)
        commit_drop_user_writes(c);
}

void outcome_reconnect(const struct job *j, struct commit *c, const char *code, const char *text)
{
    c->outcome = OUTCOME_RECONNECT;
    c->dead = true;
    c->code = code ? xstrdup(code) : NULL;
    c->text = text ? xstrdup(text) : NULL;
    note_failure(c, j, 0);
}

bool outcome_leave_status(struct commit *c)
{
    for (size_t i = 0; c->touches_row && c->table && i < c->write_count; i++) {
        if (c->writes[i].column != c->table->status)
            continue;
        wipe_free(c->writes[i].text);
        memmove(&c->writes[i], &c->writes[i + 1], (c->write_count - i - 1) * sizeof *c->writes);
        c->write_count--;
        record_set_text(&c->after.wrote_status, c->before.wrote_status);
        return true;
    }
    return false;
}

void commit_drop_user_writes(struct commit *c)
{
    forget_effects(c);
    c->touches_row = false;
    c->quiet = true;
    record_set_text(&c->after.wrote_status, c->before.wrote_status);
    record_set_text(&c->after.wrote_error, c->before.wrote_error);
}

void commit_demote_to_failure(const struct job *j, struct commit *c, const char *code, const char *text)
{
    forget_effects(c);
    c->outcome = OUTCOME_TRANSIENT;
    c->code = outside_text_clean(j, NULL, code, CODE_MAX);
    c->text = outside_text_clean(j, NULL, text, TEXT_MAX);
    c->touches_row = false;
    c->alone = true;
    record_done(&c->after);
    record_copy(&c->after, &c->before);
    note_failure(c, j, clock_now() + backoff_next(c->before.attempts + 1, (uint64_t)c->started_at, 30, 3600));
}

struct commit *outcome_with_token(struct attempt *a)
{
    struct commit *c = commit_of(a);
    struct row_values after = {.count = a->values.count};
    after.list = xmemdup(a->values.list, (after.count + 1) * sizeof *after.list);
    take_effects(c, a, after.list);
    c->replaces = true;
    settle_values(c, a->job, &after);
    c->sealed_pair = sealed_pair(a, c->after.fingerprint);
    free(after.list);
    return c;
}

void outcome_broken(struct commit *c, const struct attempt *a, bool lost, int64_t next_at,
                    const struct http_reply *reply)
{
    const struct job *j = a->job;
    c->outcome = lost ? OUTCOME_AMBIGUOUS : OUTCOME_TRANSIENT;
    c->code = xstrdup("plugin");
    c->text = outside_text_clean(j, a->values.list, a->step.text, TEXT_MAX);
    if (lost)
        outcome_keep_answer(c, j, reply);
    if (!j->table->unwritten)
        write_integer(c, j, "refreshed_at", c->finished_at);
    note_failure(c, j, next_at);
}

struct commit *outcome_failed(struct attempt *a, const struct failure *f, const struct decision *d,
                              const struct http_reply *reply)
{
    const struct job *j = a->job;
    struct commit *c = commit_of(a);
    c->outcome = d->outcome;
    c->code = outside_text_clean(j, a->values.list, f->code, CODE_MAX);
    c->text = outside_text_clean(j, a->values.list, f->text, TEXT_MAX);
    struct row_values after = {.count = a->values.count};
    after.list = xmemdup(a->values.list, (after.count + 1) * sizeof *after.list);
    take_effects(c, a, after.list);
    c->replaces = plugin_attempt_effects(a->plugin)->token_set; /* a refusal may bring a new token */
    if (c->replaces) {
        take_credential(c, a->job, &after);
        c->sealed_pair = sealed_pair(a, c->after.fingerprint);
    }
    free(after.list);
    outcome_keep_answer(c, j, reply);
    if (d->strike)
        c->after.strikes++;
    c->dead = !c->replaces && d->outcome == OUTCOME_RECONNECT && !d->next_at; /* else the grant may recover */
    c->alone = !a->sent; /* a credential that was never presented has not been judged */
    note_failure(c, j, d->next_at);
    return c;
}

/* ---- commits without an attempt: for another record's outcome, or after a row was read ---- */

struct commit *outcome_share(const struct job *j, const struct record *rec, const struct row *row,
                             const struct record *fate, bool tells)
{
    struct commit *c = outcome_begin(j, rec, row);
    c->release = false; /* no process holds a lease for it */
    c->alone = true;
    c->outcome = fate->last_outcome;
    c->code = fate->last_code ? xstrdup(fate->last_code) : NULL;
    c->text = fate->last_text ? xstrdup(fate->last_text) : NULL;
    c->after.attempts = fate->attempts - 1;
    if (fate->strikes > rec->strikes)
        c->after.strikes = fate->strikes;
    bool not_final = fate->state == STATE_RECONNECT && fate->not_before;
    note_failure(c, j, not_final ? 0 : fate->not_before);
    if (not_final)
        outcome_not_final(j, c, fate->not_before * 1000);
    if (!tells)
        commit_drop_user_writes(c);
    return c;
}

void outcome_note(struct commit *c, const struct job *j, bool status, const char *text)
{
    const struct cell *updated = row_cell(j->table, &c->row, "updated_at");
    bool other = c->row.unfit && updated && updated->raw && !updated->text; /* its text may be the reason */
    if (status)
        write_status(c, j, c->after.state);
    write_error(c, j, text);
    if (c->write_count && !other)
        write_integer(c, j, "updated_at", c->finished_at);
}

void outcome_take_back(struct commit *c, const struct job *j, bool status, bool error, bool strikes)
{
    if (status)
        write_status(c, j, STATE_OK);
    if (error)
        write_error(c, j, NULL);
    if (strikes)
        write_integer(c, j, "strikes", 0);
    if (c->write_count)
        write_integer(c, j, "updated_at", c->finished_at);
}
