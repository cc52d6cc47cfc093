/* SPDX-License-Identifier: MIT
 * See file.h.
 */
#include "core/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"

static int check_kind(int fd, size_t max)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    return st.st_size > 0 && (unsigned long long)st.st_size > max ? -EFBIG : 0;
}

static int file_read_all(int fd, struct buf *b)
{
    char chunk[8192];
    int r = buf_text(b, "");
    while (r == 0) {
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            r = -errno;
        if (n <= 0)
            break;
        if (buf_append(b, chunk, (size_t)n) < 0)
            r = -EFBIG;
    }
    explicit_bzero(chunk, sizeof(chunk));
    return r;
}

static int read_with(const char *path, int flags, size_t max, struct buf *ret)
{
    cleanup(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
    if (fd < 0)
        return -errno;
    int r = check_kind(fd, max);
    if (r < 0)
        return r;
    struct buf b;
    buf_init(&b, max);
    r = file_read_all(fd, &b);
    if (r < 0) {
        buf_done(&b);
        return r;
    }
    *ret = b;
    return 0;
}

int file_read(const char *path, size_t max, struct buf *ret)
{
    return read_with(path, 0, max, ret);
}

int file_read_own(const char *path, size_t max, struct buf *ret)
{
    return read_with(path, O_NOFOLLOW, max, ret);
}
