/* SPDX-License-Identifier: MIT
 * Shared by the files of the commit: one commit's place in a batch, and the steps of writing it. Nothing in a
 * commit changes before its transaction has ended; until then its result is kept here.
 */
#ifndef CORE_STORE_COMMIT_INTERNAL_H
#define CORE_STORE_COMMIT_INTERNAL_H

#include "core/db/db.h"
#include "core/store/store.h"

struct commit_work {
    struct commit *c;
    size_t index;      /* its index in the caller's list */
    int verdict;       /* enum commit_result */
    bool already;      /* its attempt is in the history */
    bool twins;        /* see struct commit */
    bool lease_passed; /* the attempt no longer holds the credential */
    bool shared;       /* another commit of the batch names its record or one of its credentials */
    bool hashed;
    char hash[FINGERPRINT_SIZE]; /* of the row as written, when hashed */
    struct row current;          /* COMMIT_CHANGED */
    const char *failed_effect;
    struct write *writes; /* the commit's, with the text of the row's worst record; NULL: the commit's */
    char **texts;         /* of these, owned */
    size_t text_count;
    char **sibling_keys; /* the row's keys in jobs that name it by other columns; NULL: not looked up */
    int unmoved;         /* how often the row matched the condition and took no update */
};

/* The user's row, on the condition that it holds the credential that was spent. Sets verdict to COMMIT_CHANGED or
 * COMMIT_GONE, or leaves it. */
int commit_row(struct db *db, struct commit_work *w, struct error *e);
/* The same for many rows (PostgreSQL), each with writes: one statement for those of the same table that have the same
 * columns and forms. Clears the entries of those that took no update or were left out: they go one at a time. */
int commit_rows(struct db *db, struct commit_work **list, size_t count, struct error *e);
/* commit_set.c. Writes what can be written for many commits at once, on PostgreSQL, and sets their verdicts. The others
 * keep COMMIT_WAITING. On failure *ret_at is the index of the commit that it was, or stays. */
int commit_set(struct db *db, struct commit_work *list, size_t count, size_t *ret_at, struct error *e);
/* Whether it may be one of them. */
bool commit_is_plain(const struct commit *c);
/* Statements and ledger keys. -ERANGE with failed_effect: another number of rows than declared. */
int commit_siblings_find(struct db *db, struct commit_work *w, struct error *e); /* before records are locked */
/* The row's key in a sibling job; NULL: it has none there. */
const char *commit_sibling_key(const struct commit_work *w, size_t sibling);
int commit_siblings(struct db *db, struct commit_work *w, struct error *e);      /* before the row */
int commit_siblings_know(struct db *db, struct commit_work *w, struct error *e); /* after it */
void commit_siblings_done(struct commit_work *w);
int commit_effects(struct db *db, struct commit_work *w, struct error *e);
/* commit_effects_many.c: the same for many (PostgreSQL). Clears the entries of those that go one at a time. *ret_at: the
 * one at which it failed, if that is known. */
int commit_effects_many(struct db *db, struct commit_work **list, size_t count, struct commit_work **ret_at,
                        struct error *e);
bool commit_effects_fit(const struct commit *c); /* whether they may be among many */
struct args;
/* Adds a statement's parameter. */
int commit_effect_bind(struct args *a, const struct bound *b, const struct commit_effect *f, struct error *e);
/* renewd's own rows. Of several commits no two may name the same record or credential. */
int commit_records(struct db *db, const struct commit_work *const *list, size_t count, struct error *e);
/* newest: the pair replaces a known successor; an orphan does not. */
int commit_credentials(struct db *db, const struct commit *const *list, size_t count, bool newest, struct error *e);
int commit_history(struct db *db, const struct commit *const *list, size_t count, struct error *e);
int commit_answer(struct db *db, const struct commit *c, struct error *e); /* parked_pairs.c */

#endif
