/* SPDX-License-Identifier: MIT
 * Checks the keys of renewd.conf against the database (rule 15): a sealed check value shows with which key it was
 * sealed. A key becomes one of the database's only when it has opened or sealed a value. So a wrong key at the
 * first start leaves nothing behind that would refuse the right one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/map.h"
#include "core/engine/internal.h"

enum { KEY_NAME_MAX = 80, EXIT_CONFIG = 78 };

static void key_fact(const char *id, char name[KEY_NAME_MAX])
{
    snprintf(name, KEY_NAME_MAX, "key:%s", id);
}

/* How much would be lost: what the wrong key should open, in renewd's own tables and the jobs'. */
static int wrong_key(const struct engine *e, struct db *db, const struct keys_check *c, const char *id,
                     struct error *err)
{
    char prefix[KEY_NAME_MAX];
    snprintf(prefix, sizeof prefix, "r1.%s.", id);
    int64_t count = 0, in_tables = 0;
    struct error ignored;
    store_count_sealed(db, prefix, &count, &ignored);
    for (size_t i = 0; i < c->job_count; i++)
        in_tables += job_count_sealed(db, c->jobs[i], prefix);
    if (!keyring_key(e->setup.config->keys, id))
        return error_set(
            err, -EKEYREJECTED,
            "renewd.conf has no key \"%s\", with which this database was sealed; %" PRId64
            " values under that id do not open (%" PRId64 " of renewd's own, %" PRId64
            " in the jobs' tables). Nothing was written. Put that key back into keys, behind the new one",
            id, count + in_tables, count, in_tables);
    return error_set(err, -EKEYREJECTED,
                     "the key \"%s\" of renewd.conf is not the one this database was sealed with; %" PRId64
                     " values under "
                     "that id do not open (%" PRId64 " of renewd's own, %" PRId64
                     " in the jobs' tables). Nothing was written. "
                     "Put the old key back; a new key gets an id of its own and stands before the old one in keys",
                     id, count + in_tables, count, in_tables);
}

/* Which keys the database has seen in use. */
static int check_values(struct engine *e, struct db *db, struct keys_check *c, struct error *err)
{
    const struct keyring *ring = e->setup.config->keys;
    for (size_t i = 0; i < keyring_count(ring); i++) {
        const char *id = keyring_id_at(ring, i);
        char name[KEY_NAME_MAX];
        cleanup(free_p) char *value = NULL;
        key_fact(id, name);
        int res = store_fact(db, name, NULL, &value, err);
        if (res == -ENOENT)
            continue;
        if (res < 0)
            return res;
        if (keyring_check_verify(ring, id, value) < 0)
            return wrong_key(e, db, c, id, err);
        c->known[i] = true;
    }
    return 0;
}

/* Its fact is there, whether or not the key is among ours. */
static int was_proven(struct db *db, const char *id, bool *ret, struct error *err)
{
    char name[KEY_NAME_MAX];
    cleanup(free_p) char *value = NULL;
    key_fact(id, name);
    int res = store_fact(db, name, NULL, &value, err);
    *ret = res >= 0;
    return res == -ENOENT ? 0 : res;
}

/* A key that never was at work belongs to a first start with a wrong one, and nothing hangs on it. */
static int was_at_work(struct db *db, const char *id, bool *ret, struct error *err)
{
    char prefix[KEY_NAME_MAX];
    int64_t sealed = 0;
    int res = was_proven(db, id, ret, err);
    if (res < 0 || *ret)
        return res;
    snprintf(prefix, sizeof prefix, "r1.%s.", id);
    res = store_count_sealed(db, prefix, &sealed, err);
    *ret = sealed > 1; /* the fingerprints' own is one of them */
    return res;
}

static int damaged(struct error *err)
{
    return error_set(
        err, -EKEYREJECTED,
        "the fact fingerprint_key is not a sealed value, so it was damaged; nothing was written: restore "
        "the table of facts from a backup");
}

int keys_look(const struct keyring *ring, struct db *db, char **ret_wrong, struct error *err)
{
    cleanup(free_p) char *value = NULL;
    cleanup(free_p) char *id = NULL;
    cleanup(secret_free_p) struct secret *plain = NULL;
    bool at_work = false;
    int res = store_fact(db, "fingerprint_key", NULL, &value, err);
    if (res < 0)
        return res == -ENOENT ? 0 : res;
    if (seal_open(ring, "facts", "fingerprint_key", "value", value, &plain, NULL) >= 0)
        return 0;
    seal_key_id(value, &id);
    res = id ? was_at_work(db, id, &at_work, err) : damaged(err);
    if (res >= 0 && at_work)
        *ret_wrong = xstrdup(id);
    return res;
}

/* The random key of fingerprints is made once and never changes; it is kept sealed. */
static int open_fingerprint_key(struct engine *e, struct db *db, struct keys_check *c, struct error *err)
{
    const struct keyring *ring = e->setup.config->keys;
    unsigned char random[32];
    cleanup(free_p) char *fresh = NULL;
    cleanup(free_p) char *value = NULL;
    cleanup(free_p) char *id = NULL;
    cleanup(secret_free_p) struct secret *plain = NULL;
    const char *why = NULL;
    bool proven = false;
    int res = crypto_random(random, sizeof random);
    if (res >= 0)
        res = seal(ring, "facts", "fingerprint_key", "value", random, sizeof random, &fresh);
    if (res >= 0)
        res = store_fact(db, "fingerprint_key", fresh, &value, err);
    if (res < 0) {
        crypto_wipe(random, sizeof random);
        return res;
    }
    res = seal_open(ring, "facts", "fingerprint_key", "value", value, &plain, &why);
    if (res >= 0 && secret_len(plain) == sizeof c->fingerprint_key) {
        memcpy(c->fingerprint_key, secret_text(plain), sizeof c->fingerprint_key);
        crypto_wipe(random, sizeof random);
        return 0;
    }
    seal_key_id(value, &id);
    res = id ? was_at_work(db, id, &proven, err) : damaged(err);
    if (res >= 0 && !proven)
        res = store_fact_set(db, "fingerprint_key", fresh, err);
    else if (res >= 0)
        res = wrong_key(e, db, c, id, err);
    if (res >= 0)
        memcpy(c->fingerprint_key, random, sizeof c->fingerprint_key);
    crypto_wipe(random, sizeof random);
    return res;
}

int keys_check(struct engine *e, struct db *db, struct keys_check *c, struct error *err)
{
    int res = check_values(e, db, c, err);
    if (res >= 0)
        res = open_fingerprint_key(e, db, c, err);
    c->wrong = res == -EKEYREJECTED;
    return res;
}

void keys_checked(struct engine *e, const struct keys_check *c)
{
    memcpy(e->fingerprint_key, c->fingerprint_key, sizeof e->fingerprint_key);
    memcpy(e->keys_known, c->known, sizeof e->keys_known);
}

struct proven_task {
    struct engine *engine;
    size_t index;
    bool wrong;
};

static int proven_work(struct db *db, void *arg, struct error *err)
{
    struct proven_task *t = arg;
    const struct keyring *ring = t->engine->setup.config->keys;
    const char *id = keyring_id_at(ring, t->index);
    char name[KEY_NAME_MAX];
    cleanup(free_p) char *fresh = NULL;
    cleanup(free_p) char *value = NULL;
    key_fact(id, name);
    int res = keyring_check_value(ring, id, &fresh);
    if (res >= 0)
        res = store_fact(db, name, fresh, &value, err);
    if (res >= 0 && keyring_check_verify(ring, id, value) < 0) {
        t->wrong = true; /* another host was quicker, with another key */
        res = wrong_key(t->engine, db, &(struct keys_check){0}, id, err);
    }
    return res;
}

static void proven_done(void *arg, int result, const struct error *err)
{
    struct proven_task *t = arg;
    struct engine *e = t->engine;
    if (t->wrong)
        e->setup.fatal(e->setup.ctx, EXIT_CONFIG, err->text);
    else if (result < 0)
        e->keys_known[t->index] = false; /* at its next use */
    free(t);
}

void keys_proven(struct engine *e, const char *id)
{
    const struct keyring *ring = e->setup.config->keys;
    for (size_t i = 0; id && e->phase >= ENGINE_DRAINING && i < keyring_count(ring); i++) {
        if (e->keys_known[i] || strcmp(keyring_id_at(ring, i), id) != 0)
            continue;
        e->keys_known[i] = true;
        struct proven_task *t = xcalloc(1, sizeof *t);
        t->engine = e;
        t->index = i;
        engine_async(e, proven_work, t, proven_done);
    }
}
