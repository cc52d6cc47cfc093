/* SPDX-License-Identifier: MIT
 * Writes the spool: this incarnation's file, the list of attempts in it that are still wanted, and the release of
 * the space of the others. Everything runs on the loop's thread. Reading the files of dead incarnations is in
 * spool_read.c.
 */
#include "config.h" /* _GNU_SOURCE */

#include "core/journal/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/journal/spool_internal.h"
#include "core/journal/state_dir.h"

enum {
    GIVE_BACK = 1024 * 1024, /* free the beginning of the file when it has so many unwanted bytes */
    RESULT_ROOM = 16 * 1024, /* reserved for each result that may still come */
    ROOM_AHEAD = 256 * 1024,
};

/* An attempt that is still wanted; the list is in the order of the first entries. */
struct wanted {
    struct wanted *next, *prev;
    char id[ID_SIZE], fingerprint[FINGERPRINT_SIZE];
    char *source, *key;
    off_t at; /* of its first entry */
    int64_t since;
};

struct spool {
    struct spool_sync sync;
    const struct keyring *ring;
    char host[ID_SIZE], incarnation[ID_SIZE];
    char *path;
    int fd;
    off_t head_end, end; /* the file's beginning that stays; its end */
    off_t given_back;    /* the file is a hole from head_end to here */
    off_t reserved;      /* disk space is reserved up to here */
    uint64_t sequence;
    bool stays;
    struct map *wanted;
    struct wanted *first, *last;
};

static void wanted_free(void *p)
{
    struct wanted *w = p;

    free(w->source);
    free(w->key);
    free(w);
}

static struct spool_field field(const char *text)
{
    return (struct spool_field){text, text ? strlen(text) : 0};
}

/* Writes the whole entry or nothing: a failure leaves no torn entry between others. */
static int spool_append(struct spool *s, int type, const struct spool_field fields[SPOOL_FIELDS], struct error *e)
{
    cleanup(buf_done) struct buf entry = {0};
    size_t done = 0;

    buf_init(&entry, SPOOL_HEAD_SIZE + SPOOL_TEXT_MAX);
    if (s->sync.broken < 0)
        return error_set(
            e, s->sync.broken,
            "spool file %s: an earlier write did not reach the disk (%s); nothing more is sent until the disk is "
            "repaired and renewd restarted",
            s->path, strerror(-s->sync.broken));
    int r = spool_entry_write(&entry, s->ring, s->incarnation, type, s->sequence, fields);
    if (r < 0)
        return error_set(e, r, "spool file %s: an entry could not be sealed: %s", s->path, strerror(-r));
    r = fault_error(FAULT_SPOOL_WRITE, NULL);
    if (r < 0)
        return error_set(e, r, "spool file %s: writing failed: %s; make room on that disk", s->path, strerror(-r));
    if (type == SPOOL_RESULT)
        fault_torn(FAULT_SPOOL_TORN, s->fd, entry.data, entry.len, s->end);
    while (done < entry.len) {
        ssize_t n = pwrite(s->fd, entry.data + done, entry.len - done, s->end + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            r = n < 0 ? -errno : -EIO;
            (void)!ftruncate(s->fd, s->end); /* the next entry overwrites what remains */
            s->reserved = s->end;
            return error_set(e, r, "spool file %s: writing failed: %s; make room on that disk", s->path,
                             strerror(-r));
        }
        done += (size_t)n;
    }
    s->sequence++;
    s->end += (off_t)entry.len;
    return 0;
}

static struct wanted *spool_remember(struct spool *s, const char *attempt_id, const char *fingerprint,
                                     const char *source, const char *key, off_t at)
{
    struct wanted *w = xcalloc(1, sizeof *w);

    memcpy(w->id, attempt_id, strnlen(attempt_id, ID_SIZE - 1));
    if (fingerprint)
        memcpy(w->fingerprint, fingerprint, strnlen(fingerprint, FINGERPRINT_SIZE - 1));
    w->source = xstrdup_or_null(source);
    w->key = xstrdup_or_null(key);
    w->at = at;
    w->since = clock_real();
    w->prev = s->last;
    *(s->last ? &s->last->next : &s->first) = w;
    s->last = w;
    map_put(s->wanted, attempt_id, w);
    return w;
}

/* Reserves disk space, so that no request is sent whose result a full disk could not store. File systems without
 * fallocate skip this. */
static int spool_reserve(struct spool *s, struct error *e)
{
    off_t need = s->end + (off_t)(map_count(s->wanted) + 1) * RESULT_ROOM;

    if (need <= s->reserved)
        return 0;
    for (off_t ahead = ROOM_AHEAD;; ahead = 0) {
        if (fallocate(s->fd, FALLOC_FL_KEEP_SIZE, s->end, need + ahead - s->end) == 0) {
            s->reserved = need + ahead;
            return 0;
        }
        if (errno != ENOSPC && errno != EDQUOT && errno != EFBIG)
            return 0;
        if (ahead == 0)
            return error_set(e, -errno,
                             "spool file %s: there is no room for an answer: %s; make room "
                             "on that disk",
                             s->path, strerror(errno));
    }
}

int spool_intent(struct spool *s, const char *attempt_id, const char *fingerprint, const char *source,
                 const char *key, struct error *e)
{
    const struct spool_field fields[SPOOL_FIELDS] = {
        field(attempt_id), field(fingerprint), field(source), field(key), {NULL, 0},
    };
    off_t at = s->end;

    if (strlen(attempt_id) >= ID_SIZE || (fingerprint && strlen(fingerprint) >= FINGERPRINT_SIZE))
        return error_set(e, -EINVAL, "spool: the name of an attempt or a credential is too long");
    int r = spool_reserve(s, e);
    if (r == 0)
        r = spool_append(s, SPOOL_INTENT, fields, e);
    if (r == 0 && map_get(s->wanted, attempt_id) == NULL)
        spool_remember(s, attempt_id, fingerprint, source, key, at);
    return r;
}

int spool_result(struct spool *s, const char *attempt_id, const char *text, size_t len, struct error *e)
{
    const struct wanted *w = map_get(s->wanted, attempt_id);
    const struct spool_field fields[SPOOL_FIELDS] = {
        field(attempt_id), field(w ? w->fingerprint : NULL), field(w ? w->source : NULL), field(w ? w->key : NULL),
        {text, len},
    };
    off_t at = s->end;

    if (strlen(attempt_id) >= ID_SIZE)
        return error_set(e, -EINVAL, "spool: the name of an attempt is too long");
    int r = spool_append(s, SPOOL_RESULT, fields, e);
    if (r == 0 && w == NULL)
        spool_remember(s, attempt_id, NULL, NULL, NULL, at);
    return r;
}

/* Frees the space before the oldest wanted entry: everything after the head, or a hole if the file system supports
 * it.
 */
static void spool_give_back(struct spool *s)
{
    if (s->first == NULL) {
        if (s->end > GIVE_BACK && ftruncate(s->fd, s->head_end) == 0)
            s->end = s->given_back = s->reserved = s->head_end;
    } else if (s->first->at - s->given_back > GIVE_BACK &&
               fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, s->given_back,
                         s->first->at - s->given_back) == 0) {
        s->given_back = s->first->at;
    }
}

void spool_settled(struct spool *s, const char *attempt_id)
{
    const struct spool_field fields[SPOOL_FIELDS] = {field(attempt_id)};
    struct wanted *w = map_remove(s->wanted, attempt_id);

    if (w == NULL)
        return;
    *(w->prev ? &w->prev->next : &s->first) = w->next;
    *(w->next ? &w->next->prev : &s->last) = w->prev;
    wanted_free(w);
    (void)spool_append(s, SPOOL_SETTLED, fields, NULL); /* on failure a crash reports one more leftover */
    spool_give_back(s);
}

void spool_sync(struct spool *s, bool now, void (*done)(void *ctx, int result), void *ctx)
{
    spool_sync_ask(&s->sync, now, done, ctx);
}

void spool_wanted(const struct spool *s, void (*each)(void *ctx, const char *attempt_id), void *ctx)
{
    for (const struct wanted *w = s->first; w; w = w->next)
        each(ctx, w->id);
}

void spool_stay(struct spool *s)
{
    s->stays = true;
}

void spool_counts(const struct spool *s, struct spool_counts *ret)
{
    *ret = (struct spool_counts){
        .entries = (int64_t)map_count(s->wanted),
        .bytes = (int64_t)(s->end - (s->given_back - s->head_end)),
        .oldest_at = s->first ? s->first->since : 0,
    };
}

static int directory_sync(const char *dir)
{
    cleanup(close_p) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static void spool_free(struct spool *s)
{
    close_p(&s->fd);
    map_free(s->wanted, wanted_free);
    free(s->path);
    free(s);
}

/* Identifies this file, so that a copy of it (in a copied state directory) is recognised. */
static void inode_text(int fd, char ret[24])
{
    struct stat st;

    ret[0] = '\0';
    if (fstat(fd, &st) == 0)
        snprintf(ret, 24, "%ju", (uintmax_t)st.st_ino);
}

/* The file gets its name only after it is locked and has its head, so no process finds it unlocked. */
static int spool_file_make(struct spool *s, const char *dir, const char *host, struct error *e)
{
    cleanup(free_p) char *new_path = xasprintf("%s/%s.new", dir, s->incarnation);
    char boot[40];

    int r = spool_boot_id(boot);
    if (r < 0)
        return error_set(e, r, "the system's boot id cannot be read: %s", strerror(-r));
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return error_set(e, -errno, "the spool directory %s cannot be made: %s", dir, strerror(errno));
    struct error why;
    r = state_dir_fit(dir, false, &why);
    if (r < 0)
        return error_set(e, r, "the spool cannot be used: %s", why.text);
    s->fd = open(new_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->fd < 0)
        return error_set(e, -errno, "the spool file %s cannot be made: %s", new_path, strerror(errno));
    char inode[24];
    inode_text(s->fd, inode);
    const struct spool_field head[SPOOL_FIELDS] = {field(host), field(boot), field(""), field(inode)};
    if (flock(s->fd, LOCK_EX | LOCK_NB) < 0)
        r = error_set(e, -errno, "the spool file %s cannot be locked: %s", new_path, strerror(errno));
    if (r == 0)
        r = spool_append(s, SPOOL_HEAD, head, e);
    if (r == 0 && (fdatasync(s->fd) < 0 || rename(new_path, s->path) < 0 || directory_sync(dir) < 0))
        r = error_set(e, -errno, "the spool file %s cannot be put on the disk: %s", s->path, strerror(errno));
    if (r < 0) {
        unlink(new_path);
        unlink(s->path);
    }
    s->head_end = s->given_back = s->end;
    return r;
}

int spool_open(struct loop *loop, const char *state_dir, const char *host, const char *incarnation,
               const struct keyring *ring, struct spool **ret, struct error *e)
{
    cleanup(free_p) char *dir = xasprintf("%s/spool", state_dir);

    if (strlen(incarnation) >= ID_SIZE || strlen(host) >= ID_SIZE)
        return error_set(e, -EINVAL, "spool: the name of the host or the incarnation is too long");
    struct spool *s = xcalloc(1, sizeof *s);
    s->fd = -1;
    s->ring = ring;
    memcpy(s->incarnation, incarnation, strlen(incarnation));
    memcpy(s->host, host, strlen(host));
    s->path = xasprintf("%s/%s.spool", dir, incarnation);
    s->wanted = map_new();
    int r = spool_file_make(s, dir, host, e);
    if (r == 0) {
        r = spool_sync_start(&s->sync, loop, s->fd);
        if (r < 0) {
            unlink(s->path);
            error_set(e, r, "the spool's sync thread cannot be started: %s", strerror(-r));
        }
    }
    if (r < 0) {
        spool_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

int spool_belongs(struct spool *s, const char *installation, struct error *e)
{
    char boot[40], inode[24];

    int r = spool_boot_id(boot);
    if (r < 0)
        return error_set(e, r, "the system's boot id cannot be read: %s", strerror(-r));
    inode_text(s->fd, inode);
    const struct spool_field head[SPOOL_FIELDS] = {
        field(s->host),
        field(boot),
        field(installation),
        field(inode),
    };
    r = spool_append(s, SPOOL_HEAD, head, e);
    if (r == 0 && s->first == NULL)
        s->head_end = s->given_back = s->end;
    return r;
}

void spool_close(struct spool *s)
{
    if (s == NULL)
        return;
    spool_sync_end(&s->sync);
    if (s->first == NULL && !s->stays)
        unlink(s->path);
    spool_free(s);
}
