/* SPDX-License-Identifier: MIT
 * Retention: keeps results for a day after the store has them. For each credential that may not be presented twice
 * it keeps the newest pair, as the commit that stored it, so that the commit is applied again if the database loses
 * it (rule 6: a restored backup, a standby that lagged). The pairs are sealed, in separate files beside the spool's
 * (spool/INCARNATION.N.kept). Each file is locked by its process; a process takes over the files of dead ones.
 *
 * A file is only appended to. It is removed when no pair in it is retained any more. When there are too many files,
 * the retained pairs of the oldest are copied into the newest. The size of all files is limited; the oldest pairs
 * are dropped first. All functions run on the loop's thread.
 */
#ifndef CORE_JOURNAL_RETENTION_H
#define CORE_JOURNAL_RETENTION_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/secret.h"
#include "core/crypto/keyring.h"
#include "core/rules/record.h"

struct retention;

struct retention_setup {
    const char *state_dir, *host, *incarnation;
    const struct keyring *ring; /* must exist longer than this */
    int64_t bound;              /* bytes */
    /* Whether this commit's text belongs to the present installation: decided by its credential and the
     * fingerprint of that. For files whose head does not name the installation. NULL = such files are left
     * alone. */
    bool (*ours)(void *ctx, const char *newest, const char *text, size_t len);
    void *ctx;
};

/* Opens no file yet. */
struct retention *retention_new(const struct retention_setup *s);
/* Retained pairs stay in their files, for the next process. */
void retention_free(struct retention *k);

/* Sets the installation and takes over the files of this host and installation that no live process has. Nothing
 * is retained before this call. If the installation changed, the pairs of the previous one stay in its files. 0,
 * or -EKEYREJECTED or another errno with a sentence about the first file that is left alone; all others are
 * taken over. */
int retention_take(struct retention *k, const char *installation, struct error *e);
/* Reserves disk space for the results of `waiting` attempts. */
int retention_room(struct retention *k, size_t waiting, struct error *e);
/* Retains a commit that the store has; text is commit_to_text()'s. The pair of `replaced` is dropped. */
int retention_put(struct retention *k, const char *attempt_id, const char *replaced, const char *newest,
                  const char *text, size_t len, struct error *e);
/* Drops what is older than a day. */
void retention_age(struct retention *k);

struct retention_entry {
    const char *attempt_id;
    const char *newest; /* fingerprint of the new credential: its name here */
};
void retention_each(const struct retention *k, void (*each)(void *ctx, const struct retention_entry *entry),
                    void *ctx);
/* The commit's text. -ENOENT: it is no longer retained. */
int retention_text(const struct retention *k, const char *newest, struct secret **ret, struct error *e);
/* Whether this is the retained credential, or one that it replaced, directly or through others, within a day. */
bool retention_came_after(const struct retention *k, const char *newest, const char *fingerprint);

struct retention_counts {
    int64_t entries, bytes, left_alone;
};
void retention_counts(const struct retention *k, struct retention_counts *ret);

#endif
