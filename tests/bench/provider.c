/* SPDX-License-Identifier: MIT
 * The token endpoint of the bench: as fast as one thread can be, and it knows what is right. It gives each account
 * new tokens, counts what was presented, and prints the newest tokens of all. For tests/bench/run.sh.
 *
 * provider PORT ACCOUNTS safe|single_use DELAY_MS LIFE
 * POST with a form that has refresh_token: a new access token, and with single_use a new refresh token; the answer
 * goes out DELAY_MS later. A token that was spent or never given gets invalid_grant and is counted.
 * GET /counts: what was seen, "name value" lines. GET /newest: the accounts in order: number, access and refresh token.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { IN_MAX = 8192, FILES_MAX = 65536, EVENTS = 256, ACCESS_LEN = 180, REFRESH_LEN = 100, TOKEN_MAX = 256 };

struct account {
    uint32_t refresh, access; /* generations of its newest tokens */
};

struct connection {
    uint32_t life; /* grows when the descriptor is used anew */
    bool open;
    size_t len;
    char in[IN_MAX + 1];
};

struct answer { /* one that waits for its time; all wait equally long, so they stay in order */
    int64_t due_ns;
    int fd;
    uint32_t life;
    size_t account;
    struct account gave;
};

struct provider {
    struct account *accounts;
    size_t count;
    bool rotates;
    int64_t delay_ns;
    long life;
    int epoll_fd, timer_fd, listen_fd;
    struct connection **connections; /* by descriptor */
    struct answer *waiting;          /* a ring of FILES_MAX */
    size_t head, tail;
    uint64_t requests, ok, spent, unknown, now_open, most_open;
    int64_t first_us, last_us;
};

static void fail(const char *what)
{
    fprintf(stderr, "provider: %s: %s\n", what, strerror(errno));
    exit(2);
}

static int64_t now_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- tokens ---- */

/* "KIND-ACCOUNT-GENERATION-" and what only this function makes of them, up to the length. */
static void token(char out[TOKEN_MAX], char kind, size_t account, uint32_t generation, size_t len)
{
    uint64_t x = ((uint64_t)account << 32 | generation) ^ ((uint64_t)kind << 56);
    size_t at = (size_t)sprintf(out, "%ct-%zu-%u-", kind, account + 1, generation);

    while (at < len) {
        x += 0x9e3779b97f4a7c15u;
        uint64_t z = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        z ^= z >> 31;
        for (int i = 0; i < 10 && at < len; i++, z >>= 6)
            out[at++] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-"[z & 63];
    }
    out[at] = '\0';
}

/* Whose it is; false where it was never given. */
static bool token_account(const struct provider *p, const char *text, size_t len, size_t *ret_account,
                          uint32_t *ret_generation)
{
    char right[TOKEN_MAX];
    unsigned long account, generation;

    if (len != REFRESH_LEN || sscanf(text, "rt-%lu-%lu-", &account, &generation) != 2 || account < 1 ||
        account > p->count)
        return false;
    token(right, 'r', account - 1, (uint32_t)generation, REFRESH_LEN);
    if (memcmp(right, text, len) != 0)
        return false;
    *ret_account = account - 1;
    *ret_generation = (uint32_t)generation;
    return generation <= p->accounts[account - 1].refresh;
}

/* ---- answers ---- */

static void drop(struct provider *p, int fd)
{
    struct connection *c = p->connections[fd];

    if (c->open)
        p->now_open--;
    c->open = false;
    c->life++;
    close(fd);
}

/* What does not fit into the socket's buffer does not occur: the reader waits for one answer at a time. */
static void send_text(struct provider *p, int fd, const char *text, size_t len)
{
    if (send(fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
        drop(p, fd);
}

static void send_answer(struct provider *p, int fd, const char *status, const char *body, size_t body_len)
{
    char text[2048];
    int len = snprintf(text, sizeof text,
                       "HTTP/1.1 %s\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
                       "Content-Length: %zu\r\n\r\n%.*s",
                       status, body_len, (int)body_len, body);
    send_text(p, fd, text, (size_t)len);
}

static void send_tokens(struct provider *p, int fd, size_t account, struct account gave)
{
    char access[TOKEN_MAX], refresh[TOKEN_MAX], body[1024];
    int len;

    token(access, 'a', account, gave.access, ACCESS_LEN);
    token(refresh, 'r', account, gave.refresh, REFRESH_LEN);
    len = p->rotates
              ? snprintf(body, sizeof body,
                         "{\"access_token\":\"%s\",\"token_type\":\"Bearer\",\"expires_in\":%ld,"
                         "\"refresh_token\":\"%s\"}",
                         access, p->life, refresh)
              : snprintf(body, sizeof body,
                         "{\"access_token\":\"%s\",\"token_type\":\"Bearer\",\"expires_in\":%ld}", access, p->life);
    send_answer(p, fd, "200 OK", body, (size_t)len);
}

static void arm(struct provider *p)
{
    struct itimerspec at = {.it_value = {0, 0}};

    if (p->head != p->tail) {
        int64_t due = p->waiting[p->head % FILES_MAX].due_ns;
        at.it_value = (struct timespec){due / 1000000000, due % 1000000000};
    }
    timerfd_settime(p->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void answer_later(struct provider *p, int fd, size_t account)
{
    struct answer *a = &p->waiting[p->tail % FILES_MAX];

    *a = (struct answer){now_ns(CLOCK_MONOTONIC) + p->delay_ns, fd, p->connections[fd]->life, account,
                         p->accounts[account]};
    if (p->tail++ == p->head)
        arm(p);
}

static void answers_due(struct provider *p)
{
    int64_t now = now_ns(CLOCK_MONOTONIC);
    uint64_t times;

    if (read(p->timer_fd, &times, sizeof times) < 0 && errno != EAGAIN)
        fail("timer");
    for (; p->head != p->tail && p->waiting[p->head % FILES_MAX].due_ns <= now; p->head++) {
        struct answer *a = &p->waiting[p->head % FILES_MAX];
        if (p->connections[a->fd]->open && p->connections[a->fd]->life == a->life)
            send_tokens(p, a->fd, a->account, a->gave);
    }
    arm(p);
}

static void refresh(struct provider *p, int fd, const char *body)
{
    static const char refused[] = "{\"error\":\"invalid_grant\"}";
    const char *text = strstr(body, "refresh_token=");
    size_t account = 0;
    uint32_t generation = 0;

    /* grant_type has that word, too, with another end. */
    p->last_us = now_ns(CLOCK_REALTIME) / 1000;
    if (!p->requests++)
        p->first_us = p->last_us;
    text = text ? text + strlen("refresh_token=") : "";
    if (!token_account(p, text, strcspn(text, "&"), &account, &generation)) {
        p->unknown++;
        send_answer(p, fd, "400 Bad Request", refused, strlen(refused));
        return;
    }
    struct account *a = &p->accounts[account];
    if (generation != a->refresh) {
        p->spent++;
        send_answer(p, fd, "400 Bad Request", refused, strlen(refused));
        return;
    }
    p->ok++;
    a->access++;
    a->refresh += p->rotates;
    if (p->delay_ns)
        answer_later(p, fd, account);
    else
        send_tokens(p, fd, account, *a);
}

/* ---- what the bench asks ---- */

static void send_counts(struct provider *p, int fd)
{
    char body[1024];
    size_t refreshed = 0, again = 0;

    for (size_t i = 0; i < p->count; i++) {
        refreshed += p->accounts[i].access > 0;
        again += p->accounts[i].access > 1;
    }
    int len = snprintf(body, sizeof body,
                       "requests %lu\nok %lu\nspent %lu\nunknown %lu\nrefreshed %zu\nagain %zu\nfirst_us %ld\n"
                       "last_us %ld\nmost_open %lu\n",
                       p->requests, p->ok, p->spent, p->unknown, refreshed, again, (long)p->first_us,
                       (long)p->last_us, p->most_open);
    send_answer(p, fd, "200 OK", body, (size_t)len);
}

/* Blocks; nothing else happens then. */
static void send_newest(struct provider *p, int fd)
{
    int copy = dup(fd);
    FILE *f = copy >= 0 ? fdopen(copy, "w") : NULL;
    char access[TOKEN_MAX], refresh[TOKEN_MAX];

    if (!f)
        fail("newest");
    epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    int flags = 0; /* blocking from here on: the connection ends with this answer */
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){60, 0}, sizeof(struct timeval)) != 0)
        fail("newest");
    flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    fputs("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n", f);
    for (size_t i = 0; i < p->count; i++) {
        token(access, 'a', i, p->accounts[i].access, ACCESS_LEN);
        token(refresh, 'r', i, p->accounts[i].refresh, REFRESH_LEN);
        fprintf(f, "%zu\t%s\t%s\n", i + 1, access, refresh);
    }
    fclose(f);
    drop(p, fd);
}

/* ---- connections ---- */

static void accept_all(struct provider *p)
{
    int fd, one = 1;

    while ((fd = accept4(p->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= FILES_MAX)
            fail("too many connections");
        if (!p->connections[fd] && !(p->connections[fd] = calloc(1, sizeof **p->connections)))
            fail("memory");
        p->connections[fd]->open = true;
        p->connections[fd]->len = 0;
        if (++p->now_open > p->most_open)
            p->most_open = p->now_open;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &e);
    }
}

/* The length of the body that a head announces; 0 without one. */
static size_t announced(const char *head, const char *end)
{
    for (const char *line = head; line && line < end; line = strstr(line, "\r\n")) {
        line += line == head ? 0 : 2;
        if (strncasecmp(line, "Content-Length:", 15) == 0)
            return strtoul(line + 15, NULL, 10);
    }
    return 0;
}

static void asked(struct provider *p, int fd)
{
    struct connection *c = p->connections[fd];
    ssize_t n = recv(fd, c->in + c->len, IN_MAX - c->len, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        drop(p, fd);
        return;
    }
    c->len += (size_t)n;
    c->in[c->len] = '\0';
    char *end = strstr(c->in, "\r\n\r\n");
    if (!end && c->len < IN_MAX)
        return;
    size_t total = end ? (size_t)(end + 4 - c->in) + announced(c->in, end) : IN_MAX + 1;
    if (total > IN_MAX) {
        drop(p, fd);
        return;
    }
    if (c->len < total)
        return;
    c->len = 0; /* one request at a time on each connection */
    if (strncmp(c->in, "POST ", 5) == 0)
        refresh(p, fd, end + 4);
    else if (strncmp(c->in, "GET /newest", 11) == 0)
        send_newest(p, fd);
    else
        send_counts(p, fd);
}

static void start(struct provider *p, const char *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event e = {.events = EPOLLIN};
    int one = 1;

    in.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    p->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(p->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(p->listen_fd, (struct sockaddr *)&in, sizeof in) != 0 || listen(p->listen_fd, 4096) != 0)
        fail("port");
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    p->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    e.data.fd = p->listen_fd;
    epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->listen_fd, &e);
    e.data.fd = p->timer_fd;
    epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->timer_fd, &e);
}

static void serve(struct provider *p)
{
    struct epoll_event events[EVENTS];

    for (;;) {
        int n = epoll_wait(p->epoll_fd, events, EVENTS, -1);
        if (n < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == p->listen_fd)
                accept_all(p);
            else if (fd == p->timer_fd)
                answers_due(p);
            else if (p->connections[fd]->open)
                asked(p, fd);
        }
    }
}

int main(int argc, char **argv)
{
    struct provider p = {0};
    struct rlimit files = {FILES_MAX, FILES_MAX};

    if (argc != 6) {
        fprintf(stderr, "usage: provider PORT ACCOUNTS safe|single_use DELAY_MS LIFE\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (setrlimit(RLIMIT_NOFILE, &files) != 0 && getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    p.count = strtoul(argv[2], NULL, 10);
    p.rotates = strcmp(argv[3], "single_use") == 0;
    p.delay_ns = strtol(argv[4], NULL, 10) * 1000000;
    p.life = strtol(argv[5], NULL, 10);
    p.accounts = calloc(p.count + 1, sizeof *p.accounts);
    p.connections = calloc(FILES_MAX, sizeof(struct connection *));
    p.waiting = calloc(FILES_MAX, sizeof *p.waiting);
    if (!p.accounts || !p.connections || !p.waiting)
        fail("memory");
    start(&p, argv[1]);
    serve(&p);
}
