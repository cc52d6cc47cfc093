/* SPDX-License-Identifier: MIT
 * Which paths of providers deal in tokens themselves: nothing is forwarded to them. One plain list. Pure.
 */
#ifndef CORE_RULES_TOKEN_ENDPOINTS_H
#define CORE_RULES_TOKEN_ENDPOINTS_H

#include <stdbool.h>

/* url: https://host/path, its path as http/url.h writes it; the host is not looked at. */
bool endpoint_of_tokens(const char *url);

#endif
