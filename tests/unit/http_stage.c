/* SPDX-License-Identifier: MIT
 * See http_stage.h.
 */
#include "config.h"

#include "tests/unit/http_stage.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"

struct loop *loop;
struct http_client *client;
struct raw_server *server;

struct got got;

void done(void *ctx, const struct http_reply *reply)
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

void begin(raw_answer_fn *answer)
{
    memset(&got, 0, sizeof got);
    loop = loop_new();
    server = raw_server_new(loop, answer);
    CU_ASSERT_FATAL(http_client_new(loop, NULL, &client) == 0);
}

void end(void)
{
    http_client_free(client);
    raw_server_free(server);
    loop_free(loop);
    buf_done(&got.body);
}

const char *url(const char *path)
{
    static char text[256];

    snprintf(text, sizeof text, "http://127.0.0.1:%u%s", (unsigned)raw_server_port(server), path);
    return text;
}

void ask(const struct http_request *request)
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

void plain(void)
{
    ask(&(struct http_request){0});
}

void expect(enum http_failure failure, int status, bool sent)
{
    CU_ASSERT_EQUAL(got.reply.failure, failure);
    CU_ASSERT_EQUAL(got.reply.status, status);
    CU_ASSERT_EQUAL(got.reply.sent, sent);
    if (got.reply.failure != failure || got.reply.status != status)
        printf("# failure %d status %d: %s\n", (int)got.reply.failure, got.reply.status, got.why);
}

void answer_ok(struct raw_connection *c, const char *request)
{
    (void)request;
    raw_text(c, "HTTP/1.1 200 OK\r\nX-Test:  one \r\nx-TEST: two\r\nContent-Length: 5\r\n\r\nhello");
}
