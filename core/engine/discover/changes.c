/* SPDX-License-Identifier: MIT
 * Stores what reading a row found, and starts what follows from it: trouble that is taken back, and a credential
 * that is spent, dead, or may be presented again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/engine/commit/commit.h"
#include "core/engine/discover/discover.h"
#include "core/engine/rows/rows.h"
#include "core/rules/outcome.h"
#include "core/store/shared_credential.h"

/* Trouble is taken back together with the record. If the row does not accept the write, the record is still
 * stored. */
static int put_recoveries(struct db *db, struct record_change *changes, size_t count, struct error *e)
{
    size_t n = 0;
    cleanup(free_p) struct commit **list = xcalloc(count + 1, sizeof *list);
    for (size_t i = 0; i < count; i++)
        if (changes[i].recovery)
            list[n++] = changes[i].recovery;
    int res = n ? store_commit(db, list, n, e) : 0;
    for (size_t i = 0; res >= 0 && i < count; i++) {
        struct commit *c = changes[i].recovery;
        if (c && (c->result == COMMIT_REJECTED || c->result == COMMIT_ROWS)) {
            commit_free(c);
            changes[i].recovery = NULL;
        }
    }
    return res;
}

static int put_notes(struct db *db, struct record_change *changes, size_t count, struct error *e)
{
    size_t n = 0;
    struct commit **notes = xcalloc(count + 1, sizeof *notes);
    for (size_t i = 0; i < count; i++)
        if (changes[i].note)
            notes[n++] = changes[i].note;
    int res = n ? unreadable_put(db, notes, n, e) : 0;
    free(notes);
    return res;
}

static int put_revivals(struct db *db, const struct record_change *changes, size_t count, struct error *e)
{
    size_t n = 0;
    cleanup(free_p) const char **fingerprints = xcalloc(count + 1, sizeof *fingerprints);
    for (size_t i = 0; i < count; i++)
        if (changes[i].revives)
            fingerprints[n++] = changes[i].now.fingerprint;
    return store_revive(db, fingerprints, n, e);
}

static int change_put_all(struct db *db, struct record_change *changes, size_t count, struct error *e)
{
    int res = put_recoveries(db, changes, count, e);
    if (res >= 0)
        res = store_records_put(db, changes, count, e);
    if (res >= 0)
        res = put_notes(db, changes, count, e);
    return res < 0 ? res : put_revivals(db, changes, count, e);
}

/* A row may hold a replaced credential again: its application stored it, or it was restored. */
static int changes_spent(struct db *db, const struct record_change *changes, size_t count, bool *ret_spent,
                         bool *ret_dead, struct error *e)
{
    const char **fingerprints = xcalloc(count + 1, sizeof *fingerprints);
    for (size_t i = 0; i < count; i++)
        fingerprints[i] = changes[i].now.fingerprint;
    int res = store_spent(db, fingerprints, count, ret_spent, ret_dead, e);
    free(fingerprints);
    return res;
}

int changes_put(struct db *db, struct record_change *changes, size_t count, bool *ret_spent, bool *ret_dead,
                struct error *e)
{
    int res = change_put_all(db, changes, count, e);
    return res < 0 ? res : changes_spent(db, changes, count, ret_spent, ret_dead, e);
}

void change_done(struct record_change *c)
{
    record_done(&c->now);
    commit_free(c->recovery);
    commit_free(c->note);
}

/* A record may have missed its credential's outcome: the process died in between, its job was not loaded at that
 * moment, or its application gave it the credential of another record. */
void change_catch_up(struct job *j, const struct record *rec, bool spent, bool dead)
{
    if (spent && !j->safe && !defence_off(DEFENCE_WRITE_BACK))
        restore_newest_credential(j->engine, rec->fingerprint);
    else if (dead && rec->state != STATE_RECONNECT && rec->state != STATE_PENDING && rec->state != STATE_PAUSED)
        share_dead_outcome(j->engine, rec->fingerprint);
}

void change_put(struct job *j, const struct record_change *c, bool spent, bool dead)
{
    if (c->note)
        unreadable_noted(j, c->note);
    if (c->now.due_at)
        j->engine->on->record_due(j, c->now.due_at);
    change_catch_up(j, &c->now, spent, dead);
    if (c->revives)
        share_revival(j, &c->now);
    if (c->recovery && c->recovery->result == COMMIT_DONE)
        log_line(LEVEL_INFO,
                 unreadable_is(&c->recovery->before)
                     ? "a row can be read again; its error was cleared"
                     : "a new credential was found; the error of the old one was cleared",
                 "job", j->config->job, "record", c->now.key, "account", c->now.account, NULL);
    j->engine->on->record_changed(j, c->now.key, c->is_new);
}

bool change_look(struct job *j, const struct row *row, const struct record *known, struct record_change *ret,
                 struct round *of)
{
    if (row_is_filtered_out(j, row, known))
        return false;
    bool is_new = !known->source;
    if (!is_new && !j->discovery.full && strcmp(known->hash, row->hash) == 0 && row_has_same_owner(j, row, known))
        return false;
    struct round alone = {0}, *seen = of ? of : &alone;
    int64_t wrong = seen->wrong_key;
    interpret_row(j, row, known, &ret->now, seen);
    j->discovery.opened = j->discovery.opened || seen->opened;
    bool by_key = seen->wrong_key > wrong && !j->discovery.opened;
    if (unreadable_is(&ret->now))
        unreadable_seen(j, &ret->now, known, of);
    struct commit *note = unreadable_note(j, &ret->now, known, row);
    if (!is_new && !note && !records_differ(&ret->now, known)) {
        record_done(&ret->now);
        return false;
    }
    ret->is_new = is_new;
    memcpy(ret->old_hash, known->hash, sizeof ret->old_hash);
    ret->old_generation = known->generation;
    ret->old_last_at = known->last_at;
    if (!by_key)
        ret->note = note;
    else if (of)
        unreadable_later(of, note);
    else
        commit_free(note);
    ret->revives = known->state == STATE_RECONNECT && ret->now.state == STATE_OK;
    bool given = ret->now.fingerprint[0] && ret->now.generation != known->generation;
    if (!is_new && ret->now.state == STATE_OK && (given || unreadable_is(known)))
        ret->recovery = outcome_recovered(j, known, &ret->now, row);
    return true;
}
