/* SPDX-License-Identifier: MIT
 * Many connections to a door that all misbehave in one way, for tests/e2e/test_door_memory.sh. Each sends what its
 * way asks for as far as the door takes it; then "ready" is printed with what became of them, and they stay as they
 * are until standard input ends.
 *
 * crowd ADDRESS COUNT WAY [HEADERS [TARGET]]: ADDRESS is unix:PATH or PORT of 127.0.0.1; HEADERS a file with further header lines.
 *   head     headers of almost 16 KiB that do not end
 *   body     a body of 1 MiB but for its last byte
 *   chunked  chunks without end, as long as the door takes them
 *   pipeline 200 requests for TARGET one after the other, no answer is read
 *   unread   one request for TARGET whose answer is not read
 *   ask      one request for TARGET after the other, 50 in all, each answer read
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    HEAD = 15 * 1024,
    BODY = 1024 * 1024,
    CHUNK = 64 * 1024,
    PIPELINED = 200,
    ASKED = 50,
    COUNT_MAX = 4096,
    TEXT_MAX = 256 * 1024,
    QUIET_MS = 2000, /* nobody has sent or received a byte for so long: that is all there will be */
};

struct way {
    const char *name;
    size_t begin, repeat, times; /* lengths in text: what comes first, what comes again and again, how often */
    bool wait;                   /* for the first byte of an answer */
    bool read;                   /* answers, and each before the next request */
    char text[TEXT_MAX];
};

struct member {
    int fd;
    size_t sent, asked;
    bool closed, answered;
};

static struct way way;

static void fail(const char *what)
{
    fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* The bytes that one connection sends: `begin` of them, then `repeat` of them `times` over. */
static void make(const char *name, const char *headers, const char *target)
{
    char *at = way.text, *end = way.text + TEXT_MAX;
    bool posts = strcmp(name, "body") == 0 || strcmp(name, "chunked") == 0;

    way.name = name;
    at += snprintf(at, (size_t)(end - at), "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", posts ? "POST" : "GET",
                   target, headers);
    if (strcmp(name, "head") == 0) {
        way.begin = HEAD;
        for (char *line = at; line < way.text + HEAD; line++)
            *line = (line - at) % 100 == 98   ? '\r'
                    : (line - at) % 100 == 99 ? '\n'
                    : (line - at) % 100 == 1  ? ':'
                                              : 'x';
    } else if (strcmp(name, "body") == 0) {
        at +=
            snprintf(at, (size_t)(end - at), "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n", BODY);
        way.begin = (size_t)(at - way.text) + CHUNK - 1;
        way.repeat = CHUNK;
        way.times = BODY / CHUNK - 1;
        memset(at, ' ', 2 * CHUNK);
    } else if (strcmp(name, "chunked") == 0) {
        at += snprintf(at, (size_t)(end - at), "Transfer-Encoding: chunked\r\n\r\n");
        way.begin = (size_t)(at - way.text);
        way.repeat = CHUNK + 9;
        way.times = SIZE_MAX / (2 * CHUNK);
        at += snprintf(at, (size_t)(end - at), "%05x\r\n", CHUNK);
        memset(at, ' ', CHUNK);
        memcpy(at + CHUNK, "\r\n", 2);
    } else {
        at += snprintf(at, (size_t)(end - at), "\r\n");
        way.repeat = (size_t)(at - way.text);
        way.times = strcmp(name, "pipeline") == 0 ? PIPELINED : strcmp(name, "ask") == 0 ? ASKED : 1;
        way.wait = true;
        way.read = strcmp(name, "ask") == 0;
    }
}

static int connect_to(const char *address)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool is_unix = strncmp(address, "unix:", 5) == 0;
    int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(un.sun_path, sizeof un.sun_path, "%s", is_unix ? address + 5 : "");
    in.sin_port = htons((uint16_t)strtoul(address, NULL, 10));
    if (fd < 0)
        fail("a socket");
    if (connect(fd, is_unix ? (struct sockaddr *)&un : (struct sockaddr *)&in, is_unix ? sizeof un : sizeof in) !=
        0) {
        close(fd);
        return -1;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static bool all_sent(const struct member *m)
{
    return m->sent >= way.begin + way.repeat * way.times;
}

static bool wants_to_send(const struct member *m)
{
    if (m->closed || all_sent(m))
        return false;
    return !way.read || m->sent < way.repeat * (m->asked + 1);
}

/* True when a byte went. */
static bool send_some(struct member *m)
{
    size_t at = m->sent < way.begin ? m->sent : way.begin + (m->sent - way.begin) % way.repeat;
    size_t end = m->sent < way.begin ? way.begin : way.begin + way.repeat;
    ssize_t n = send(m->fd, way.text + at, end - at, MSG_NOSIGNAL);

    if (n > 0)
        m->sent += (size_t)n;
    else if (n < 0 && errno != EAGAIN)
        m->closed = true;
    return n > 0;
}

static bool receive_some(struct member *m)
{
    char answer[65536];
    ssize_t n = recv(m->fd, answer, sizeof answer, way.read ? 0 : MSG_PEEK);

    if (n == 0 || (n < 0 && errno != EAGAIN))
        m->closed = true;
    if (n > 0 && way.read)
        m->asked++; /* answers are small: one piece each */
    bool news = n > 0 && (way.read || !m->answered);
    m->answered = m->answered || n > 0;
    return news;
}

static bool is_done(const struct member *m)
{
    if (m->closed)
        return true;
    if (way.read)
        return m->asked >= way.times;
    return way.wait ? m->answered && !wants_to_send(m) : all_sent(m);
}

static void go(struct member *list, size_t count)
{
    struct pollfd *polls = calloc(count, sizeof *polls);
    int quiet_ms = 0;

    while (quiet_ms < QUIET_MS) {
        size_t done = 0;
        bool moved = false;
        for (size_t i = 0; i < count; i++) {
            struct member *m = &list[i];
            done += is_done(m);
            bool deaf = m->closed || (m->answered && !way.read);
            polls[i] = (struct pollfd){.fd = m->closed ? -1 : m->fd,
                                       .events = (short)((wants_to_send(m) ? POLLOUT : 0) | (deaf ? 0 : POLLIN))};
        }
        if (done == count)
            break;
        poll(polls, count, 100);
        for (size_t i = 0; i < count; i++) {
            if (polls[i].fd >= 0 && (polls[i].revents & POLLOUT))
                moved |= send_some(&list[i]);
            if (polls[i].fd >= 0 && (polls[i].revents & (POLLIN | POLLHUP | POLLERR)))
                moved |= receive_some(&list[i]);
        }
        quiet_ms = moved ? 0 : quiet_ms + 100;
    }
    free(polls);
}

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = NULL;
    size_t size = 0;

    if (!f || getdelim(&text, &size, '\0', f) < 0)
        fail(path);
    fclose(f);
    return text;
}

int main(int argc, char *argv[])
{
    struct rlimit files = {COUNT_MAX + 64, COUNT_MAX + 64};
    size_t count = argc > 2 ? strtoul(argv[2], NULL, 10) : 0, open = 0, answered = 0, bytes = 0;
    char rest[16];

    if (argc < 4 || argc > 6 || count < 1 || count > COUNT_MAX) {
        fprintf(stderr, "usage: crowd ADDRESS COUNT WAY [HEADERS [TARGET]]\n");
        return 2;
    }
    setrlimit(RLIMIT_NOFILE, &files);
    make(argv[3], argc > 4 && *argv[4] ? read_file(argv[4]) : "", argc > 5 ? argv[5] : "/healthz");
    struct member *list = calloc(count, sizeof *list);
    for (size_t i = 0; i < count; i++) {
        list[i].fd = connect_to(argv[1]);
        list[i].closed = list[i].fd < 0;
    }
    go(list, count);
    for (size_t i = 0; i < count; i++) {
        open += !list[i].closed;
        answered += list[i].answered;
        bytes += list[i].sent;
    }
    printf("ready open=%zu answered=%zu sent_kib=%zu\n", open, answered, bytes / 1024);
    fflush(stdout);
    while (read(STDIN_FILENO, rest, sizeof rest) > 0)
        ;
    free(list);
    return 0;
}
