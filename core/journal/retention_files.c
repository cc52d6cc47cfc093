/* SPDX-License-Identifier: MIT
 * The files of retention (retention.h): created, appended to, taken over from dead processes, removed.
 */
#include "config.h" /* _GNU_SOURCE */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/journal/retention_internal.h"

enum { ROOM_AHEAD = 256 * 1024 };

static off_t retention_file_max(const struct retention *k)
{
    return (off_t)(k->setup.bound / KEEP_SHARE);
}

void retention_file_free(struct retention *k, struct retention_file *f, bool remove)
{
    TAILQ_REMOVE(&k->files, f, link);
    k->file_count--;
    if (k->current == f)
        k->current = NULL;
    if (remove)
        unlink(f->path);
    close_p(&f->fd);
    free(f->path);
    free(f);
}

static struct retention_file *file_add(struct retention *k, char *path, int fd, off_t end)
{
    struct retention_file *f = xcalloc(1, sizeof *f);

    *f = (struct retention_file){.path = path, .fd = fd, .end = end, .reserved = end};
    k->file_count++;
    return f;
}

static int write_at(int fd, const char *bytes, size_t len, off_t at)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = pwrite(fd, bytes + done, len - done, at + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    return 0;
}

static int head_write(const struct retention *k, int fd, off_t *ret_end)
{
    cleanup(buf_done) struct buf head = {0};
    const struct spool_field fields[SPOOL_FIELDS] = {
        {k->setup.host, strlen(k->setup.host)},
        {NULL, 0},
        {k->installation, strlen(k->installation)},
    };

    buf_init(&head, SPOOL_HEAD_SIZE + SPOOL_TEXT_MAX);
    int r = spool_entry_write(&head, k->setup.ring, KEEP_BOUND, SPOOL_HEAD, 0, fields);
    if (r == 0)
        r = write_at(fd, head.data, head.len, 0);
    *ret_end = (off_t)head.len;
    return r;
}

/* The file gets its name only after it is locked and has its head, which names its host and installation. */
static int retention_file_file_make(struct retention *k, struct error *e)
{
    if (k->installation[0] == '\0')
        return error_set(e, -EAGAIN, "no credential can be written to %s before the database is known", k->dir);
    char *path = xasprintf("%s/%s.%u.kept", k->dir, k->setup.incarnation, ++k->made);
    cleanup(free_p) char *new_path = xasprintf("%s.new", path);
    off_t end = 0;

    int fd = open(new_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int r = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : head_write(k, fd, &end);
    if (r == 0 && rename(new_path, path) < 0)
        r = -errno;
    if (r < 0) {
        error_set(e, r, "the file %s cannot be made: %s", path, strerror(-r));
        if (fd >= 0)
            unlink(new_path);
        close_p(&fd);
        free(path);
        return r;
    }
    struct retention_file *before = k->current;
    k->current = file_add(k, path, fd, end);
    TAILQ_INSERT_TAIL(&k->files, k->current, link);
    if (before != NULL && before->pairs == 0)
        retention_file_free(k, before, true);
    else if (before != NULL)
        (void)!ftruncate(before->fd, before->end); /* what was reserved */
    return 0;
}

int retention_file_room(struct retention *k, off_t more, struct error *e)
{
    if (k->current == NULL || k->current->end >= retention_file_max(k)) {
        int r = retention_file_file_make(k, e);
        if (r < 0)
            return r;
    }
    struct retention_file *f = k->current;
    off_t need = f->end + more;
    for (off_t ahead = retention_file_max(k) < ROOM_AHEAD ? retention_file_max(k) : ROOM_AHEAD; need > f->reserved;
         ahead = 0) {
        if (fallocate(f->fd, FALLOC_FL_KEEP_SIZE, f->end, need + ahead - f->end) == 0) {
            f->reserved = need + ahead;
        } else if (errno != ENOSPC && errno != EDQUOT && errno != EFBIG) {
            return 0; /* file systems without fallocate skip this */
        } else if (ahead == 0) {
            return error_set(e, -errno, "the file %s could not be extended: %s; make room on that disk", f->path,
                             strerror(errno));
        }
    }
    return 0;
}

int retention_append(struct retention *k, const char *bytes, size_t len, off_t *ret_at, struct error *e)
{
    int r = retention_file_room(k, (off_t)len, e);

    if (r < 0)
        return r;
    struct retention_file *f = k->current;
    r = write_at(f->fd, bytes, len, f->end);
    if (r < 0) {
        (void)!ftruncate(f->fd, f->end);
        f->reserved = f->end;
        return error_set(e, r, "the file %s: writing failed: %s; make room on that disk", f->path, strerror(-r));
    }
    *ret_at = f->end;
    f->end += (off_t)len;
    return 0;
}

/* ---- fewer files ---- */

static int pair_move(struct retention *k, struct retained_pair *p)
{
    cleanup(free_p) char *bytes = xmalloc(p->len);
    off_t at;

    int r = spool_read_at(p->file->fd, bytes, p->len, p->offset);
    if (r == 0)
        r = retention_append(k, bytes, p->len, &at, NULL);
    if (r < 0)
        return r;
    p->file->pairs--;
    p->file = k->current;
    p->file->pairs++;
    p->offset = at;
    return 0;
}

/* Copies the retained pairs of the oldest file into the newest, which is synced before the oldest is removed. */
static int oldest_move(struct retention *k)
{
    struct retention_file *f = TAILQ_FIRST(&k->files);
    struct retained_pair *p;
    int r = 0;

    TAILQ_FOREACH(p, &k->pairs, link)
    if (p->file == f && r == 0)
        r = pair_move(k, p);
    if (r == 0 && fdatasync(k->current->fd) < 0)
        r = -errno;
    if (r == 0)
        retention_file_free(k, f, true);
    return r;
}

void retention_tidy(struct retention *k)
{
    off_t max = retention_file_max(k);
    struct retained_pair *p;

    /* Half of the limit is for retained pairs, half for dropped ones in files that still hold a retained pair. */
    while (k->bytes > k->setup.bound / 2 - KEEP_FILES * max && (p = TAILQ_FIRST(&k->pairs)) != NULL)
        retention_forget(k, p);
    for (size_t most = k->file_count; most > 0 && k->file_count > KEEP_FILES + (size_t)(2 * k->bytes / max); most--)
        if (k->current == TAILQ_FIRST(&k->files) || oldest_move(k) < 0)
            break;
}

/* ---- files of dead processes ---- */

struct taking {
    struct retention *k;
    struct retention_file *file;
    struct kept_pairs found;
    bool headed, unnamed; /* unnamed: its head does not say of which installation it is */
    char host[ID_SIZE], installation[ID_SIZE];
};

static int retention_file_foreign(const struct taking *t, struct error *e)
{
    bool host = strcmp(t->host, t->k->setup.host) == 0;

    if (host && (t->unnamed || strcmp(t->installation, t->k->installation) == 0))
        return 0;
    return error_set(e, -EXDEV, "%s belongs to another %s and is left as it is", t->file->path,
                     host ? "installation's database" : "host");
}

static int retention_file_entry_take(void *ctx, const struct spool_head *head, const char *text, off_t at,
                                     struct error *e)
{
    struct taking *t = ctx;
    cleanup(secret_free_p) struct secret *plain = NULL;
    struct spool_field fields[SPOOL_FIELDS];
    const char *why = NULL;

    if (spool_entry_open(t->k->setup.ring, KEEP_BOUND, head, text, &plain, fields, &why) < 0)
        return error_set(e, -EKEYREJECTED,
                         "%s: an entry cannot be read: %s; configure the keys that were in "
                         "use when it was written",
                         t->file->path, why);
    if (head->type == SPOOL_HEAD) {
        spool_field_copy(t->host, sizeof t->host, &fields[0]);
        spool_field_copy(t->installation, sizeof t->installation, &fields[2]);
        t->headed = true;
        t->unnamed = t->installation[0] == '\0';
        return retention_file_foreign(t, e);
    }
    if (head->type != SPOOL_KEPT || !t->headed)
        return 0;
    struct retained_pair *p = xcalloc(1, sizeof *p);
    spool_field_copy(p->attempt_id, sizeof p->attempt_id, &fields[0]);
    spool_field_copy(p->newest, sizeof p->newest, &fields[1]);
    p->replaced = fields[2].data ? xstrndup(fields[2].data, fields[2].len) : xstrdup("");
    p->at = (int64_t)head->sequence;
    p->file = t->file;
    p->offset = at;
    p->len = SPOOL_HEAD_SIZE + head->length;
    TAILQ_INSERT_TAIL(&t->found, p, link);
    return 0;
}

/* An earlier renewd wrote no installation into a file that it created while it drained a dead process's results.
 * A process belongs to one installation, so if one pair is of ours, all are. */
static int unnamed_ours(const struct taking *t, struct error *e)
{
    const struct retained_pair *p;

    if (!t->unnamed)
        return 0;
    TAILQ_FOREACH(p, &t->found, link)
    {
        cleanup(secret_free_p) struct secret *text = NULL;
        if (t->k->setup.ours != NULL && retention_pair_text(t->k, p, &text, NULL) == 0 &&
            t->k->setup.ours(t->k->setup.ctx, p->newest, secret_text(text), secret_len(text)))
            return 0;
    }
    return error_set(e, -EXDEV,
                     "%s does not name its database, and none of its entries belongs to this one; it is left as it "
                     "is",
                     t->file->path);
}

/* Locks and reads one file. -EAGAIN: it must not be taken over. */
static int retention_file_file_take(struct retention *k, const char *name, struct error *e)
{
    struct taking t = {.k = k};
    char *path = xasprintf("%s/%s", k->dir, name);
    struct stat st;
    struct retained_pair *p;

    TAILQ_INIT(&t.found);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    int r = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0 ? -errno : 0;
    if (r == -ENOENT || (r == 0 && st.st_nlink == 0))
        r = -EAGAIN;
    if (r < 0) {
        error_set(e, r, "%s cannot be opened: %s", path, strerror(-r));
        close_p(&fd);
        free(path);
        return r;
    }
    t.file = file_add(k, path, fd, st.st_size);
    TAILQ_INSERT_HEAD(&k->files, t.file, link);
    struct spool_scan scan = {.fd = fd, .path = path, .size = st.st_size};
    r = spool_scan(&scan, retention_file_entry_take, &t, e);
    if (r == 0)
        r = unnamed_ours(&t, e);
    while ((p = TAILQ_FIRST(&t.found)) != NULL) {
        TAILQ_REMOVE(&t.found, p, link);
        if (r == 0) {
            retention_remember(k, p);
        } else {
            free(p->replaced);
            free(p);
        }
    }
    if (r < 0)
        retention_file_free(k, t.file, false);
    return r;
}

static int by_age(const void *a, const void *b)
{
    const struct retained_pair *const *x = a, *const *y = b;

    return ((*x)->at > (*y)->at) - ((*x)->at < (*y)->at);
}

/* Adds the pairs, the oldest first; only the newest of each credential is retained. */
static void retention_file_sort_out(struct retention *k)
{
    size_t count = 0, n = 0;
    struct retained_pair *p;

    TAILQ_FOREACH(p, &k->pairs, link)
    count++;
    cleanup(free_p) struct retained_pair **list = xcalloc(count + 1, sizeof *list);
    TAILQ_FOREACH(p, &k->pairs, link)
    list[n++] = p;
    qsort(list, count, sizeof *list, by_age);
    TAILQ_INIT(&k->pairs);
    for (size_t i = 0; i < count; i++) {
        TAILQ_INSERT_TAIL(&k->pairs, list[i], link);
        map_put(k->by_newest, list[i]->newest, list[i]);
    }
    for (size_t i = 0; i < count; i++)
        if (map_get(k->by_newest, list[i]->newest) != list[i])
            retention_forget(k, list[i]);
    for (p = TAILQ_LAST(&k->pairs, kept_pairs); p != NULL; p = TAILQ_PREV(p, kept_pairs, link))
        retention_supersede(k, p);
}

static bool is_name(const char *name)
{
    size_t len = strlen(name), suffix = strlen(".kept");

    return len > suffix && name[0] != '.' && strcmp(name + len - suffix, ".kept") == 0;
}

int retention_take(struct retention *k, const char *installation, struct error *e)
{
    struct dirent *entry;
    struct retention_file *f, *next;
    int refused = 0;

    if (k->installation[0] && strcmp(k->installation, installation) != 0)
        retention_leave(k);
    snprintf(k->installation, sizeof k->installation, "%s", installation);
    k->left_alone = 0;
    DIR *d = opendir(k->dir);
    if (d == NULL)
        return errno == ENOENT
                   ? 0
                   : error_set(e, -errno, "the spool directory %s cannot be read: %s", k->dir, strerror(errno));
    while ((entry = readdir(d)) != NULL) {
        struct error why = {""};
        int r = is_name(entry->d_name) ? retention_file_file_take(k, entry->d_name, &why) : -EAGAIN;
        if (r == -EAGAIN)
            continue;
        if (r < 0 && refused == 0)
            refused = error_set(e, r, "%s", why.text);
        k->left_alone += r < 0;
    }
    closedir(d);
    retention_file_sort_out(k);
    for (f = TAILQ_FIRST(&k->files); f != NULL; f = next) {
        next = TAILQ_NEXT(f, link);
        if (f->pairs == 0 && f != k->current)
            retention_file_free(k, f, true);
    }
    retention_age(k);
    return refused;
}
