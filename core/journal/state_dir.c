/* SPDX-License-Identifier: MIT
 * Opening the state directory; see state_dir.h.
 */
#include "core/journal/state_dir.h"

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
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/crypto/crypto.h"

int state_dir_fit(const char *path, bool link_allowed, struct error *e)
{
    struct stat st;

    if ((link_allowed ? stat(path, &st) : lstat(path, &st)) < 0)
        return error_set(e, -errno, "the folder %s cannot be checked: %s", path, strerror(errno));
    if (S_ISLNK(st.st_mode))
        return error_set(
            e, -ELOOP,
            "%s is a symbolic link, and renewd's own folders in its state directory must not be links: "
            "put the folder itself there, or set state_dir to the other place",
            path);
    if (!S_ISDIR(st.st_mode))
        return error_set(e, -ENOTDIR, "%s is not a directory", path);
    if (st.st_mode & S_IWOTH)
        return error_set(e, -EPERM,
                         "%s may be written by everybody (mode %04o), who could remove new credentials or put old "
                         "ones back: chmod 700 %s; if its mode cannot be changed, set state_dir to a folder in it, "
                         "which renewd makes",
                         path, (unsigned)st.st_mode & 07777, path);
    if (st.st_uid != geteuid() && st.st_uid != 0 && geteuid() != 0)
        return error_set(e, -EPERM, "%s belongs to another user than renewd runs as: chown it", path);
    return 0;
}

static int directory_make(const char *path, struct error *e)
{
    cleanup(free_p) char *part = xstrdup(path);
    struct stat st;

    for (char *p = strchr(part + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
        *p = '\0';
        (void)mkdir(part, 0755); /* only the last one matters */
        *p = '/';
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return error_set(e, -errno, "the state directory %s cannot be made: %s", path, strerror(errno));
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return error_set(e, -ENOTDIR, "the state directory %s is not a directory", path);
    struct error why;
    int r = state_dir_fit(path, true, &why);
    return r < 0 ? error_set(e, r, "the state directory cannot be used: %s", why.text) : 0;
}

static int host_read(const char *file, char ret[ID_SIZE], struct error *e)
{
    cleanup(buf_done) struct buf text = {0};

    int r = file_read_own(file, 4096, &text);
    if (r == -ENOENT)
        return r;
    if (r < 0)
        return error_set(e, r, "the host id %s cannot be read: %s", file, strerror(-r));
    size_t len = text.len > 0 ? strspn(text.data, "0123456789abcdef") : 0;
    if (len != ID_SIZE - 1 || (text.len != len && strcmp(text.data + len, "\n") != 0))
        return error_set(
            e, -EINVAL,
            "the host id %s is damaged: it must hold 32 hex digits; put the old id back (it is in the table hosts), or remove "
            "the file to become a new host",
            file);
    memcpy(ret, text.data, len);
    ret[len] = '\0';
    return 0;
}

/* Written under a temporary name first, so that the file `host` is always complete. When two processes create
 * it, the first wins. */
static int host_make(const char *dir, const char *file, const char *unique, struct error *e)
{
    cleanup(free_p) char *temporary = xasprintf("%s/host.%s", dir, unique);
    cleanup(close_p) int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup(close_p) int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    char line[ID_SIZE + 1];
    int r = fd < 0 || dir_fd < 0 ? -errno : crypto_id(line);

    if (r == 0) {
        memcpy(line + ID_SIZE - 1, "\n", 2);
        ssize_t n = write(fd, line, ID_SIZE);
        if (n != ID_SIZE)
            r = n < 0 ? -errno : -ENOSPC;
    }
    if (r == 0 && (fsync(fd) < 0 || (link(temporary, file) < 0 && errno != EEXIST) || fsync(dir_fd) < 0))
        r = -errno;
    if (fd >= 0)
        unlink(temporary);
    return r == 0 ? 0 : error_set(e, r, "the host id %s cannot be written: %s", file, strerror(-r));
}

static int host_find(struct state_dir *s, struct error *e)
{
    cleanup(free_p) char *file = xasprintf("%s/host", s->path);

    int r = host_read(file, s->host, e);
    if (r != -ENOENT)
        return r;
    r = host_make(s->path, file, s->incarnation, e);
    if (r == 0)
        r = host_read(file, s->host, e);
    return r == -ENOENT ? error_set(e, r, "the host id %s was removed while renewd made it", file) : r;
}

static int daemon_lock(struct state_dir *s, struct error *e)
{
    cleanup(free_p) char *file = xasprintf("%s/daemon.lock", s->path);
    char pid[24] = "";

    s->lock = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock < 0)
        return error_set(e, -errno, "the lock %s cannot be opened: %s", file, strerror(errno));
    if (flock(s->lock, LOCK_EX | LOCK_NB) < 0) {
        int r = errno == EWOULDBLOCK ? -EBUSY : -errno;
        if (r != -EBUSY)
            return error_set(e, r, "the lock %s cannot be taken: %s", file, strerror(-r));
        ssize_t n = pread(s->lock, pid, sizeof pid - 1, 0);
        pid[n > 0 ? n : 0] = '\0';
        pid[strspn(pid, "0123456789")] = '\0';
        return error_set(e, -EBUSY,
                         "another renewd%s%s uses the state directory %s; stop it, or give this "
                         "one a state_dir of its own",
                         pid[0] ? ", process " : "", pid, s->path);
    }
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(s->lock, 0) < 0 || pwrite(s->lock, pid, (size_t)len, 0) != len)
        return error_set(e, -errno, "the lock %s cannot be written: %s", file, strerror(errno));
    return 0;
}

int state_dir_open(const char *path, bool daemon, struct state_dir **ret, struct error *e)
{
    struct state_dir *s = xcalloc(1, sizeof *s);

    s->lock = -1;
    s->path = xstrdup(path);
    int r = directory_make(path, e);
    if (r == 0 && (r = crypto_id(s->incarnation)) < 0)
        error_set(e, r, "the system gives no random bytes");
    if (r == 0)
        r = host_find(s, e);
    if (r == 0 && daemon)
        r = daemon_lock(s, e);
    if (r < 0) {
        state_dir_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

/* "INSTALLATION SEQUENCE": the number of another installation does not apply to this one. */
int state_dir_seen(const struct state_dir *s, const char *installation, int64_t *ret, struct error *e)
{
    cleanup(free_p) char *file = xasprintf("%s/seen", s->path);
    cleanup(buf_done) struct buf text = {0};
    char name[ID_SIZE];
    int64_t sequence;

    *ret = 0;
    int r = file_read_own(file, 4096, &text);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return error_set(e, r, "the file %s cannot be read: %s", file, strerror(-r));
    if (text.len == 0 || sscanf(text.data, "%32[0-9a-f] %" SCNd64 "\n", name, &sequence) != 2)
        return error_set(
            e, -EROFS,
            "the file %s is damaged, so renewd cannot tell whether the database is an old copy; if the database "
            "is the current one, run `renewctl adopt`, which writes the file again",
            file);
    if (strcmp(name, installation) == 0)
        *ret = sequence;
    return 0;
}

static int write_whole(const char *file, const char *line, size_t len)
{
    cleanup(close_p) int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, line, len);
    if (n != (ssize_t)len)
        return n < 0 ? -errno : -ENOSPC;
    return fdatasync(fd) < 0 ? -errno : 0;
}

/* A daemon and a --once may both write it; if the lower number remains, it only protects less. */
int state_dir_see(const struct state_dir *s, const char *installation, int64_t sequence, struct error *e)
{
    cleanup(free_p) char *file = xasprintf("%s/seen", s->path);
    cleanup(free_p) char *temporary = xasprintf("%s.%s", file, s->incarnation);
    cleanup(free_p) char *line = xasprintf("%s %" PRId64 "\n", installation, sequence);

    int r = write_whole(temporary, line, strlen(line));
    if (r == 0 && rename(temporary, file) < 0)
        r = -errno;
    if (r < 0)
        unlink(temporary);
    return r == 0 ? 0 : error_set(e, r, "the file %s cannot be written: %s", file, strerror(-r));
}

void state_dir_free(struct state_dir *s)
{
    if (s == NULL)
        return;
    close_p(&s->lock);
    free(s->path);
    free(s);
}
