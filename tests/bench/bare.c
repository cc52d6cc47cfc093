/* SPDX-License-Identifier: MIT
 * The loop that the bench holds renewd against: sends each due row's refresh token with libcurl and writes what comes
 * back in batches, without a journal, a lease or a second look; and, with promises, the rows besides that renewd's
 * promises need. For tests/bench/run.sh.
 *
 * bare postgresql|sqlite WHERE URL safe|single_use update|promises IN_FLIGHT
 * WHERE: a connection string or a file; the table is tokens, the others bare_*. Prints "name value" lines: rows,
 * failed, cpu_us, rss_kb, end_us. Exit status 1 when a request failed or a row was not written.
 */
#include "config.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bare.h"

enum {
    ANSWER_MAX = 4096,
    FORM_MAX = 1024,
    READ_MAX = 2000,
    WAITING_MAX = 8 * BATCH_MAX,
    GATHER_MS = 10,
    EVENTS = 256
};

struct claim {
    int64_t id;
    size_t left; /* rows of it that are not written yet */
};

struct request {
    CURL *easy;
    struct bare_row row;
    struct claim *claim;
    char form[FORM_MAX], answer[ANSWER_MAX + 1];
    size_t len;
};

struct bare {
    const struct bare_store *store;
    void *db;
    struct bare_options options;
    const char *url;
    CURLM *multi;
    int epoll_fd, db_fd;
    long timeout_ms; /* libcurl's; -1: none */
    struct request *requests, **idle;
    size_t idle_count, in_flight;
    int64_t *ids; /* due */
    size_t id_count, id_next;
    struct bare_row rows[READ_MAX]; /* read, not sent */
    size_t row_count, row_next;
    struct claim *claim; /* of the rows that are sent next */
    struct bare_result waiting[WAITING_MAX];
    struct claim *waiting_claims[WAITING_MAX], *writing_claims[BATCH_MAX];
    size_t waiting_count, writing_count, failed;
    int64_t waiting_since_ms;
};

void bare_fail(const char *what, const char *why)
{
    fprintf(stderr, "bare: %s: %s\n", what, why);
    exit(2);
}

static int64_t now_us(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- libcurl on epoll ---- */

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    struct bare *b = ctx;
    struct epoll_event e = {.data.fd = fd};
    static char seen;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(b->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    e.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    epoll_ctl(b->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e);
    curl_multi_assign(b->multi, fd, &seen);
    return 0;
}

static int watch_timer(CURLM *multi, long ms, void *ctx)
{
    struct bare *b = ctx;

    (void)multi;
    b->timeout_ms = ms;
    return 0;
}

static size_t take_answer(char *bytes, size_t size, size_t count, void *ctx)
{
    struct request *r = ctx;
    size_t len = size * count;

    if (r->len + len > ANSWER_MAX)
        return 0;
    memcpy(r->answer + r->len, bytes, len);
    r->len += len;
    r->answer[r->len] = '\0';
    return len;
}

static void make_requests(struct bare *b, size_t count)
{
    b->requests = calloc(count, sizeof *b->requests);
    b->idle = calloc(count, sizeof(struct request *));
    if (!b->requests || !b->idle)
        bare_fail("memory", strerror(errno));
    for (size_t i = 0; i < count; i++) {
        struct request *r = &b->requests[i];
        r->easy = curl_easy_init();
        curl_easy_setopt(r->easy, CURLOPT_URL, b->url);
        curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, take_answer);
        curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
        curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
        curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, 600000L);
        b->idle[b->idle_count++] = r;
    }
    curl_multi_setopt(b->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(b->multi, CURLMOPT_SOCKETDATA, b);
    curl_multi_setopt(b->multi, CURLMOPT_TIMERFUNCTION, watch_timer);
    curl_multi_setopt(b->multi, CURLMOPT_TIMERDATA, b);
    curl_multi_setopt(b->multi, CURLMOPT_MAXCONNECTS, (long)count);
}

/* ---- sending ---- */

static void claim_rows(struct bare *b)
{
    size_t count = b->row_count - b->row_next;

    b->claim = calloc(1, sizeof *b->claim);
    b->claim->left = count < BATCH_MAX ? count : BATCH_MAX;
    b->claim->id = b->store->claim(b->db, b->rows + b->row_next, b->claim->left);
}

static bool next_row(struct bare *b)
{
    if (b->row_next == b->row_count) {
        size_t count = b->id_count - b->id_next < READ_MAX ? b->id_count - b->id_next : READ_MAX;
        if (!count)
            return false;
        b->row_count = b->store->read(b->db, b->ids + b->id_next, count, b->rows);
        b->row_next = 0;
        b->id_next += count;
    }
    if (b->options.promises && b->row_next % BATCH_MAX == 0)
        claim_rows(b);
    return true;
}

static void send_some(struct bare *b)
{
    while (b->idle_count && b->waiting_count + b->in_flight < WAITING_MAX && next_row(b)) {
        struct request *r = b->idle[--b->idle_count];
        r->row = b->rows[b->row_next++];
        r->claim = b->claim;
        r->len = 0;
        snprintf(r->form, sizeof r->form,
                 "grant_type=refresh_token&refresh_token=%s&client_id=bench&client_secret=bench",
                 r->row.refresh_token);
        curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, r->form);
        curl_multi_add_handle(b->multi, r->easy);
        b->in_flight++;
    }
}

/* ---- answers ---- */

/* The text of a member; NULL where there is none. The provider's tokens have no escapes. */
static char *member(const char *body, const char *name)
{
    const char *at = strstr(body, name);
    return at ? strndup(at + strlen(name), strcspn(at + strlen(name), "\"")) : NULL;
}

static void answered(struct bare *b, struct request *r, CURLcode code)
{
    long status = 0;
    char *access = member(r->answer, "\"access_token\":\""), *refresh = member(r->answer, "\"refresh_token\":\"");
    const char *life = strstr(r->answer, "\"expires_in\":");

    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(b->multi, r->easy);
    b->in_flight--;
    b->idle[b->idle_count++] = r;
    if (code != CURLE_OK || status != 200 || !access || !life || (b->options.rotates && !refresh)) {
        b->failed++;
        return;
    }
    if (!b->waiting_count)
        b->waiting_since_ms = now_us(CLOCK_MONOTONIC) / 1000;
    b->waiting_claims[b->waiting_count] = r->claim;
    b->waiting[b->waiting_count++] = (struct bare_result){r->row.id, r->row.refresh_token, access, refresh,
                                                          time(NULL) + strtol(life + 13, NULL, 10)};
}

static void collect(struct bare *b)
{
    CURLMsg *m;
    struct request *r;
    int left;

    while ((m = curl_multi_info_read(b->multi, &left)))
        if (m->msg == CURLMSG_DONE) {
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&r);
            answered(b, r, m->data.result);
        }
}

/* ---- writing ---- */

static void free_result(struct bare_result *r)
{
    free(r->spent);
    free(r->access_token);
    free(r->refresh_token);
}

/* The last batch is written: claims without further rows end. */
static void written(struct bare *b)
{
    for (size_t i = 0; i < b->writing_count; i++)
        if (b->writing_claims[i] && --b->writing_claims[i]->left == 0) {
            b->store->release(b->db, b->writing_claims[i]->id);
            free(b->writing_claims[i]);
        }
    b->writing_count = 0;
}

static bool nothing_more_comes(const struct bare *b)
{
    return !b->in_flight && b->row_next == b->row_count && b->id_next == b->id_count;
}

static void write_some(struct bare *b)
{
    if (b->store->writing(b->db, &b->db_fd))
        return;
    written(b);
    size_t count = b->waiting_count < BATCH_MAX ? b->waiting_count : BATCH_MAX;
    if (!count || (count < BATCH_MAX && !nothing_more_comes(b) &&
                   now_us(CLOCK_MONOTONIC) / 1000 < b->waiting_since_ms + GATHER_MS))
        return;
    b->store->write(b->db, b->waiting, count);
    memcpy(b->writing_claims, b->waiting_claims, count * sizeof(struct claim *));
    b->writing_count = count;
    for (size_t i = 0; i < count; i++)
        free_result(&b->waiting[i]);
    b->waiting_count -= count;
    memmove(b->waiting, b->waiting + count, b->waiting_count * sizeof *b->waiting);
    memmove(b->waiting_claims, b->waiting_claims + count, b->waiting_count * sizeof(struct claim *));
    b->waiting_since_ms = now_us(CLOCK_MONOTONIC) / 1000;
}

/* ---- the loop ---- */

static void turn(struct bare *b)
{
    struct epoll_event events[EVENTS];
    int running, wait_ms = b->timeout_ms >= 0 && b->timeout_ms < GATHER_MS ? (int)b->timeout_ms : GATHER_MS;
    int n = epoll_wait(b->epoll_fd, events, EVENTS, wait_ms);

    if (n == 0 && b->timeout_ms >= 0) {
        b->timeout_ms = -1;
        curl_multi_socket_action(b->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    for (int i = 0; i < n; i++)
        if (events[i].data.fd != b->db_fd) {
            int what = (events[i].events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
                       (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                       (events[i].events & EPOLLERR ? CURL_CSELECT_ERR : 0);
            curl_multi_socket_action(b->multi, events[i].data.fd, what, &running);
        }
    collect(b);
    write_some(b);
    send_some(b);
    if (b->timeout_ms == 0) {
        b->timeout_ms = -1;
        curl_multi_socket_action(b->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        collect(b);
    }
}

static void report(const struct bare *b)
{
    struct rusage u;
    int64_t end_us = now_us(CLOCK_REALTIME);

    getrusage(RUSAGE_SELF, &u);
    printf("rows %zu\nfailed %zu\ncpu_us %ld\nrss_kb %ld\nend_us %ld\n", b->store->written(b->db), b->failed,
           (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000L + u.ru_utime.tv_usec + u.ru_stime.tv_usec,
           u.ru_maxrss, (long)end_us);
}

int main(int argc, char **argv)
{
    static struct bare b = {.timeout_ms = -1, .db_fd = -1};
    struct rlimit files;

    if (argc != 7) {
        fprintf(stderr, "usage: bare postgresql|sqlite WHERE URL safe|single_use update|promises IN_FLIGHT\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    curl_global_init(CURL_GLOBAL_ALL);
    b.store = strcmp(argv[1], "sqlite") == 0 ? &bare_sqlite : &bare_postgresql;
    b.options = (struct bare_options){strcmp(argv[4], "single_use") == 0, strcmp(argv[5], "promises") == 0};
    b.url = argv[3];
    b.db = b.store->open(argv[2], &b.options);
    b.multi = curl_multi_init();
    b.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    make_requests(&b, strtoul(argv[6], NULL, 10));
    b.id_count = b.store->due(b.db, &b.ids);
    b.store->writing(b.db, &b.db_fd);
    if (b.db_fd >= 0) {
        struct epoll_event e = {.events = EPOLLIN, .data.fd = b.db_fd};
        epoll_ctl(b.epoll_fd, EPOLL_CTL_ADD, b.db_fd, &e);
    }
    send_some(&b);
    while (!nothing_more_comes(&b) || b.waiting_count || b.writing_count)
        turn(&b);
    report(&b);
    int status = b.failed || b.store->written(b.db) != b.id_count;
    b.store->close(b.db);
    return status;
}
