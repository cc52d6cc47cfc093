/* SPDX-License-Identifier: MIT
 * Says which headers are not passed on when a call is forwarded or a reply returned: those of RFC 9110, section
 * 7.6.1, and those that belong to one connection, one host or one login. Works on text only.
 */
#ifndef CORE_HTTP_HEADERS_H
#define CORE_HTTP_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

/* connection: the value of the message's Connection header, or NULL; the headers that it names are not passed on
 * either. */
bool hop_drops_request(const char *name, size_t len, const char *connection);
bool hop_drops_reply(const char *name, size_t len, const char *connection);

#endif
