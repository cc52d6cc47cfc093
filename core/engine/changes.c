/* SPDX-License-Identifier: MIT
 * What a look found, into the store, and what follows from it: trouble that is taken back, a credential that is spent or
 * dead, or that gets another chance.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/domain/outcome.h"
#include "core/engine/internal.h"
#include "core/store/sharing.h"

/* Trouble is taken back with the record. A row that does not take it is no reason to forget the record. */
static int put_recoveries(struct db *db, struct record_change *changes, size_t count, struct error *e)
{
    int res = 0;
    for (size_t i = 0; res >= 0 && i < count; i++) {
        struct commit *c = changes[i].recovery;
        if (!c)
            continue;
        res = store_commit(db, &c, 1, e);
        if (res >= 0 && (c->result == COMMIT_REJECTED || c->result == COMMIT_ROWS)) {
            commit_free(c);
            changes[i].recovery = NULL;
        }
    }
    return res;
}

static int put_all(struct db *db, struct record_change *changes, size_t count, struct error *e)
{
    int res = put_recoveries(db, changes, count, e);
    if (res >= 0)
        res = store_records_put(db, changes, count, e);
    for (size_t i = 0; res >= 0 && i < count; i++)
        if (changes[i].revives)
            res = store_revive(db, changes[i].now.fingerprint, e);
    return res;
}

/* A row may hold again what was replaced: saved back by its application, or restored. */
static int changes_spent(struct db *db, const struct record_change *changes, size_t count,
                         bool *ret_spent, bool *ret_dead, struct error *e)
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
    int res = put_all(db, changes, count, e);
    return res < 0 ? res : changes_spent(db, changes, count, ret_spent, ret_dead, e);
}

void change_done(struct record_change *c)
{
    record_done(&c->now);
    commit_free(c->recovery);
}

/* A record may have missed what became of its credential: the process died in between, its job was not there at
 * that moment, or its application gave it the credential of another one. */
void change_catch_up(struct job *j, const struct record *rec, bool spent, bool dead)
{
    if (spent && !j->safe && !defence_off(DEFENCE_WRITE_BACK))
        newest_check(j->engine, rec->fingerprint);
    else if (dead && rec->state != STATE_RECONNECT && rec->state != STATE_PENDING && rec->state != STATE_PAUSED)
        fate_dead(j->engine, rec->fingerprint);
}

void change_put(struct job *j, const struct record_change *c, bool spent, bool dead)
{
    if (c->now.due_at)
        schedule_due(j, c->now.due_at);
    change_catch_up(j, &c->now, spent, dead);
    if (c->revives)
        fate_revived(j, &c->now);
    if (c->recovery && c->recovery->result == COMMIT_DONE)
        log_line(LEVEL_INFO, "a new credential was found: what was written about the old one's trouble is taken back",
                 "job", j->config->job, "record", c->now.key, "account", c->now.account, NULL);
    events_record_changed(j, c->now.key, c->is_new);
}

