/* SPDX-License-Identifier: MIT
 * What the parts of the spool share: one entry on the disk (spool_entry.c), the writer (spool.c), the sync thread
 * (spool_sync.c). Only core/journal includes it.
 *
 * An entry is a head of 32 bytes and a sealed text that is bound to incarnation, type and sequence:
 *   0 magic (4)  4 version  5 type  6 zero (2)  8 length (4)  12 zero (4)  16 sequence (8)  24
 * check (8) Numbers are big-endian; the check is the beginning of the SHA-256 of the first 24 bytes
 * and the text. The magic holds a byte that no sealed text has, so that a reader finds the next
 * entry after damage.
 */
#ifndef CORE_JOURNAL_SPOOL_INTERNAL_H
#define CORE_JOURNAL_SPOOL_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/buf.h"
#include "core/base/map.h"
#include "core/base/secret.h"
#include "core/crypto/keyring.h"
#include "core/journal/spool.h"
#include "core/loop/loop.h"

#define SPOOL_MAGIC "\xf5RSP"

enum {
    SPOOL_HEAD_SIZE = 32,
    SPOOL_VERSION = 1,
    SPOOL_TEXT_MAX = 1536 * 1024, /* a sealed text of SEAL_PLAIN_MAX and its frame */
    SPOOL_FIELDS = 5,
    SPOOL_SYNC_MS = 20,
};

enum spool_type { SPOOL_HEAD = 1, SPOOL_INTENT, SPOOL_RESULT, SPOOL_SETTLED, SPOOL_KEPT };

struct spool_head {
    int version, type;
    uint32_t length;
    uint64_t sequence;
};

/* An entry's content. HEAD: host, boot, installation, inode (in a retention file only the first three). KEPT:
 * attempt, newest, replaced, text. INTENT: attempt, fingerprint, source, key. RESULT: the same and the text.
 * SETTLED: attempt. */
struct spool_field {
    const char *data; /* NULL = absent */
    size_t len;
};

int spool_entry_write(struct buf *to, const struct keyring *ring, const char *incarnation, int type,
                      uint64_t sequence, const struct spool_field fields[SPOOL_FIELDS]);
/* False when these 32 bytes are not the head of an entry. */
bool spool_head_read(const unsigned char bytes[SPOOL_HEAD_SIZE], struct spool_head *ret);
bool spool_check_fits(const unsigned char bytes[SPOOL_HEAD_SIZE], const char *text, size_t len);
/* The fields point into *ret_plain. Negative errno and a half sentence when it does not open. */
int spool_entry_open(const struct keyring *ring, const char *incarnation, const struct spool_head *head,
                     const char *text, struct secret **ret_plain, struct spool_field ret_fields[SPOOL_FIELDS],
                     const char **ret_why);

void spool_field_copy(char *to, size_t size, const struct spool_field *from);

/* Reads all bytes or returns a negative errno; -ENODATA past the end. */
int spool_read_at(int fd, void *to, size_t len, off_t at);
/* Scans a file: entry is called with each complete entry and its offset; a negative errno from it ends the scan. */
struct spool_scan {
    int fd;
    const char *path;
    off_t size;
    bool torn, damaged; /* as in struct spool_file */
    char *text;
};
typedef int spool_entry_fn(void *ctx, const struct spool_head *head, const char *text, off_t at, struct error *e);
int spool_scan(struct spool_scan *s, spool_entry_fn *entry, void *ctx, struct error *e);

int spool_boot_id(char ret[40]);

struct spool_waiter {
    struct spool_waiter *next;
    void (*done)(void *ctx, int result);
    void *ctx;
};

/* The sync thread and its waiters. Lists and timer belong to the loop's thread; the lock protects wanted, stop
 * and result. */
struct spool_sync {
    struct loop *loop;
    struct loop_timer *timer;
    struct loop_watch *watch;
    struct spool_waiter *running, *waiting, **waiting_end;
    bool busy;    /* a sync was requested and has not reported */
    bool hurry;   /* a waiter wants the sync at once, not within 20 ms */
    int broken;   /* the first failure; what is on the disk since then is unknown */
    int fd, bell; /* the spool file; the eventfd that signals the end of a sync */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool wanted, stop;
    int result;
};

int spool_sync_start(struct spool_sync *s, struct loop *loop, int fd);
void spool_sync_ask(struct spool_sync *s, bool now, void (*done)(void *ctx, int result), void *ctx);
/* Joins the thread; the remaining waiters get the result of one last sync. */
void spool_sync_end(struct spool_sync *s);

#endif
