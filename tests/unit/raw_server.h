/* SPDX-License-Identifier: MIT
 * A TCP server on 127.0.0.1 for tests of HTTP clients: it lives on the tested client's own loop,
 * counts what it gets and answers with any bytes, or with none.
 */
#ifndef TESTS_RAW_SERVER_H
#define TESTS_RAW_SERVER_H

#include <stddef.h>
#include <stdint.h>

struct loop;
struct raw_connection;
struct raw_server;

/* Called for each whole request (headers and the body that Content-Length names). */
typedef void raw_answer_fn(struct raw_connection *connection, const char *request);

struct raw_server *raw_server_new(struct loop *loop, raw_answer_fn *answer);
void raw_server_free(struct raw_server *server);
void raw_server_set(struct raw_server *server, raw_answer_fn *answer);
uint16_t raw_server_port(const struct raw_server *server);
unsigned raw_server_requests(const struct raw_server *server);
unsigned raw_server_connections(const struct raw_server *server);
/* The last request as it came. */
const char *raw_server_last(const struct raw_server *server);

void raw_send(struct raw_connection *connection, const void *data, size_t len);
void raw_text(struct raw_connection *connection, const char *text);
/* Once what was sent has left. */
void raw_close(struct raw_connection *connection);
/* At once, with RST. */
void raw_reset(struct raw_connection *connection);

#endif
