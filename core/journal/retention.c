/* SPDX-License-Identifier: MIT
 * See retention.h. The retained pairs by the fingerprint of their credential; the files are in retention_files.c.
 */
#include "core/journal/retention.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/journal/retention_internal.h"

enum { ENTRY_ROOM = 16 * 1024 }; /* as the spool's for a result */

struct retention *retention_new(const struct retention_setup *s)
{
    struct retention *k = xcalloc(1, sizeof *k);

    k->setup = *s;
    k->setup.host = xstrdup(s->host);
    k->setup.incarnation = xstrdup(s->incarnation);
    k->dir = xasprintf("%s/spool", s->state_dir);
    k->setup.state_dir = NULL;
    k->by_newest = map_new();
    TAILQ_INIT(&k->pairs);
    TAILQ_INIT(&k->files);
    return k;
}

static void pair_free(struct retained_pair *p)
{
    free(p->replaced);
    free(p);
}

void retention_leave(struct retention *k)
{
    struct retained_pair *p;
    struct retention_file *f;

    if (k->current != NULL)
        (void)!ftruncate(k->current->fd, k->current->end); /* what was reserved */
    while ((f = TAILQ_FIRST(&k->files)) != NULL)
        retention_file_free(k, f, f->pairs == 0);
    while ((p = TAILQ_FIRST(&k->pairs)) != NULL) {
        TAILQ_REMOVE(&k->pairs, p, link);
        pair_free(p);
    }
    map_free(k->by_newest, NULL);
    k->by_newest = map_new();
    k->bytes = 0;
}

void retention_free(struct retention *k)
{
    if (k == NULL)
        return;
    retention_leave(k);
    map_free(k->by_newest, NULL);
    free((char *)k->setup.host);
    free((char *)k->setup.incarnation);
    free(k->dir);
    free(k);
}

void retention_remember(struct retention *k, struct retained_pair *p)
{
    TAILQ_INSERT_TAIL(&k->pairs, p, link);
    map_put(k->by_newest, p->newest, p);
    p->file->pairs++;
    k->bytes += (int64_t)p->len;
}

void retention_forget(struct retention *k, struct retained_pair *p)
{
    struct retention_file *f = p->file;

    TAILQ_REMOVE(&k->pairs, p, link);
    if (map_get(k->by_newest, p->newest) == p)
        map_remove(k->by_newest, p->newest);
    k->bytes -= (int64_t)p->len;
    pair_free(p);
    if (--f->pairs == 0 && f != k->current)
        retention_file_free(k, f, true);
}

/* The next of "FINGERPRINT SECONDS\n". */
static bool next_replaced(const char **at, char ret[FINGERPRINT_SIZE], int64_t *ret_since)
{
    int len = 0;

    if (sscanf(*at, "%64s %" SCNd64 "\n%n", ret, ret_since, &len) != 2 || len == 0)
        return false;
    *at += len;
    return true;
}

void retention_supersede(struct retention *k, struct retained_pair *p)
{
    const char *at = p->replaced;
    char fingerprint[FINGERPRINT_SIZE];
    int64_t since;

    while (next_replaced(&at, fingerprint, &since)) {
        struct retained_pair *older = map_get(k->by_newest, fingerprint);
        if (older != NULL && older != p && older->at <= p->at)
            retention_forget(k, older);
    }
}

/* The credentials that this one replaces: its predecessor, and what that one had replaced within a day. */
static char *replaced_by(const struct retention *k, const char *replaced, const char *newest, int64_t now)
{
    const struct retained_pair *before = map_get(k->by_newest, replaced);
    const char *at = before ? before->replaced : "";
    char fingerprint[FINGERPRINT_SIZE];
    cleanup(buf_done) struct buf b = {0};
    int64_t since;

    buf_init(&b, 1024 * 1024);
    (void)buf_text(&b, "");
    while (next_replaced(&at, fingerprint, &since))
        if (since > now - KEEP_S && strcmp(fingerprint, newest) != 0 && strcmp(fingerprint, replaced) != 0)
            (void)buf_printf(&b, "%s %" PRId64 "\n", fingerprint, since);
    if (replaced[0] && strcmp(replaced, newest) != 0)
        (void)buf_printf(&b, "%s %" PRId64 "\n", replaced, now);
    return buf_steal(&b);
}

static struct spool_field retention_field(const char *text)
{
    return (struct spool_field){text, strlen(text)};
}

int retention_put(struct retention *k, const char *attempt_id, const char *replaced, const char *newest,
                  const char *text, size_t len, struct error *e)
{
    cleanup(buf_done) struct buf entry = {0};
    int64_t now = clock_real();
    struct retained_pair *p = xcalloc(1, sizeof *p);

    snprintf(p->attempt_id, sizeof p->attempt_id, "%s", attempt_id);
    snprintf(p->newest, sizeof p->newest, "%s", newest);
    p->at = now;
    p->replaced = replaced_by(k, replaced, newest, now);
    const struct spool_field fields[SPOOL_FIELDS] = {
        retention_field(attempt_id),
        retention_field(newest),
        retention_field(p->replaced),
        {text, len},
    };
    buf_init(&entry, SPOOL_HEAD_SIZE + SPOOL_TEXT_MAX);
    int r = spool_entry_write(&entry, k->setup.ring, KEEP_BOUND, SPOOL_KEPT, (uint64_t)now, fields);
    if (r < 0)
        error_set(e, r, "new tokens could not be sealed for their copy in state_dir: %s", strerror(-r));
    else
        r = retention_append(k, entry.data, entry.len, &p->offset, e);
    if (r < 0) {
        pair_free(p);
        return r;
    }
    struct retained_pair *same = map_get(k->by_newest, newest);
    p->file = k->current;
    p->len = entry.len;
    retention_remember(k, p);
    if (same != NULL)
        retention_forget(k, same);
    retention_supersede(k, p);
    retention_tidy(k);
    return 0;
}

int retention_room(struct retention *k, size_t waiting, struct error *e)
{
    return retention_file_room(k, (off_t)waiting * ENTRY_ROOM, e);
}

void retention_age(struct retention *k)
{
    struct retained_pair *p;
    int64_t limit = clock_real() - KEEP_S;

    while ((p = TAILQ_FIRST(&k->pairs)) != NULL && p->at < limit)
        retention_forget(k, p);
    retention_tidy(k);
}

void retention_each(const struct retention *k, void (*each)(void *ctx, const struct retention_entry *entry),
                    void *ctx)
{
    const struct retained_pair *p;

    TAILQ_FOREACH(p, &k->pairs, link)
    {
        const struct retention_entry entry = {p->attempt_id, p->newest};
        each(ctx, &entry);
    }
}

int retention_pair_text(const struct retention *k, const struct retained_pair *p, struct secret **ret,
                        struct error *e)
{
    cleanup(secret_free_p) struct secret *plain = NULL;
    struct spool_field fields[SPOOL_FIELDS];
    struct spool_head head;
    const char *why = "it was cut off";

    cleanup(free_p) char *bytes = xmalloc(p->len + 1);
    int r = spool_read_at(p->file->fd, bytes, p->len, p->offset);
    if (r < 0)
        return error_set(e, r, "the file %s cannot be read: %s", p->file->path, strerror(-r));
    bytes[p->len] = '\0';
    if (!spool_head_read((const unsigned char *)bytes, &head) ||
        spool_entry_open(k->setup.ring, KEEP_BOUND, &head, bytes + SPOOL_HEAD_SIZE, &plain, fields, &why) < 0)
        return error_set(e, -EBADMSG, "an entry of %s cannot be read: %s", p->file->path, why);
    *ret = secret_new(fields[3].data, fields[3].len);
    return 0;
}

int retention_text(const struct retention *k, const char *newest, struct secret **ret, struct error *e)
{
    const struct retained_pair *p = map_get(k->by_newest, newest);

    return p == NULL ? error_set(e, -ENOENT, "it is no longer retained") : retention_pair_text(k, p, ret, e);
}

bool retention_came_after(const struct retention *k, const char *newest, const char *fingerprint)
{
    const struct retained_pair *p = map_get(k->by_newest, newest);

    return p != NULL && (strcmp(newest, fingerprint) == 0 || strstr(p->replaced, fingerprint) != NULL);
}

void retention_counts(const struct retention *k, struct retention_counts *ret)
{
    *ret = (struct retention_counts){(int64_t)map_count(k->by_newest), k->bytes, k->left_alone};
}
