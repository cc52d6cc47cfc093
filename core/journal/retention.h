/* SPDX-License-Identifier: MIT
 * What the store has taken stays here for a day: of each credential that may not be presented twice the
 * newest pair, as the commit that stored it, so that it is applied again when the database loses it (rule 6:
 * a backup put back, a standby that lagged). Sealed, in files of their own beside the spool's
 * (spool/INCARNATION.N.kept), each locked by the process that has it; a process takes over those of dead ones.
 *
 * A file is only appended to. It goes when nothing in it is kept any more; when there are too many, what
 * the oldest still keeps is copied into the newest. All of them together stay below a bound, for which the
 * oldest pairs go first. On the loop's thread alone.
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
    const struct keyring *ring; /* outlives it */
    int64_t bound;              /* bytes */
    /* Whether this commit's text is of the installation that is known here: by what it brought and its
     * fingerprint. For files whose head does not say whose they are. NULL = they are left alone. */
    bool (*ours)(void *ctx, const char *newest, const char *text, size_t len);
    void *ctx;
};

/* Opens nothing yet. */
struct retention *retention_new(const struct retention_setup *s);
/* What is kept stays in its files, for the next process. */
void retention_free(struct retention *k);

/* Takes the files that no live process has; they must be of this host and this installation, which is known
 * from here on: nothing is kept before. Another installation than before: what is kept of that stays in its
 * files. 0, or -EKEYREJECTED or another errno with a sentence about the first file that is left
 * alone; all others are taken. */
int retention_take(struct retention *k, const char *installation, struct error *e);
/* Makes sure of the disk's room for what `waiting` attempts may bring. */
int retention_room(struct retention *k, size_t waiting, struct error *e);
/* The store has this commit; text is commit_to_text()'s. What `replaced` brought is kept no longer. */
int retention_put(struct retention *k, const char *attempt_id, const char *replaced, const char *newest,
                  const char *text, size_t len, struct error *e);
/* What is older than a day goes. */
void retention_age(struct retention *k);

struct retention_entry {
    const char *attempt_id;
    const char *newest; /* fingerprint of the credential that it brought: its name here */
};
void retention_each(const struct retention *k, void (*each)(void *ctx, const struct retention_entry *entry),
                    void *ctx);
/* The commit's text. -ENOENT: it is not kept any more. */
int retention_text(const struct retention *k, const char *newest, struct secret **ret, struct error *e);
/* Whether this credential is it, or was replaced by it, at once or through others, within a day. */
bool retention_came_after(const struct retention *k, const char *newest, const char *fingerprint);

struct retention_counts {
    int64_t entries, bytes, left_alone;
};
void retention_counts(const struct retention *k, struct retention_counts *ret);

#endif
