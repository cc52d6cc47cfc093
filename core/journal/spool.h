/* SPDX-License-Identifier: MIT
 * The spool: what this process is about to send and what it has received, sealed on the local disk
 * before anything else may lose it (rules 2, 3 and 6 of ARCHITECTURE.md). One append-only file
 * for each incarnation, state_dir/spool/INCARNATION.spool, locked while its process lives.
 *
 * The loop thread writes (pwrite alone); the sync thread, made here, does fdatasync and reports
 * back to the loop. Every entry is sealed with the key ring, has its length and a check, and a torn
 * last entry is recognised and left out.
 */
#ifndef CORE_JOURNAL_SPOOL_H
#define CORE_JOURNAL_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/crypto/crypto.h"
#include "core/loop/loop.h"
#include "core/rules/record.h"

struct spool;

/* Creates spool/ (0700) and this incarnation's file (0600), locks it, writes a head entry with the
 * host id, boot id and installation. */
int spool_open(struct loop *loop, const char *state_dir, const char *host, const char *incarnation,
               const struct keyring *ring, struct spool **ret, struct error *e);
/* Notes the installation that everything after this belongs to. */
int spool_belongs(struct spool *s, const char *installation, struct error *e);
/* Ends the sync thread (who waits for a sync is told before this returns); removes the file when
 * nothing in it is still wanted. */
void spool_close(struct spool *s);

/* About to send. -ENOSPC, -EIO: then nothing may be sent. */
int spool_intent(struct spool *s, const char *attempt_id, const char *fingerprint, const char *source,
                 const char *key, struct error *e);
/* A token came: text is commit_to_text()'s. Written when this returns. A later result of the same
 * attempt replaces the earlier. */
int spool_result(struct spool *s, const char *attempt_id, const char *text, size_t len, struct error *e);
/* The store has it (or there is nothing to keep): the attempt's entries are no longer wanted. */
void spool_settled(struct spool *s, const char *attempt_id);
/* Calls done on the loop thread once everything written so far is on the disk; starts within 20 ms,
 * at once when now is true. result 0 or negative errno. */
void spool_sync(struct spool *s, bool now, void (*done)(void *ctx, int result), void *ctx);

/* Each attempt that is still wanted. */
void spool_wanted(const struct spool *s, void (*each)(void *ctx, const char *attempt_id), void *ctx);
/* The file is not removed at the end, even if empty: leases of this incarnation may be out still, and what
 * it does not name was not sent. */
void spool_stay(struct spool *s);

struct spool_counts {
    int64_t entries, bytes, oldest_at;
};
void spool_counts(const struct spool *s, struct spool_counts *ret);

/* What dead incarnations left. */
struct spool_leftover {
    char attempt_id[ID_SIZE];
    char fingerprint[FINGERPRINT_SIZE]; /* "" when its intent is lost */
    char *source, *key;                 /* NULL when its intent is lost: the text has them */
    char *text;                         /* the last result; NULL = an intent without a result */
    size_t text_len;
};
struct spool_file {
    char incarnation[ID_SIZE];
    char host[ID_SIZE];
    char boot[40];
    char installation[ID_SIZE]; /* "" when it sent nothing */
    bool same_boot;
    bool copied;  /* it is not the file that its process wrote: the directory was copied, or restored */
    bool torn;    /* its last entry was cut off, and is left out */
    bool damaged; /* something between its entries cannot be read, and is left out */
    struct spool_leftover *leftovers;
    size_t count;
    int fd; /* locked; closed by spool_files_free */
    char *path;
    /* For whoever drains it. */
    bool foreign, stays, leases_asked, leases_done, said_alive;
    size_t giving_back; /* leases on their way back to the store */
};
/* All files of state_dir/spool that no live process locks; each locked by us until freed. An entry
 * that does not open with the ring refuses its file, which is then not in the list; the others go
 * on. Returns 0, or -EKEYREJECTED or another errno with a sentence about the first refused file;
 * the list is given in every case. */
int spool_leftovers(const char *state_dir, const struct keyring *ring, struct spool_file **ret, size_t *ret_count,
                    struct error *e);
/* How many files of state_dir/spool no live process locks. */
size_t spool_dead_files(const char *state_dir);
/* Unlinks it once its leftovers are in the store; it stays locked until freed. */
void spool_file_remove(struct spool_file *f);
void spool_files_free(struct spool_file *list, size_t count);

#endif
