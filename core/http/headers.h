/* SPDX-License-Identifier: MIT
 * Which headers end at renewd when it passes a call on and an answer back (RFC 9110, section 7.6.1, and what
 * belongs to one connection, one host or one login alone). It reads text and nothing else.
 */
#ifndef CORE_HTTP_HEADERS_H
#define CORE_HTTP_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

/* connection: the value of the message's own Connection header, or NULL; what it names ends here, too. */
bool hop_drops_request(const char *name, size_t len, const char *connection);
bool hop_drops_reply(const char *name, size_t len, const char *connection);

#endif
