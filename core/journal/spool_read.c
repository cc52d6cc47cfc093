/* SPDX-License-Identifier: MIT
 * Reads the spool files that dead incarnations left: requests without an answer, and tokens that may not have been
 * stored. Damaged or cut off parts are left out and reported; every complete entry is found, whatever precedes it.
 */
#include "config.h" /* _GNU_SOURCE */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/journal/spool_internal.h"

/* The state while one file is read. known: attempt id -> its index in file->leftovers + 1. */
struct spool_reader {
    const struct keyring *ring;
    struct spool_file *file;
    struct map *known;
    size_t room;
    char inode[24];
};

static void leftover_done(struct spool_leftover *l)
{
    free(l->source);
    free(l->key);
    if (l->text)
        explicit_bzero(l->text, l->text_len);
    free(l->text);
    *l = (struct spool_leftover){.text = NULL};
}

void spool_field_copy(char *to, size_t size, const struct spool_field *from)
{
    size_t len = from->data == NULL ? 0 : from->len < size ? from->len : size - 1;

    if (len > 0)
        memcpy(to, from->data, len);
    to[len] = '\0';
}

static char *own_field(const struct spool_field *from)
{
    return from->data ? xstrndup(from->data, from->len) : NULL;
}

static struct spool_leftover *spool_read_leftover_of(struct spool_reader *r,
                                                     const struct spool_field fields[SPOOL_FIELDS],
                                                     const char *attempt_id)
{
    struct spool_file *f = r->file;
    size_t place = (size_t)(uintptr_t)map_get(r->known, attempt_id);

    if (place > 0)
        return &f->leftovers[place - 1];
    if (f->count == r->room) {
        r->room = r->room ? 2 * r->room : 16;
        f->leftovers = xrealloc(f->leftovers, r->room * sizeof *f->leftovers);
    }
    struct spool_leftover *l = &f->leftovers[f->count++];
    *l = (struct spool_leftover){.text = NULL};
    memcpy(l->attempt_id, attempt_id, ID_SIZE);
    spool_field_copy(l->fingerprint, sizeof l->fingerprint, &fields[1]);
    l->source = own_field(&fields[2]);
    l->key = own_field(&fields[3]);
    map_put(r->known, attempt_id, (void *)(uintptr_t)f->count);
    return l;
}

static void spool_read_entry_take(struct spool_reader *r, int type, const struct spool_field fields[SPOOL_FIELDS])
{
    char attempt_id[ID_SIZE];

    if (type == SPOOL_HEAD) {
        spool_field_copy(r->file->host, sizeof r->file->host, &fields[0]);
        spool_field_copy(r->file->boot, sizeof r->file->boot, &fields[1]);
        spool_field_copy(r->file->installation, sizeof r->file->installation, &fields[2]);
        spool_field_copy(r->inode, sizeof r->inode, &fields[3]);
        return;
    }
    spool_field_copy(attempt_id, sizeof attempt_id, &fields[0]);
    if (type == SPOOL_SETTLED) {
        size_t place = (size_t)(uintptr_t)map_remove(r->known, attempt_id);
        if (place > 0)
            leftover_done(&r->file->leftovers[place - 1]);
        return;
    }
    struct spool_leftover *l = spool_read_leftover_of(r, fields, attempt_id);
    if (type != SPOOL_RESULT)
        return;
    if (l->text)
        explicit_bzero(l->text, l->text_len);
    free(l->text);
    l->text_len = fields[4].len;
    l->text = xcalloc(1, l->text_len + 1);
    if (fields[4].data)
        memcpy(l->text, fields[4].data, l->text_len);
}

static int entry_open(void *ctx, const struct spool_head *head, const char *text, off_t at, struct error *e)
{
    struct spool_reader *r = ctx;
    cleanup(secret_free_p) struct secret *plain = NULL;
    struct spool_field fields[SPOOL_FIELDS];
    const char *why = NULL;

    (void)at;
    int result = spool_entry_open(r->ring, r->file->incarnation, head, text, &plain, fields, &why);
    if (result < 0)
        return error_set(e, result == -ENOMEM ? result : -EKEYREJECTED,
                         "spool file %s: an entry cannot be read: %s; configure the keys that were in use "
                         "when it was written",
                         r->file->path, why);
    spool_read_entry_take(r, head->type, fields);
    return 0;
}

static void settled_drop(struct spool_file *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->count; i++)
        if (f->leftovers[i].attempt_id[0] != '\0')
            f->leftovers[kept++] = f->leftovers[i];
    f->count = kept;
}

static void file_done(struct spool_file *f)
{
    for (size_t i = 0; i < f->count; i++)
        leftover_done(&f->leftovers[i]);
    free(f->leftovers);
    free(f->path);
    close_p(&f->fd);
    *f = (struct spool_file){.fd = -1};
}

/* Locks and reads one file. -EAGAIN when it must be skipped: another process has locked it, or it was just
 * removed. */
static int spool_read_file_take(const char *dir, const char *name, const struct keyring *ring,
                                struct spool_file *ret, struct error *e)
{
    struct spool_file f = {.fd = -1, .path = xasprintf("%s/%s", dir, name)};
    struct spool_reader reader = {.ring = ring, .file = &f};
    struct stat st;
    char boot[40] = "";

    memcpy(f.incarnation, name, strlen(name) - strlen(".spool"));
    f.fd = open(f.path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    int r = f.fd < 0 ? -errno : 0;
    if (r == 0 && flock(f.fd, LOCK_EX | LOCK_NB) < 0)
        r = -errno;
    if (r == 0 && fstat(f.fd, &st) < 0)
        r = -errno;
    if (r == -ENOENT || (r == 0 && st.st_nlink == 0))
        r = -EAGAIN;
    if (r < 0 && r != -EAGAIN)
        error_set(e, r, "spool file %s cannot be opened: %s", f.path, strerror(-r));
    if (r == 0) {
        struct spool_scan scan = {.fd = f.fd, .path = f.path, .size = st.st_size};
        reader.known = map_new();
        r = spool_scan(&scan, entry_open, &reader, e);
        map_free(reader.known, NULL);
        f.torn = scan.torn;
        f.damaged = scan.damaged;
        settled_drop(&f);
    }
    if (r < 0) {
        file_done(&f);
        return r;
    }
    f.copied = strtoumax(reader.inode, NULL, 10) != (uintmax_t)st.st_ino;
    f.same_boot = spool_boot_id(boot) == 0 && f.boot[0] != '\0' && strcmp(boot, f.boot) == 0;
    *ret = f;
    return 0;
}

static bool is_spool_name(const char *name)
{
    size_t len = strlen(name), suffix = strlen(".spool");

    return len > suffix && len - suffix < ID_SIZE && name[0] != '.' && strcmp(name + len - suffix, ".spool") == 0;
}

int spool_leftovers(const char *state_dir, const struct keyring *ring, struct spool_file **ret, size_t *ret_count,
                    struct error *e)
{
    cleanup(free_p) char *dir = xasprintf("%s/spool", state_dir);
    struct spool_file *list = NULL;
    size_t count = 0;
    int refused = 0;
    struct dirent *entry;

    *ret = NULL;
    *ret_count = 0;
    DIR *d = opendir(dir);
    if (d == NULL && errno != ENOENT)
        return error_set(e, -errno, "the spool directory %s cannot be read: %s", dir, strerror(errno));
    while (d != NULL && (entry = readdir(d)) != NULL) {
        struct spool_file f;
        struct error why = {""};

        if (!is_spool_name(entry->d_name))
            continue;
        int r = spool_read_file_take(dir, entry->d_name, ring, &f, &why);
        if (r == -EAGAIN)
            continue;
        if (r < 0) {
            if (refused == 0)
                refused = error_set(e, r, "%s", why.text);
            continue;
        }
        list = xrealloc(list, (count + 1) * sizeof *list);
        list[count++] = f;
    }
    if (d != NULL)
        closedir(d);
    *ret = list;
    *ret_count = count;
    return refused;
}

static bool is_locked(const char *dir, const char *name)
{
    cleanup(free_p) char *path = xasprintf("%s/%s", dir, name);
    cleanup(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    return fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0;
}

size_t spool_dead_files(const char *state_dir)
{
    cleanup(free_p) char *dir = xasprintf("%s/spool", state_dir);
    DIR *d = opendir(dir);
    struct dirent *entry;
    size_t count = 0;

    while (d != NULL && (entry = readdir(d)) != NULL)
        count += is_spool_name(entry->d_name) && !is_locked(dir, entry->d_name);
    if (d != NULL)
        closedir(d);
    return count;
}

void spool_file_remove(struct spool_file *f)
{
    unlink(f->path);
}

void spool_files_free(struct spool_file *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        file_done(&list[i]);
    free(list);
}
