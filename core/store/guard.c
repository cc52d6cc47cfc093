/* SPDX-License-Identifier: MIT
 * See guard.h.
 */
#include "core/store/guard.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/fault.h"
#include "core/crypto/crypto.h"
#include "core/db/db.h"

#define REMEDY                                                                                       \
    "renewd only reads it, so that no token is presented twice; if this database is the one to use " \
    "from now on, run `renewctl adopt` (renewd(8), \"Copies and backups\")"

/* Each host increments the count once in ten minutes and at each start: no other host can be further ahead than
 * this. */
enum { PAST_OTHERS = 1000 };

/* NULL = the database does not have it. */
static int fact(struct db *db, const char *name, char **ret, struct error *e)
{
    int r = store_fact(db, name, NULL, ret, e);

    return r == -ENOENT ? 0 : r;
}

static int look_place(struct db *db, struct error *e)
{
    cleanup(free_p) char *known = NULL;
    cleanup(free_p) char *here = NULL;
    int r = fact(db, "place", &known, e);

    if (r < 0 || !known)
        return r;
    r = store_place(db, &here, e);
    if (r < 0 || strcmp(known, here) == 0 || defence_off(DEFENCE_PLACE))
        return r;
    return error_set(e, -EROFS,
                     "this database is a copy or was moved: it was in use at %s and is now at %s; " REMEDY, known,
                     here);
}

static int look_sequence(struct db *db, const struct state_dir *s, struct error *e)
{
    cleanup(free_p) char *installation = NULL;
    cleanup(free_p) char *text = NULL;
    int64_t seen = 0;
    int r = fact(db, "installation", &installation, e);

    if (r < 0 || !installation)
        return r;
    /* In this order: another process of this host may increment meanwhile, and stores its own count. */
    r = state_dir_seen(s, installation, &seen, e);
    if (r == 0)
        r = fact(db, "sequence", &text, e);
    if (r < 0)
        return r;
    int64_t now = text ? strtoll(text, NULL, 10) : 0;
    if (now >= seen || defence_off(DEFENCE_SEQUENCE))
        return 0;
    return error_set(e, -EROFS,
                     "this database is older than the one that this host has seen (its counter is %" PRId64
                     ", last "
                     "seen %" PRId64 "): it comes from a backup, or from a standby that lagged; " REMEDY,
                     now, seen);
}

int guard_look(struct db *db, const struct state_dir *s, struct error *e)
{
    int r = store_made(db, e);

    if (r <= 0)
        return r;
    r = look_place(db, e);
    return r < 0 ? r : look_sequence(db, s, e);
}

static int count_up(struct db *db, const struct state_dir *s, const char *installation, struct error *e)
{
    int64_t sequence = 0;
    int r = store_sequence(db, &sequence, e);

    return r < 0 ? r : state_dir_see(s, installation, sequence, e);
}

int guard_count(struct db *db, const struct state_dir *s, char ret_installation[ID_SIZE], struct error *e)
{
    cleanup(free_p) char *installation = NULL;
    cleanup(free_p) char *here = NULL;
    cleanup(free_p) char *place = NULL;
    char fresh[ID_SIZE];
    int r = crypto_id(fresh);

    if (r < 0)
        return error_set(e, r, "the system gives no random bytes");
    r = store_fact(db, "installation", fresh, &installation, e);
    if (r == 0)
        r = store_place(db, &here, e);
    if (r == 0)
        r = store_fact(db, "place", here, &place, e);
    if (r == 0)
        r = count_up(db, s, installation, e);
    if (r == 0)
        snprintf(ret_installation, ID_SIZE, "%s", installation);
    return r;
}

int guard_adopt(struct db *db, const struct state_dir *s, struct error *e)
{
    cleanup(free_p) char *installation = NULL;
    cleanup(free_p) char *here = NULL;
    char number[24];
    int64_t seen = 0;
    int r = store_place(db, &here, e);

    if (r == 0)
        r = store_fact(db, "installation", NULL, &installation, e);
    if (r == 0 && state_dir_seen(s, installation, &seen, e) < 0)
        seen = 0; /* damaged: written again below */
    snprintf(number, sizeof number, "%" PRId64, seen + PAST_OTHERS);
    if (r == 0)
        r = store_fact_set(db, "place", here, e);
    if (r == 0 && seen)
        r = store_fact_set(db, "sequence", number, e);
    return r < 0 ? r : count_up(db, s, installation, e);
}
