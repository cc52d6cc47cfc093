/* SPDX-License-Identifier: MIT
 * The listening sockets of the HTTP server. A Unix socket's file is created with mode 0600; its group and mode are
 * set afterwards.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/http/server/internal.h"

#define BACKLOG 1024

static int make_address(const char *path, struct sockaddr_un *ret_address, struct error *error)
{
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof ret_address->sun_path)
        return error_set(error, -ENAMETOOLONG,
                         "the socket path %s is empty or over %zu bytes; choose a shorter one", path,
                         sizeof ret_address->sun_path - 1);
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret_address->sun_path, path, len + 1);
    return 0;
}

/* Removes a socket file on which no process listens any more; a file of another kind stays. */
static int remove_stale(const char *path, const struct sockaddr_un *address, struct error *error)
{
    struct stat st;

    if (lstat(path, &st) != 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return error_set(error, -EEXIST, "%s exists and is not a socket; move it away or choose another path",
                         path);
    cleanup(close_p) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_set(error, -errno, "no socket could be made: %s", strerror(errno));
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN)
        return error_set(error, -EADDRINUSE, "another process listens at %s already; is another renewd running?",
                         path);
    if (errno != ECONNREFUSED)
        return error_set(error, -errno, "the socket %s exists, and renewd cannot tell whether it is in use: %s",
                         path, strerror(errno));
    if (unlink(path) != 0 && errno != ENOENT)
        return error_set(error, -errno, "the stale socket %s could not be removed: %s", path, strerror(errno));
    return 0;
}

static int listen_find_group(const char *name, gid_t *ret_gid)
{
    struct group entry, *found = NULL;
    char room[16384];

    int r = getgrnam_r(name, &entry, room, sizeof room, &found);
    if (r != 0 || !found)
        return r != 0 ? -r : -ENOENT;
    *ret_gid = found->gr_gid;
    return 0;
}

static int open_to(const char *path, mode_t mode, const char *group, struct error *error)
{
    gid_t gid = (gid_t)-1;

    if (group && listen_find_group(group, &gid) < 0)
        return error_set(error, -EINVAL, "the group %s of the socket %s does not exist", group, path);
    if (group && lchown(path, (uid_t)-1, gid) != 0)
        return error_set(error, -errno, "the socket %s could not be given to the group %s: %s", path, group,
                         strerror(errno));
    if (chmod(path, mode) != 0)
        return error_set(error, -errno, "the mode of the socket %s could not be set: %s", path, strerror(errno));
    return 0;
}

int http_listen_unix(const char *path, mode_t mode, const char *group, struct http_listener *ret_listener,
                     struct error *error)
{
    struct sockaddr_un address;
    struct http_listener l = {.fd = -1};
    struct stat st;

    int r = make_address(path, &address, error);
    if (r == 0)
        r = remove_stale(path, &address, error);
    if (r < 0)
        return r;
    l.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l.fd < 0 || fchmod(l.fd, 0600) != 0 || bind(l.fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        r = error_set(error, -errno, "the socket %s could not be made: %s", path, strerror(errno));
        http_listener_close(&l);
        return r;
    }
    if (lstat(path, &st) == 0) {
        l.path = xstrdup(path);
        l.device = st.st_dev;
        l.inode = st.st_ino;
    }
    r = open_to(path, mode, group, error);
    if (r == 0 && listen(l.fd, BACKLOG) != 0)
        r = error_set(error, -errno, "listening at %s failed: %s", path, strerror(errno));
    if (r < 0) {
        http_listener_close(&l);
        return r;
    }
    *ret_listener = l;
    return 0;
}

/* "127.0.0.1:8642" or "[::1]:8642" into numbers. */
static int resolve(const char *address, struct addrinfo **ret_info, struct error *error)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    cleanup(free_p) char *host = xstrdup(address);
    char *colon = strrchr(host, ':'), *name = host;

    if (colon) {
        *colon = '\0';
        size_t len = strlen(host);
        if (host[0] == '[' && len > 2 && host[len - 1] == ']') {
            host[len - 1] = '\0';
            name++;
        }
    }
    if (!colon || !*name || getaddrinfo(name, colon + 1, &hints, ret_info) != 0)
        return error_set(error, -EINVAL,
                         "%s is not an address to listen on; write one like 127.0.0.1:8642 or [::1]:8642", address);
    return 0;
}

static bool listen_is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
    }
    struct sockaddr_in6 v6;
    memcpy(&v6, address, sizeof v6);
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof bound;
    in_port_t port = 0;

    if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0)
        return 0;
    size_t at = bound.ss_family == AF_INET ? offsetof(struct sockaddr_in, sin_port)
                                           : offsetof(struct sockaddr_in6, sin6_port);
    memcpy(&port, (const char *)&bound + at, sizeof port);
    return ntohs(port);
}

int http_listen_tcp(const char *address, bool tls, struct http_listener *ret_listener, struct error *error)
{
    struct addrinfo *info = NULL;
    struct http_listener l = {.fd = -1};
    int one = 1;

    int r = resolve(address, &info, error);
    if (r < 0)
        return r;
    if (!tls && !listen_is_loopback(info->ai_addr)) {
        freeaddrinfo(info);
        return error_set(error, -EPERM,
                         "listening on %s without TLS is refused; listen on "
                         "127.0.0.1 or [::1]",
                         address);
    }
    l.fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l.fd < 0 || setsockopt(l.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(l.fd, info->ai_addr, info->ai_addrlen) != 0 || listen(l.fd, BACKLOG) != 0) {
        r = error_set(
            error, -errno,
            "listening on %s failed: %s; choose another address or port, or end the process that uses this one",
            address, strerror(errno));
        http_listener_close(&l);
    }
    freeaddrinfo(info);
    if (r < 0)
        return r;
    l.port = port_of(l.fd);
    *ret_listener = l;
    return 0;
}

void http_listener_close(struct http_listener *l)
{
    struct stat st;

    if (l->path && lstat(l->path, &st) == 0 && st.st_dev == l->device && st.st_ino == l->inode)
        unlink(l->path);
    free(l->path);
    l->path = NULL;
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}
