/* SPDX-License-Identifier: MIT
 * The HTTP client against a raw server on the same loop: every form of reply, one send per request,
 * deadlines, leases, what is refused before anything is sent.
 */
#include "config.h"

#include "core/adapters/http_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "core/adapters/loop.h"
#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/clock.h"
#include "tests/unit/raw_server.h"
#include "tests/unit/runner.h"

static struct loop *loop;
static struct http_client *client;
static struct raw_server *server;

/* What the last reply was. */
static struct {
    int calls;
    struct http_reply reply;
    char why[400], header[200];
    struct buf body;
} got;

static void done(void *ctx, const struct http_reply *reply)
{
    const char *header = http_reply_header(reply, "x-test");

    (void)ctx;
    got.calls++;
    got.reply = *reply;
    snprintf(got.why, sizeof got.why, "%s", reply->why);
    snprintf(got.header, sizeof got.header, "%s", header ? header : "(absent)");
    buf_done(&got.body);
    buf_init(&got.body, (size_t)32 << 20);
    buf_append(&got.body, reply->body, reply->body_len);
}

static void begin(raw_answer_fn *answer)
{
    memset(&got, 0, sizeof got);
    loop = loop_new();
    server = raw_server_new(loop, answer);
    CU_ASSERT_FATAL(http_client_new(loop, NULL, &client) == 0);
}

static void end(void)
{
    http_client_free(client);
    raw_server_free(server);
    loop_free(loop);
    buf_done(&got.body);
}

static const char *url(const char *path)
{
    static char text[256];

    snprintf(text, sizeof text, "http://127.0.0.1:%u%s", (unsigned)raw_server_port(server), path);
    return text;
}

static void ask(const struct http_request *request)
{
    struct http_request r = *request;
    struct error error;

    got.calls = 0;
    if (!r.method)
        r.method = "GET";
    if (!r.url)
        r.url = url("/path?secret=1");
    if (!r.deadline_boot_ms)
        r.deadline_boot_ms = clock_boot_ms() + 10000;
    int rc = http_client_send(client, &r, done, NULL, NULL, &error);
    CU_ASSERT_EQUAL(rc, 0);
    if (rc < 0)
        return;
    CU_ASSERT_EQUAL(got.calls, 0);
    while (got.calls == 0)
        loop_turn(loop, -1);
    CU_ASSERT_EQUAL(got.calls, 1);
    CU_ASSERT_PTR_NULL(strstr(got.why, "secret"));
    CU_ASSERT((got.reply.failure == HTTP_OK_REPLY) == (got.why[0] == '\0'));
}

static void plain(void)
{
    ask(&(struct http_request){0});
}

static void expect(enum http_failure failure, int status, bool sent)
{
    CU_ASSERT_EQUAL(got.reply.failure, failure);
    CU_ASSERT_EQUAL(got.reply.status, status);
    CU_ASSERT_EQUAL(got.reply.sent, sent);
    if (got.reply.failure != failure || got.reply.status != status)
        printf("# failure %d status %d: %s\n", (int)got.reply.failure, got.reply.status, got.why);
}

static void answer_ok(struct raw_connection *c, const char *request)
{
    (void)request;
    raw_text(c, "HTTP/1.1 200 OK\r\nX-Test:  one \r\nx-TEST: two\r\nContent-Length: 5\r\n\r\nhello");
}

static void exact_request(void)
{
    const char *const headers[] = {"Content-Type: text/x", "Authorization: Bearer t", "X-Empty:",
                                   NULL};

    begin(answer_ok);
    ask(&(struct http_request){
        .method = "POST", .headers = headers, .body = "a\0b", .body_len = 3});
    expect(HTTP_OK_REPLY, 200, true);
    CU_ASSERT_EQUAL(got.body.len, 5);
    CU_ASSERT_STRING_EQUAL(got.body.data, "hello");
    CU_ASSERT_STRING_EQUAL(got.header, "two");
    CU_ASSERT(llabs(got.reply.received_at - clock_now()) <= 2);
    const char *sent = raw_server_last(server);
    CU_ASSERT_EQUAL(strncmp(sent, "POST /path?secret=1 HTTP/1.1\r\n", 30), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(sent, "\r\nContent-Type: text/x\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(sent, "\r\nAuthorization: Bearer t\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(sent, "\r\nX-Empty:\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(sent, "\r\nUser-Agent: renewd/"));
    CU_ASSERT_PTR_NOT_NULL(strstr(sent, "\r\nContent-Length: 3\r\n"));
    CU_ASSERT_PTR_NULL(strstr(sent, "Expect"));
    ask(&(struct http_request){.method = "POST"});
    CU_ASSERT_PTR_NOT_NULL(strstr(raw_server_last(server), "\r\nContent-Length: 0\r\n"));
    CU_ASSERT_PTR_NULL(strstr(raw_server_last(server), "Content-Type"));
    ask(&(struct http_request){.method = "DELETE"});
    CU_ASSERT_EQUAL(strncmp(raw_server_last(server), "DELETE /path", 12), 0);
    ask(&(struct http_request){.method = "PUT", .body = "x", .body_len = 1});
    CU_ASSERT_EQUAL(strncmp(raw_server_last(server), "PUT /path", 9), 0);
    ask(&(struct http_request){.url = url("/a/../b/%2e%2E/c")});
    CU_ASSERT_EQUAL(strncmp(raw_server_last(server), "GET /a/../b/%2e%2E/c ", 21), 0);
    CU_ASSERT_EQUAL(raw_server_connections(server), 1);
    end();
}

static void answer_chunked(struct raw_connection *c, const char *request)
{
    (void)request;
    raw_text(c, "HTTP/1.1 100 Continue\r\nX-Test: interim\r\n\r\n"
                "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n"
                "3\r\nabc\r\n2\r\nde\r\n0\r\nX-Test: trailer\r\n\r\n");
}

static void answer_redirect(struct raw_connection *c, const char *request)
{
    (void)request;
    raw_text(c, "HTTP/1.1 302 Found\r\nX-Test: here\r\nLocation: /elsewhere\r\n"
                "Set-Cookie: a=b\r\nContent-Length: 0\r\n\r\n");
}

static void answer_until_close(struct raw_connection *c, const char *request)
{
    (void)request;
    raw_text(c, "HTTP/1.0 200 OK\r\n\r\nto the end");
    raw_close(c);
}

static void forms_of_reply(void)
{
    begin(answer_chunked);
    plain();
    expect(HTTP_OK_REPLY, 401, true);
    CU_ASSERT_STRING_EQUAL(got.body.data, "abcde");
    CU_ASSERT_STRING_EQUAL(got.header, "(absent)");
    raw_server_set(server, answer_redirect);
    plain();
    plain();
    expect(HTTP_OK_REPLY, 302, true);
    CU_ASSERT_STRING_EQUAL(got.header, "here");
    CU_ASSERT_EQUAL(raw_server_requests(server), 3);
    CU_ASSERT_PTR_NULL(strstr(raw_server_last(server), "Cookie"));
    raw_server_set(server, answer_until_close);
    plain();
    expect(HTTP_OK_REPLY, 200, true);
    CU_ASSERT_STRING_EQUAL(got.body.data, "to the end");
    end();
}

static void send_gzip(struct raw_connection *c, const char *command)
{
    struct buf body;
    char data[4096], head[128];
    size_t n;

    buf_init(&body, (size_t)1 << 20);
    FILE *pipe = popen(command, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
    while ((n = fread(data, 1, sizeof data, pipe)) > 0)
        buf_append(&body, data, n);
    pclose(pipe);
    snprintf(head, sizeof head,
             "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", body.len);
    raw_text(c, head);
    raw_send(c, body.data, body.len);
    buf_done(&body);
}

static void answer_gzip(struct raw_connection *c, const char *request)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(request, "\r\nAccept-Encoding: gzip, deflate\r\n"));
    send_gzip(c, "printf packed | gzip");
}

static void answer_bomb(struct raw_connection *c, const char *request)
{
    (void)request;
    send_gzip(c, "head -c 10485760 /dev/zero | gzip");
}

static void answer_bad_gzip(struct raw_connection *c, const char *request)
{
    (void)request;
    raw_text(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello");
}

static void answer_10_mb(struct raw_connection *c, const char *request)
{
    char *data = xcalloc(1, 10485760);

    (void)request;
    raw_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n");
    raw_send(c, data, 10485760);
    free(data);
}

static void answer_1_mib(struct raw_connection *c, const char *request)
{
    char *data = xcalloc(1, 1048576);

    (void)request;
    raw_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
    raw_send(c, data, 1048576);
    free(data);
}

static void answer_many_headers(struct raw_connection *c, const char *request)
{
    char line[1024];

    (void)request;
    memset(line, 'x', sizeof line);
    memcpy(line, "X-Much: ", 8);
    memcpy(line + sizeof line - 3, "\r\n", 3);
    raw_text(c, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 100; i++)
        raw_text(c, line);
    raw_text(c, "Content-Length: 0\r\n\r\n");
}

static void limits(void)
{
    begin(answer_gzip);
    plain();
    expect(HTTP_OK_REPLY, 200, true);
    CU_ASSERT_STRING_EQUAL(got.body.data, "packed");
    raw_server_set(server, answer_bomb);
    plain();
    expect(HTTP_TOO_LARGE, 200, true);
    CU_ASSERT_EQUAL(got.reply.body_len, 0);
    raw_server_set(server, answer_10_mb);
    plain();
    expect(HTTP_TOO_LARGE, 200, true);
    raw_server_set(server, answer_1_mib);
    plain();
    expect(HTTP_OK_REPLY, 200, true);
    CU_ASSERT_EQUAL(got.reply.body_len, 1048576);
    raw_server_set(server, answer_many_headers);
    plain();
    expect(HTTP_TOO_LARGE, 200, true);
    raw_server_set(server, answer_ok);
    ask(&(struct http_request){.reply_limit = 4});
    expect(HTTP_TOO_LARGE, 200, true);
    raw_server_set(server, answer_bad_gzip);
    plain();
    expect(HTTP_CUT, 200, true);
    end();
}

static void answer_cut(struct raw_connection *c, const char *request)
{
    (void)request;
    raw_text(c, "HTTP/1.1 200 OK\r\nX-Test: begun\r\nContent-Length: 50\r\n\r\nhalf");
    raw_close(c);
}

static void answer_cut_chunk(struct raw_connection *c, const char *request)
{
    (void)request;
    raw_text(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    raw_close(c);
}

static void answer_garbage(struct raw_connection *c, const char *request)
{
    (void)request;
    raw_text(c, "\x16\x03\x01 what is this?\n\n<html>");
    raw_close(c);
}

static void answer_interim_only(struct raw_connection *c, const char *request)
{
    (void)request;
    raw_text(c, "HTTP/1.1 100 Continue\r\n\r\n");
    raw_close(c);
}

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

static void broken_replies(void)
{
    begin(answer_cut);
    plain();
    expect(HTTP_CUT, 200, true);
    CU_ASSERT_STRING_EQUAL(got.header, "begun");
    CU_ASSERT_EQUAL(got.reply.body_len, 0);
    raw_server_set(server, answer_cut_chunk);
    plain();
    expect(HTTP_CUT, 200, true);
    raw_server_set(server, answer_garbage);
    plain();
    expect(HTTP_NO_ANSWER, 0, true);
    raw_server_set(server, answer_interim_only);
    plain();
    expect(HTTP_NO_ANSWER, 0, true);
    raw_server_set(server, answer_nothing);
    plain();
    expect(HTTP_NO_ANSWER, 0, true);
    raw_server_set(server, answer_reset);
    plain();
    expect(HTTP_NO_ANSWER, 0, true);
    CU_ASSERT_EQUAL(raw_server_requests(server), 6);
    end();
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

static void refused_port(void)
{
    char gone[256];
    struct http_request request = {.method = "GET", .url = gone};
    int calls = 0;

    begin(answer_ok);
    snprintf(gone, sizeof gone, "%s", url("/"));
    raw_server_free(server);
    server = NULL;
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
    struct http_request insecure = {
        .method = "GET", .url = "http://192.0.2.1/", .allow_insecure = true};
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
    struct http_request r = {.method = "GET", .url = url("/"),
                             .deadline_boot_ms = clock_boot_ms() + 30000};
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

int main(void)
{
    static const struct unit_test tests[] = {
        {"the exact request", exact_request},
        {"forms of reply", forms_of_reply},
        {"limits after decompression", limits},
        {"broken replies", broken_replies},
        {"presented once on a kept connection that dies", presented_once},
        {"sent again where that is allowed", resent_when_allowed},
        {"a connection closed while idle", closed_while_idle},
        {"deadline", deadline},
        {"a reply before the deadline counts", reply_before_the_deadline_counts},
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
    return run_tests("http_client", tests);
}
