/* SPDX-License-Identifier: MIT
 * What a row means: which credential it holds, when it wants a refresh, and when renewd takes it. It has no side
 * effects except the plugin's question. Discovery uses it, and attempts before and after their requests.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/crypto/encoding.h"
#include "core/engine/state/state.h"
#include "core/engine/rows/rows.h"
#include "core/rules/outcome.h"
#include "core/rules/replay.h"

int row_fingerprint(const struct job *j, const char *key, const struct row_values *v, char ret[FINGERPRINT_SIZE])
{
    const struct renewd_plugin *d = plugin_descriptor(j->config->plugin);
    if (j->credential_slot < 0)
        return fingerprint(j->engine->fingerprint_key, j->table->source, "record", key, strlen(key), ret);
    const struct slot_value *c = &v->list[j->credential_slot];
    if (!c->text) {
        ret[0] = '\0';
        return 0;
    }
    return fingerprint(j->engine->fingerprint_key, d->name, d->slots[j->credential_slot]->name, c->text, c->len,
                       ret);
}

/* renewd's row stores the memo as hex. */
void *record_memo(const struct record *r, size_t *ret_len)
{
    struct buf b;
    buf_init(&b, 4096);
    *ret_len = 0;
    if (!r->memo || hex_decode(&b, r->memo, strlen(r->memo)) < 0) {
        buf_done(&b);
        return NULL;
    }
    *ret_len = b.len;
    return buf_steal(&b);
}

int ask_refresh_window(struct job *j, struct record *r, const struct row *row, const struct row_values *v,
                       struct error *e)
{
    struct record_view view;
    row_values_for_plugin(j, r, row, v, &view);
    size_t len;
    void *memo = record_memo(r, &len);
    view.memo = memo;
    view.memo_len = len;
    struct window w = {0};
    int res = instance_window(j->instance, &view, clock_now(), j->config->refresh_before_s, &w, e);
    free(memo);
    if (res < 0)
        return res;
    window_clean(&w);
    r->window = w;
    return 0;
}

/* A suspect, and a record with a reconnect verdict that is not final, have a time of their own, however far away
 * the refused token's end is. */
int64_t record_due_at(const struct record *r)
{
    bool refused = r->state == STATE_MISCONFIGURED || r->state == STATE_RECONNECT;
    if (!refused || !r->not_before || r->not_before >= r->point)
        return r->point;
    return r->not_before > r->window.earliest ? r->not_before : r->window.earliest;
}

void record_schedule(const struct job *j, struct record *r)
{
    r->point = r->without_credential ? 0 : window_point(&r->window, r->source, r->key, r->generation);
    r->due_at = 0;
    switch (r->state) {
    case STATE_RECONNECT:
        if (r->not_before) /* a verdict that is not final: it is presented again */
            r->due_at = record_due_at(r);
        break;
    case STATE_PENDING:
    case STATE_PAUSED:
        return;
    case STATE_OK:
        if (j->config->automatic)
            r->due_at = r->point;
        break;
    default: /* a failed record is tried again at its backoff time, whatever the schedule says */
        r->due_at = record_due_at(r);
        break;
    }
    if (r->due_at && r->due_at < r->not_before)
        r->due_at = r->not_before == SILENCE_FOR_EVER ? 0 : r->not_before;
}

static bool is_refusal(const struct record *r)
{
    return r->last_code && strcmp(r->last_code, CODE_ROW) != 0;
}

static void new_credential(struct record *r, const char *fp, bool first)
{
    memcpy(r->fingerprint, fp, FINGERPRINT_SIZE);
    r->first_seen = clock_now();
    if (!first)
        r->generation++;
    if (!fp[0] && r->state == STATE_RECONNECT) /* taken out, not connected again */
        return;
    r->attempts = r->strikes = 0;
    r->not_before = 0;
    r->state = STATE_OK;
    r->last_outcome = OUTCOME_NONE;
    record_set_text(&r->last_code, NULL);
    record_set_text(&r->last_text, NULL);
}

/* Its account and owner: also set where nothing else of the row can be read, because an operator has to look
 * then. */
static void take_names(const struct job *j, const struct row *row, struct record *r)
{
    const struct cell *account = row_cell(j->table, row, "account");
    if (!row->unfit || (account && account->text))
        record_set_text(&r->account, account ? account->text : NULL);
    const struct cell *owner = row_cell(j->table, row, "owner");
    if (!row->unfit || (owner && owner->text))
        record_set_text(&r->owner, owner ? owner->text : NULL);
}

static void row_take_times(const struct job *j, const struct row *row, const struct row_values *v, struct record *r)
{
    r->expires_at = j->expires_slot >= 0 ? v->list[j->expires_slot].number : 0;
    const struct cell *c = row_cell(j->table, row, "refreshed_at");
    int64_t told = c && c->text ? strtoll(c->text, NULL, 10) : 0;
    if (told > r->refreshed_at && told <= clock_now())
        r->refreshed_at = told;
    if (!r->life && r->refreshed_at && r->expires_at > r->refreshed_at)
        r->life = r->expires_at - r->refreshed_at;
}

/* Another job that keeps a record in this row has refreshed it, and its time is what changed. That may be in the second in
 * which this record was refused: runs of one tick. A time of this record's own is that of its success. */
static bool by_sibling(const struct job *j, const struct row *row, const struct record *r)
{
    const struct cell *c = row_cell(j->table, row, "refreshed_at");
    return c && c->text && r->refreshed_at >= r->last_at && r->refreshed_at != r->ok_at &&
           strtoll(c->text, NULL, 10) == r->refreshed_at;
}

static void row_count(const struct job *j, const struct row_values *v, int res, const char *fp, struct round *of)
{
    if (!of)
        return;
    of->opened += v->opened || (res >= 0 && fp && fp[0] && j->credential_slot >= 0);
    of->wrong_key += res == -EBADMSG || res == -ENOKEY;
}

/* Its application has just stored a token, and the stored end is whole hours away from the end that the provider's
 * lifetime gives. */
static void tell_zone(struct job *j, const struct row *row, const struct record *r)
{
    const struct column *c = j->expires_slot >= 0 && j->slot_column[j->expires_slot] >= 0
                                 ? &j->table->columns[j->slot_column[j->expires_slot]]
                                 : NULL;
    int64_t off = r->expires_at - clock_now() - r->life, hours = (off + (off < 0 ? -1800 : 1800)) / 3600;
    int64_t rest = off - hours * 3600;
    if (!c || j->zone_told || !r->life || !r->expires_at || !hours || hours < -12 || hours > 14 || rest < -120 ||
        rest > 120 || (c->form != FORM_TIMESTAMP && c->form != FORM_TIME_TEXT))
        return;
    char zone[40], key[80];
    snprintf(zone, sizeof zone, "Etc/GMT%+" PRId64, -hours);
    snprintf(key, sizeof key, "%s", row->key);
    j->zone_told = true;
    log_line(LEVEL_WARNING,
             "a time that the application has stored differs by whole hours from what the provider grants: "
             "if it has no zone, name its zone in records (zone = ...)",
             "job", j->config->job, "record", key, "account", r->account, "column", c->name, "would_fit", zone,
             NULL);
}

void interpret_row(struct job *j, const struct row *row, const struct record *known, struct record *ret,
                   struct round *of)
{
    memset(ret, 0, sizeof *ret);
    bool first = !known || !known->source;
    if (!first)
        record_copy(ret, known);
    record_set_text(&ret->source, j->table->source);
    record_set_text(&ret->key, row->key);
    record_set_text(&ret->job, j->config->job);
    bool row_changed = first || strcmp(ret->hash, row->hash) != 0 || unreadable_is(ret);
    memcpy(ret->hash, row->hash, sizeof ret->hash);
    if (first)
        ret->state = STATE_OK;
    take_names(j, row, ret);

    struct row_values v = {0};
    struct error e;
    char fp[FINGERPRINT_SIZE];
    int res = row_values_decrypt(j, row, &v, &e);
    if (res < 0) {
        row_count(j, &v, res, NULL, of);
        unreadable_make(ret, e.text);
        return;
    }
    if (row_fingerprint(j, row->key, &v, fp) < 0) {
        unreadable_make(ret, "the credential is too long; write the provider's token into the row");
        row_values_done(&v);
        return;
    }
    row_count(j, &v, 0, fp, of);
    if (first || strcmp(fp, ret->fingerprint) != 0)
        new_credential(ret, fp, first);
    else if (row_changed && !by_sibling(j, row, ret) && ret->state == STATE_MISCONFIGURED && is_refusal(ret))
        ret->not_before = 0; /* it stays a suspect and is presented now: the row may have been the cause */
    else if (row_changed && !by_sibling(j, row, ret) &&
             (ret->state == STATE_RECONNECT || ret->state == STATE_MISCONFIGURED))
        new_credential(ret, fp, true);
    ret->without_credential = fp[0] == '\0';
    bool given = !first && known->fingerprint[0] && fp[0] && strcmp(fp, known->fingerprint) != 0;
    row_take_times(j, row, &v, ret);
    if (given)
        tell_zone(j, row, ret);
    if (ask_refresh_window(j, ret, row, &v, &e) < 0)
        unreadable_make(ret, e.text);
    else
        record_schedule(j, ret);
    row_values_done(&v);
}

bool row_is_filtered_out(const struct job *j, const struct row *row, const struct record *known)
{
    if (!row->outside)
        return false;
    const struct cell *status = j->table->status >= 0 ? &row->cells[j->table->status] : NULL;
    return !(known->source && known->wrote_status && status && status->text &&
             strcmp(status->text, known->wrote_status) == 0);
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool row_has_same_owner(const struct job *j, const struct row *row, const struct record *known)
{
    const struct cell *owner = row_cell(j->table, row, "owner");
    return row->unfit || same(owner ? owner->text : NULL, known->owner);
}

bool records_differ(const struct record *a, const struct record *b)
{
    return strcmp(a->hash, b->hash) != 0 || strcmp(a->fingerprint, b->fingerprint) != 0 || a->state != b->state ||
           a->generation != b->generation || a->due_at != b->due_at || a->point != b->point ||
           memcmp(&a->window, &b->window, sizeof a->window) != 0 || a->expires_at != b->expires_at ||
           a->refreshed_at != b->refreshed_at || a->without_credential != b->without_credential ||
           !same(a->job, b->job) || !same(a->account, b->account) || !same(a->owner, b->owner) ||
           !same(a->last_text, b->last_text);
}
