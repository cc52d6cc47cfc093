/* SPDX-License-Identifier: MIT
 * The stage of the HTTP client's tests: a loop, a client, a raw server, and what the last reply was.
 */
#ifndef TESTS_HTTP_STAGE_H
#define TESTS_HTTP_STAGE_H

#include <stdbool.h>

#include "core/base/buf.h"
#include "core/http/client/client.h"
#include "core/loop/loop.h"
#include "tests/unit/raw_server.h"
#include "tests/unit/runner.h"

/* What the last reply was, and how many there were since ask. */
struct got {
    int calls;
    struct http_reply reply;
    char why[400], header[200];
    struct buf body;
};

extern struct loop *loop;
extern struct http_client *client;
extern struct raw_server *server;
extern struct got got;

void begin(raw_answer_fn *answer);
void end(void);
/* Of the raw server; lives until the next call. */
const char *url(const char *path);
/* Fills what is not set, sends, turns the loop until the reply is there. */
void ask(const struct http_request *request);
void plain(void);
void expect(enum http_failure failure, int status, bool sent);

void done(void *ctx, const struct http_reply *reply);
void answer_ok(struct raw_connection *c, const char *request);

#endif
