/* SPDX-License-Identifier: MIT
 * The spool: sealed entries on the local disk for what this process is about to send and what it has received,
 * written before anything else can lose it (rules 2, 3 and 6 of ARCHITECTURE.md). One append-only file for each
 * incarnation, state_dir/spool/INCARNATION.spool, locked while its process runs.
 *
 * The loop thread writes (pwrite only); the sync thread, created here, calls fdatasync and reports to the loop.
 * Every entry is sealed with the key ring and has its length and a checksum. A torn last entry is recognised and
 * left out.
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

/* Creates spool/ (0700) and this incarnation's file (0600), locks it, and writes a head entry with host id, boot
 * id and installation. */
int spool_open(struct loop *loop, const char *state_dir, const char *host, const char *incarnation,
               const struct keyring *ring, struct spool **ret, struct error *e);
/* Sets the installation to which all following entries belong. */
int spool_belongs(struct spool *s, const char *installation, struct error *e);
/* Ends the sync thread; the callbacks that wait for a sync are called before this returns. Removes the file when
 * nothing in it is still wanted. */
void spool_close(struct spool *s);

/* Writes an intent: an attempt is about to send. After -ENOSPC or -EIO nothing may be sent. */
int spool_intent(struct spool *s, const char *attempt_id, const char *fingerprint, const char *source,
                 const char *key, struct error *e);
/* Writes a result: text is commit_to_text()'s. It is written, but not synced, when this returns. A later result
 * of the same attempt replaces the earlier. */
int spool_result(struct spool *s, const char *attempt_id, const char *text, size_t len, struct error *e);
/* The store has the result (or there is none): the attempt's entries are no longer wanted. */
void spool_settled(struct spool *s, const char *attempt_id);
/* Calls done on the loop thread once everything written so far is on the disk. The sync starts within 20 ms, at
 * once when now is true. result: 0 or a negative errno. */
void spool_sync(struct spool *s, bool now, void (*done)(void *ctx, int result), void *ctx);

/* Calls the function for each attempt that is still wanted. */
void spool_wanted(const struct spool *s, void (*each)(void *ctx, const char *attempt_id), void *ctx);
/* The file is not removed at the end, even if it is empty: this incarnation may still have leases, and the file
 * proves that an attempt which it does not name was not sent. */
void spool_stay(struct spool *s);

struct spool_counts {
    int64_t entries, bytes, oldest_at;
};
void spool_counts(const struct spool *s, struct spool_counts *ret);

/* An attempt that a dead incarnation left. */
struct spool_leftover {
    char attempt_id[ID_SIZE];
    char fingerprint[FINGERPRINT_SIZE]; /* "" when its intent is lost */
    char *source, *key;                 /* NULL when its intent is lost; then text has them */
    char *text;                         /* the last result; NULL = an intent without a result */
    size_t text_len;
};
struct spool_file {
    char incarnation[ID_SIZE];
    char host[ID_SIZE];
    char boot[40];
    char installation[ID_SIZE]; /* "" when the process sent nothing */
    bool same_boot;
    bool copied;  /* not the file that its process wrote: the directory was copied or restored */
    bool torn;    /* the last entry is cut off and left out */
    bool damaged; /* something between entries is unreadable and left out */
    struct spool_leftover *leftovers;
    size_t count;
    int fd; /* locked; closed by spool_files_free */
    char *path;
    /* For the code that drains the file. */
    bool foreign, stays, leases_asked, leases_done, said_alive;
    size_t giving_back; /* leases on their way back to the store */
};
/* Lists all files of state_dir/spool that no live process has locked, and locks each until it is freed. A file
 * with an entry that does not open with the ring is refused and not in the list. Returns 0, or -EKEYREJECTED or
 * another errno with a sentence about the first refused file; the list is valid in every case. */
int spool_leftovers(const char *state_dir, const struct keyring *ring, struct spool_file **ret, size_t *ret_count,
                    struct error *e);
/* The number of files of state_dir/spool that no live process has locked. */
size_t spool_dead_files(const char *state_dir);
/* Unlinks the file once its leftovers are in the store; it stays locked until freed. */
void spool_file_remove(struct spool_file *f);
void spool_files_free(struct spool_file *list, size_t count);

#endif
