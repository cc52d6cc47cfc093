/* SPDX-License-Identifier: MIT
 * The HTTP client against a raw server on the same loop: the exact request, every form of reply, its
 * limits.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "tests/unit/http_stage.h"

static void exact_request(void)
{
    const char *const headers[] = {"Content-Type: text/x", "Authorization: Bearer t", "X-Empty:", NULL};

    begin(answer_ok);
    ask(&(struct http_request){.method = "POST", .headers = headers, .body = "a\0b", .body_len = 3});
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
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
             body.len);
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
    CU_ASSERT(got.reply.part_len > 900000); /* what came is there for whoever keeps it */
    raw_server_set(server, answer_1_mib);
    plain();
    expect(HTTP_OK_REPLY, 200, true);
    CU_ASSERT_EQUAL(got.reply.body_len, 1048576);
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

static void answer_alert(struct raw_connection *c, const char *request)
{
    (void)request;
    raw_send(c, "\x15\x03\x01\x00\x02\x02\x0a", 7); /* of TLS: unexpected message */
    raw_close(c);
}

static void answer_noise(struct raw_connection *c, const char *request)
{
    (void)request;
    raw_text(c, "noise {\"access_token\":1}");
    raw_close(c);
}

static void tls_and_none(void)
{
    begin(answer_alert); /* http to a port of TLS: nobody took it for a request */
    plain();
    CU_ASSERT_EQUAL(got.reply.failure, HTTP_NOT_SENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(got.why, "this port speaks TLS"));
    raw_server_set(server, answer_noise); /* what is no HTTP may come from whoever took it */
    plain();
    CU_ASSERT_EQUAL(got.reply.failure, HTTP_NO_ANSWER);
    CU_ASSERT(got.reply.part_len > 20);
    end();
}

static size_t many_lines, line_len;

/* So many header lines of such a length before the one that counts, a small body behind them. */
static void answer_many_headers(struct raw_connection *c, const char *request)
{
    char *line = xmalloc(line_len + 1);
    (void)request;
    memset(line, 'x', line_len);
    line[line_len] = '\0';
    raw_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Test: two\r\n");
    for (size_t i = 0; i < many_lines; i++) {
        raw_text(c, "X-Filler: ");
        raw_text(c, line);
        raw_text(c, "\r\n");
    }
    raw_text(c, "\r\nhello");
    free(line);
}

static void large_headers(void)
{
    begin(answer_many_headers);
    many_lines = 97, line_len = 1000; /* surplus ones are left out */
    plain();
    expect(HTTP_OK_REPLY, 200, true);
    CU_ASSERT_STRING_EQUAL(got.body.data, "hello");
    CU_ASSERT_STRING_EQUAL(got.header, "two");
    CU_ASSERT(got.reply.headers_len <= 64 * 1024);
    many_lines = 4, line_len = 60 * 1000; /* so are long ones */
    plain();
    expect(HTTP_OK_REPLY, 200, true);
    CU_ASSERT_STRING_EQUAL(got.body.data, "hello");
    CU_ASSERT(got.reply.headers_len < 200);
    many_lines = 1, line_len = 110 * 1000; /* libcurl's own limit */
    plain();
    CU_ASSERT_EQUAL(got.reply.failure, HTTP_TOO_LARGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(got.why, "headers are larger than libcurl takes"));
    many_lines = 2000, line_len = 1000; /* ours */
    plain();
    CU_ASSERT_EQUAL(got.reply.failure, HTTP_TOO_LARGE);
    end();
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"the exact request", exact_request},
        {"forms of reply", forms_of_reply},
        {"limits after decompression", limits},
        {"broken replies", broken_replies},
        {"large headers", large_headers},
        {"http to a port of TLS", tls_and_none},
        {NULL, NULL},
    };
    return run_tests("http_client", tests);
}
