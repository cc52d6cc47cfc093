/* SPDX-License-Identifier: MIT
 * Asks a door for many things at a steady rate over kept connections, holds every answer against the one that is
 * expected, and prints how long they took: from the moment each was due, so that a server that stalls is not
 * spared those who would have asked meanwhile. For tests/bench/tokens.sh.
 *
 * load ADDRESS TARGETS RATE SECONDS CONNECTIONS [HEADERS]
 * ADDRESS: unix:PATH or PORT of 127.0.0.1. TARGETS: a file of lines "path TAB expected body". HEADERS: a file with
 * further header lines, so that no secret stands in the process list. Exit status 1 when an answer was wrong.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MAX = 64 * 1024, TARGETS_MAX = 100000, CONNECTIONS_MAX = 512, LATE_NS = 1000000000 };

struct target {
    char *request, *body;
    size_t request_len, body_len;
};

struct connection {
    int fd;
    const struct target *asked; /* NULL: idle */
    int64_t due_ns;
    size_t len;
    char answer[ANSWER_MAX + 1];
};

struct load {
    struct target *targets;
    size_t target_count;
    struct connection *connections;
    size_t connection_count;
    struct connection **idle;
    size_t idle_count;
    uint32_t *taken_us;
    size_t asked, answered, wrong, total;
    int64_t begun_ns;
    double rate;
    int epoll_fd;
};

static void fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(2);
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
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

static void read_targets(struct load *l, const char *path, const char *headers)
{
    char *text = read_file(path), *at = text, *line;

    l->targets = calloc(TARGETS_MAX, sizeof *l->targets);
    while ((line = strsep(&at, "\n")) && *line && l->target_count < TARGETS_MAX) {
        struct target *t = &l->targets[l->target_count++];
        char *tab = strchr(line, '\t');
        if (!tab)
            fail("a target without an expected body");
        *tab = '\0';
        t->body = strdup(tab + 1);
        t->body_len = strlen(t->body);
        int len = asprintf(&t->request, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", line, headers);
        if (len < 0)
            fail("memory");
        t->request_len = (size_t)len;
    }
    free(text);
}

static int connect_to(const char *address)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool is_unix = strncmp(address, "unix:", 5) == 0;
    int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    snprintf(un.sun_path, sizeof un.sun_path, "%s", is_unix ? address + 5 : "");
    in.sin_port = htons((uint16_t)strtoul(address, NULL, 10));
    if (fd < 0 || connect(fd, is_unix ? (struct sockaddr *)&un : (struct sockaddr *)&in,
                          is_unix ? sizeof un : sizeof in) != 0)
        fail(address);
    if (!is_unix)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void open_connections(struct load *l, const char *address)
{
    l->connections = calloc(l->connection_count, sizeof *l->connections);
    l->idle = calloc(l->connection_count, sizeof(struct connection *));
    for (size_t i = 0; i < l->connection_count; i++) {
        struct connection *c = &l->connections[i];
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        c->fd = connect_to(address);
        if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &e) != 0)
            fail("epoll");
        l->idle[l->idle_count++] = c;
    }
}

static int64_t due_ns(const struct load *l, size_t number)
{
    return l->begun_ns + (int64_t)((double)number * 1e9 / l->rate);
}

/* All that are due, as long as there is a connection for them. */
static void ask(struct load *l, int64_t now)
{
    while (l->idle_count > 0 && l->asked < l->total && due_ns(l, l->asked) <= now) {
        struct connection *c = l->idle[--l->idle_count];
        c->asked = &l->targets[l->asked % l->target_count];
        c->due_ns = due_ns(l, l->asked++);
        c->len = 0;
        if (send(c->fd, c->asked->request, c->asked->request_len, MSG_NOSIGNAL) != (ssize_t)c->asked->request_len)
            fail("sending");
    }
}

/* The whole answer is there: 1; not yet: 0. *ret_right tells whether it is the expected one. */
static int is_whole(struct connection *c, bool *ret_right)
{
    c->answer[c->len] = '\0';
    char *end = strstr(c->answer, "\r\n\r\n"), *length = strcasestr(c->answer, "\r\nContent-Length:");

    if (!end)
        return 0;
    size_t head = (size_t)(end - c->answer) + 4, body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    if (c->len < head + body)
        return 0;
    *ret_right = strncmp(c->answer, "HTTP/1.1 200 ", 13) == 0 && body == c->asked->body_len + 1 &&
                 memcmp(c->answer + head, c->asked->body, c->asked->body_len) == 0;
    return 1;
}

static void receive(struct load *l, struct connection *c)
{
    ssize_t n = recv(c->fd, c->answer + c->len, ANSWER_MAX - c->len, 0);
    bool right = false;

    if (n <= 0 || !c->asked) {
        errno = n < 0 ? errno : ECONNRESET;
        fail("a kept connection");
    }
    c->len += (size_t)n;
    if (!is_whole(c, &right))
        return;
    l->taken_us[l->answered++] = (uint32_t)((now_ns() - c->due_ns) / 1000);
    l->wrong += !right;
    c->asked = NULL;
    l->idle[l->idle_count++] = c;
}

static void arm(const struct load *l, int timer)
{
    int64_t at = l->asked < l->total ? due_ns(l, l->asked) : now_ns() + LATE_NS;
    struct itimerspec when = {.it_value = {.tv_sec = at / 1000000000, .tv_nsec = at % 1000000000}};

    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void run(struct load *l)
{
    struct epoll_event events[64], tick = {.events = EPOLLIN};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

    if (timer < 0 || epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, timer, &tick) != 0)
        fail("a timer");
    l->begun_ns = now_ns();
    while (l->answered < l->total) {
        ask(l, now_ns());
        if (l->idle_count > 0)
            arm(l, timer);
        int n = epoll_wait(l->epoll_fd, events, 64, 60000);
        if (n <= 0) {
            errno = n < 0 ? errno : ETIMEDOUT;
            fail("waiting for answers");
        }
        for (int i = 0; i < n; i++) {
            uint64_t expired;
            if (events[i].data.ptr)
                receive(l, events[i].data.ptr);
            else if (read(timer, &expired, sizeof expired) < 0 && errno != EAGAIN)
                fail("the timer");
        }
    }
    close(timer);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static double percentile_ms(const struct load *l, double part)
{
    size_t at = (size_t)((double)l->answered * part);

    return l->taken_us[at < l->answered ? at : l->answered - 1] / 1000.0;
}

int main(int argc, char *argv[])
{
    struct load l = {.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};

    if (argc < 6 || argc > 7) {
        fprintf(stderr, "usage: load ADDRESS TARGETS RATE SECONDS CONNECTIONS [HEADERS]\n");
        return 2;
    }
    read_targets(&l, argv[2], argc > 6 ? read_file(argv[6]) : "");
    l.rate = strtod(argv[3], NULL);
    l.total = (size_t)(l.rate * strtod(argv[4], NULL));
    l.connection_count = strtoul(argv[5], NULL, 10);
    if (!l.target_count || l.total < 1 || l.connection_count < 1 || l.connection_count > CONNECTIONS_MAX) {
        errno = EINVAL;
        fail("targets, rate, seconds or connections");
    }
    l.taken_us = calloc(l.total, sizeof *l.taken_us);
    open_connections(&l, argv[1]);
    run(&l);
    double seconds = (double)(now_ns() - l.begun_ns) / 1e9;
    qsort(l.taken_us, l.answered, sizeof *l.taken_us, compare);
    printf("requests=%zu wrong=%zu per_second=%.0f p50_ms=%.2f p90_ms=%.2f p99_ms=%.2f max_ms=%.2f\n", l.answered,
           l.wrong, (double)l.answered / seconds, percentile_ms(&l, 0.5), percentile_ms(&l, 0.9),
           percentile_ms(&l, 0.99), percentile_ms(&l, 1));
    return l.wrong > 0;
}
