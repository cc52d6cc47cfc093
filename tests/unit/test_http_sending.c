/* SPDX-License-Identifier: MIT
 * What the HTTP client sends and when: once, before its lease and deadline, many at a time, and never
 * what is refused beforehand.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "tests/unit/http_stage.h"

static void answer_nothing(struct raw_connection *c, const char *request)
{
    (void)request;
    raw_close(c);
}

static void answer_reset(struct raw_connection *c, const char *request)
{
    (void)request;
    raw_reset(c);
}

/* The server took the request on a kept connection and closed it: libcurl would send it again. */
static void presented_once(void)
{
    begin(answer_ok);
    plain();
    raw_server_set(server, answer_nothing);
    ask(&(struct http_request){.method = "POST", .body = "code=1", .body_len = 6});
    expect(HTTP_NO_ANSWER, 0, true);
    CU_ASSERT_EQUAL(raw_server_requests(server), 2);
    raw_server_set(server, answer_ok);
    plain();
    raw_server_set(server, answer_reset);
    plain();
    expect(HTTP_NO_ANSWER, 0, true);
    CU_ASSERT_EQUAL(raw_server_requests(server), 4);
    end();
}

static void answer_second_try(struct raw_connection *c, const char *request)
{
    raw_server_set(server, answer_ok);
    answer_nothing(c, request);
}

static void resent_when_allowed(void)
{
    begin(answer_ok);
    plain();
    raw_server_set(server, answer_second_try);
    ask(&(struct http_request){.method = "POST", .resend_allowed = true});
    expect(HTTP_OK_REPLY, 200, true);
    CU_ASSERT_EQUAL(raw_server_requests(server), 3);
    end();
}

static void answer_and_close(struct raw_connection *c, const char *request)
{
    answer_ok(c, request);
    raw_close(c);
}

/* Closed while idle: seen before the next request is sent, which then goes over a new connection. */
static void closed_while_idle(void)
{
    begin(answer_and_close);
    plain();
    expect(HTTP_OK_REPLY, 200, true);
    plain();
    expect(HTTP_OK_REPLY, 200, true);
    CU_ASSERT_EQUAL(raw_server_requests(server), 2);
    raw_server_set(server, answer_ok);
    plain();
    plain();
    CU_ASSERT_EQUAL(raw_server_connections(server), 3);
    ask(&(struct http_request){.idle_limit_ms = 1000});
    expect(HTTP_OK_REPLY, 200, true);
    CU_ASSERT_EQUAL(raw_server_connections(server), 4);
    end();
}

static void answer_silence(struct raw_connection *c, const char *request)
{
    (void)c;
    (void)request;
}

static void answer_begun(struct raw_connection *c, const char *request)
{
    (void)request;
    raw_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf");
}

static void deadline(void)
{
    begin(answer_silence);
    ask(&(struct http_request){.deadline_boot_ms = clock_boot_ms() + 60});
    expect(HTTP_NO_ANSWER, 0, true);
    CU_ASSERT(got.reply.timed_out);
    raw_server_set(server, answer_begun);
    ask(&(struct http_request){.deadline_boot_ms = clock_boot_ms() + 60});
    expect(HTTP_CUT, 200, true);
    ask(&(struct http_request){.deadline_boot_ms = clock_boot_ms() - 1});
    expect(HTTP_NOT_SENT, 0, false);
    CU_ASSERT_EQUAL(raw_server_requests(server), 2);
    end();
}

static int64_t sleep_past;

/* The whole answer lies in the socket when the client wakes up, too late. */
static void answer_and_sleep(struct raw_connection *c, const char *request)
{
    char *data = xcalloc(1, 65536);

    (void)request;
    raw_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n");
    raw_send(c, data, 65536);
    raw_close(c);
    free(data);
    while (clock_boot_ms() < sleep_past)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void reply_before_the_deadline_counts(void)
{
    begin(answer_ok);
    plain(); /* over a kept connection libcurl has no timer that would read for us */
    raw_server_set(server, answer_and_sleep);
    sleep_past = clock_boot_ms() + 420;
    ask(&(struct http_request){.deadline_boot_ms = sleep_past - 20});
    expect(HTTP_OK_REPLY, 200, true);
    CU_ASSERT_EQUAL(got.reply.body_len, 65536);
    end();
}

static void answer_late(void *ctx)
{
    answer_ok(ctx, "");
}

/* The process sleeps well past the deadline; the answer comes a moment after it woke. */
static void sleep_and_answer(struct raw_connection *c, const char *request)
{
    (void)request;
    while (clock_boot_ms() < sleep_past)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    loop_after(loop, 100, answer_late, c);
}

static void reply_after_a_sleep_counts(void)
{
    begin(answer_ok);
    plain();
    raw_server_set(server, sleep_and_answer);
    sleep_past = clock_boot_ms() + 3500;
    ask(&(struct http_request){.deadline_boot_ms = sleep_past - 1500});
    expect(HTTP_OK_REPLY, 200, true);
    CU_ASSERT_EQUAL(raw_server_requests(server), 2);
    end();
}

static void lease(void)
{
    begin(answer_ok);
    ask(&(struct http_request){.lease_boot_ms = clock_boot_ms() - 1});
    expect(HTTP_NOT_SENT, 0, false);
    CU_ASSERT_EQUAL(raw_server_requests(server), 0);
    ask(&(struct http_request){.lease_boot_ms = clock_boot_ms() + 5000});
    expect(HTTP_OK_REPLY, 200, true);
    end();
}

/* A port that stays ours, where nobody listens. */
static int bound_port(char *ret_url, size_t size)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(ret_url, size, "http://127.0.0.1:%u/", (unsigned)ntohs(at.sin_port));
    return fd;
}

static void refused_port(void)
{
    char gone[256];
    struct http_request request = {.method = "GET", .url = gone};
    int calls = 0;

    begin(answer_ok);
    int fd = bound_port(gone, sizeof gone);
    ask(&request);
    expect(HTTP_NOT_SENT, 0, false);
    CU_ASSERT_PTR_NOT_NULL(strstr(got.why, "http://127.0.0.1:"));
    got.calls = 0;
    for (int i = 0; i < 50; i++)
        CU_ASSERT_EQUAL(http_client_send(client, &request, done, NULL, NULL, NULL), 0);
    while (got.calls < 50 && calls++ < 1000)
        loop_turn(loop, 1000);
    CU_ASSERT_EQUAL(got.calls, 50);
    expect(HTTP_NOT_SENT, 0, false);
    close(fd);
    end();
}

static void refused_requests(void)
{
    static const struct {
        const char *method, *url, *header;
    } bad[] = {
        {"GET", "http://example.com/", NULL},
        {"GET", "http://127.0.0.1.example.com/", NULL},
        {"GET", "http://localhost.example.com/", NULL},
        {"GET", "http://[::2]/", NULL},
        {"GET", "https://user:pw@127.0.0.1/", NULL},
        {"GET", "http://127.0.0.1@example.com/", NULL},
        {"GET", "ftp://127.0.0.1/", NULL},
        {"GET", "file:///etc/passwd", NULL},
        {"GET", "127.0.0.1/x", NULL},
        {"GET", "http://127.0.0.1/a b", NULL},
        {"GET", "http://127.0.0.1/a\r\nX: y", NULL},
        {"GET", "", NULL},
        {"GE T", "http://127.0.0.1/", NULL},
        {"CONNECT", "http://127.0.0.1/", NULL},
        {"GET", "http://127.0.0.1/", "A: b\r\nC: d"},
        {"GET", "http://127.0.0.1/", "A\n: b"},
        {"GET", "http://127.0.0.1/", "no colon"},
        {"GET", "http://127.0.0.1/", ": nameless"},
        {"GET", "http://127.0.0.1/", "Content-Length: 5"},
        {"GET", "http://127.0.0.1/", "transfer-encoding: chunked"},
    };

    begin(answer_ok);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *const headers[] = {bad[i].header, NULL};
        struct http_request r = {.method = bad[i].method, .url = bad[i].url, .headers = headers};
        struct error error = {""};
        int rc = http_client_send(client, &r, done, NULL, NULL, &error);
        if (rc != -EINVAL)
            printf("# accepted: %s %s\n", bad[i].method, bad[i].url);
        CU_ASSERT_EQUAL(rc, -EINVAL);
        CU_ASSERT(strlen(error.text) > 10);
        CU_ASSERT_PTR_NULL(strstr(error.text, "pw"));
    }
    struct http_client_counts counts;
    http_client_count(client, &counts);
    CU_ASSERT_EQUAL(counts.in_flight, 0);
    struct http_transfer *t = NULL;
    struct http_request insecure = {.method = "GET", .url = "http://192.0.2.1/", .allow_insecure = true};
    CU_ASSERT_EQUAL(http_client_send(client, &insecure, done, NULL, &t, NULL), 0);
    http_transfer_cancel(&t);
    CU_ASSERT_PTR_NULL(t);
    CU_ASSERT_EQUAL(got.calls, 0);
    end();
}

static void many_at_once(void)
{
    struct http_client_counts counts;
    bool one_ahead = false;

    begin(answer_ok);
    struct http_request r = {.method = "GET", .url = url("/"), .deadline_boot_ms = clock_boot_ms() + 30000};
    for (int i = 0; i < 500; i++)
        CU_ASSERT_EQUAL(http_client_send(client, &r, done, NULL, NULL, NULL), 0);
    while (got.calls < 500) {
        http_client_count(client, &counts);
        one_ahead = one_ahead || counts.waiting == 499;
        loop_turn(loop, 1000);
        CU_ASSERT_EQUAL(got.reply.failure, HTTP_OK_REPLY);
    }
    http_client_count(client, &counts);
    CU_ASSERT_TRUE(one_ahead);
    CU_ASSERT_EQUAL(counts.in_flight, 0);
    CU_ASSERT_EQUAL(counts.waiting, 0);
    CU_ASSERT_EQUAL(counts.handles, 2);
    CU_ASSERT_EQUAL(counts.sent_total, 500);
    CU_ASSERT_EQUAL(raw_server_requests(server), 500);
    CU_ASSERT_EQUAL(counts.open, raw_server_connections(server));
    end();
}

static struct http_transfer *others[3];

static void cancel_others(void *ctx, const struct http_reply *reply)
{
    done(ctx, reply);
    for (int i = 0; i < 3; i++)
        http_transfer_cancel(&others[i]);
}

static void cancel(void)
{
    begin(answer_silence);
    struct http_request r = {.method = "GET", .url = url("/")};
    struct http_request soon = r;
    soon.deadline_boot_ms = clock_boot_ms() + 80;
    CU_ASSERT_EQUAL(http_client_send(client, &soon, cancel_others, NULL, NULL, NULL), 0);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(http_client_send(client, &r, done, NULL, &others[i], NULL), 0);
    while (got.calls == 0)
        loop_turn(loop, -1);
    for (int i = 0; i < 10; i++)
        loop_turn(loop, 0);
    CU_ASSERT_EQUAL(got.calls, 1);
    CU_ASSERT_EQUAL(raw_server_requests(server), 4);
    CU_ASSERT_EQUAL(http_client_send(client, &r, done, NULL, NULL, NULL), 0);
    loop_turn(loop, 10);
    end(); /* one is in flight: freed without a call */
    CU_ASSERT_EQUAL(got.calls, 1);
}

static void too_many(void)
{
    struct http_client_options options = {.transfers_max = 1, .user_agent = "tester/1"};
    struct http_client *small;

    begin(answer_ok);
    CU_ASSERT_FATAL(http_client_new(loop, &options, &small) == 0);
    struct http_request r = {.method = "HEAD", .url = url("/")};
    CU_ASSERT_EQUAL(http_client_send(small, &r, done, NULL, NULL, NULL), 0);
    CU_ASSERT_EQUAL(http_client_send(small, &r, done, NULL, NULL, NULL), -EAGAIN);
    while (got.calls == 0)
        loop_turn(loop, -1);
    expect(HTTP_OK_REPLY, 200, true);
    CU_ASSERT_PTR_NOT_NULL(strstr(raw_server_last(server), "User-Agent: tester/1\r\n"));
    http_client_free(small);
    end();
}

/* A handshake settles whether the port speaks TLS; where plain HTTP was answered once, that is known. */
static void asked_for_tls(void)
{
    begin(answer_nothing);
    plain();
    expect(HTTP_NO_ANSWER, 0, true);
    CU_ASSERT_EQUAL(raw_server_connections(server), 2);
    CU_ASSERT_EQUAL(raw_server_requests(server), 1);
    end();

    begin(answer_and_close);
    plain();
    expect(HTTP_OK_REPLY, 200, true);
    raw_server_set(server, answer_nothing);
    plain();
    expect(HTTP_NO_ANSWER, 0, true);
    CU_ASSERT_EQUAL(raw_server_connections(server), 2);
    CU_ASSERT_EQUAL(raw_server_requests(server), 2);
    end();
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"presented once on a kept connection that dies", presented_once},
        {"sent again where that is allowed", resent_when_allowed},
        {"a connection closed while idle", closed_while_idle},
        {"a handshake after no answer at all", asked_for_tls},
        {"deadline", deadline},
        {"a reply before the deadline counts", reply_before_the_deadline_counts},
        {"a reply just after a sleep counts", reply_after_a_sleep_counts},
        {"lease", lease},
        {"refused port, the waiting fail along", refused_port},
        {"requests that are refused", refused_requests},
        {"500 at once", many_at_once},
        {"cancel", cancel},
        {"too many", too_many},
        {NULL, NULL},
    };
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    return run_tests("http_sending", tests);
}
