/* SPDX-License-Identifier: MIT
 * What a job's provider grants: how long an access token is valid, and whether a refresh replaces the refresh
 * token. A change is logged once, across restarts and hosts: the fact "granted:JOB" in the store holds the last
 * observation. No decision depends on it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/engine/commit/commit.h"
#include "core/engine/state/state.h"
#include "core/rules/outcome.h"

/* A provider that replaces it only sometimes has not changed its behaviour each time. */
enum { UNLIKE_MAX = 5, FACT_MAX = 80 };

struct grant_monitor_task {
    struct engine *engine;
    char *job;
    struct granted was, now;
    bool told; /* in the store already */
};

static char *fact_name(const char *job)
{
    return xasprintf("granted:%s", job);
}

static void to_text(const struct granted *g, char ret[FACT_MAX])
{
    snprintf(ret, FACT_MAX, "%" PRId64 " %d %" PRId64, g->life, g->rotates, g->changed_at);
}

static bool from_text(const char *text, struct granted *ret)
{
    struct granted g = {0};
    char *end;
    g.life = strtoll(text, &end, 10);
    if (end == text)
        return false;
    text = end;
    g.rotates = (int)strtol(text, &end, 10);
    if (end == text)
        return false;
    text = end;
    g.changed_at = strtoll(text, &end, 10);
    if (end == text)
        return false;
    *ret = g;
    return true;
}

int grant_monitor_read(struct db *db, const char *job, struct granted *ret, struct error *e)
{
    char *name = fact_name(job), *value = NULL;
    *ret = (struct granted){.rotates = -1};
    int res = store_fact(db, name, NULL, &value, e);
    if (res >= 0)
        from_text(value, ret);
    free(value);
    free(name);
    return res == -ENOENT ? 0 : res;
}

/* More than a quarter. */
static bool lives_differ(int64_t a, int64_t b)
{
    int64_t between = a > b ? a - b : b - a;
    return between > (a > b ? a : b) / 4;
}

/* Another host may have stored the same change first. */
static int granted_note_work(struct db *db, void *arg, struct error *e)
{
    struct grant_monitor_task *t = arg;
    struct granted there;
    char text[FACT_MAX];
    int res = grant_monitor_read(db, t->job, &there, e);
    if (res < 0)
        return res;
    t->told =
        there.changed_at && there.rotates == t->now.rotates && there.life && !lives_differ(there.life, t->now.life);
    if (t->told)
        return 0;
    char *name = fact_name(t->job);
    to_text(&t->now, text);
    res = store_fact_set(db, name, text, e);
    free(name);
    return res;
}

static const char *yes_no(int rotates)
{
    return rotates > 0 ? "yes" : rotates == 0 ? "no" : NULL;
}

static void log_change(const struct grant_monitor_task *t)
{
    char was[24] = "", now[24] = "";
    bool life = t->was.life && t->was.life != t->now.life, rotates = t->was.rotates != t->now.rotates;
    snprintf(was, sizeof was, "%" PRId64 "s", t->was.life);
    snprintf(now, sizeof now, "%" PRId64 "s", t->now.life);
    log_line(LEVEL_WARNING,
             "the provider changed what a refresh gives (life of the access token, or whether the credential "
             "is replaced)",
             "job", t->job, "life_was", life ? was : NULL, "life", life ? now : NULL, "rotates_was",
             rotates ? yes_no(t->was.rotates) : NULL, "rotates", rotates ? yes_no(t->now.rotates) : NULL, "remedy",
             rotates ? "check that the job's replay setting is still right" : NULL, NULL);
}

static void granted_note_done(void *arg, int result, const struct error *err)
{
    struct grant_monitor_task *t = arg;
    (void)err; /* then it is logged once more after a restart */
    if (t->now.changed_at != t->was.changed_at && !(result >= 0 && t->told))
        log_change(t);
    free(t->job);
    free(t);
}

static void grant_note(const struct job *j, const struct granted *was)
{
    struct grant_monitor_task *t = xcalloc(1, sizeof *t);
    t->engine = j->engine;
    t->job = xstrdup(j->config->job);
    t->was = *was;
    t->now = j->granted;
    engine_async(j->engine, granted_note_work, t, granted_note_done);
}

/* The record's own lifetime must have changed: accounts of one job may be granted different ones. */
static bool take_life(struct granted *g, const struct commit *c)
{
    int64_t life = c->after.expires_at > c->finished_at ? c->after.life : 0;
    if (!life)
        return false;
    if (!g->life) {
        g->life = life;
        return false;
    }
    if (!c->before.ok_at || !c->before.life || !lives_differ(c->before.life, life) || !lives_differ(g->life, life))
        return false;
    g->life = life;
    return true;
}

/* True when the change must be reported: `safe` would present a replaced token again, `single_use` is more careful
 * than necessary. An access token that extends itself is always a new one. */
static bool take_rotation(struct job *j, struct granted *g, const struct commit *c)
{
    const char *slot = plugin_descriptor(j->config->plugin)->slots[j->credential_slot]->name;
    int rotates = strcmp(c->before.fingerprint, c->after.fingerprint) != 0;
    bool refresh_token = strcmp(slot, "refresh_token") == 0;
    bool unsafe = refresh_token && j->safe && rotates;
    int was = g->rotates < 0 && unsafe ? 0 : g->rotates;
    if (rotates == was) {
        j->unlike = 0;
        return false;
    }
    if (was >= 0 && !unsafe && ++j->unlike < UNLIKE_MAX)
        return false;
    g->rotates = rotates;
    j->unlike = 0;
    return was >= 0 && (unsafe || (refresh_token && j->replay == RENEWD_REPLAY_SINGLE_USE && !rotates));
}

void grant_monitor_take(struct job *j, const struct commit *c)
{
    bool carried = c->code && strcmp(c->code, "shared") == 0;
    if (c->outcome != OUTCOME_OK || carried || j->credential_slot < 0 || !j->granted_known)
        return;
    struct granted was = j->granted, now = was;
    bool life = take_life(&now, c), rotation = take_rotation(j, &now, c);
    if (now.life == was.life && now.rotates == was.rotates)
        return;
    if (life || rotation)
        now.changed_at = c->finished_at;
    if (rotation && was.rotates < 0)
        was.rotates = 0; /* as the settings expect */
    j->granted = now;
    grant_note(j, &was);
}

bool job_granted(const struct job *j, struct granted *ret)
{
    if (!j->granted_known || (!j->granted.life && j->granted.rotates < 0))
        return false;
    *ret = j->granted;
    return true;
}
