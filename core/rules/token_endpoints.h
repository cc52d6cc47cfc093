/* SPDX-License-Identifier: MIT
 * The list of paths with which providers issue or revoke tokens: no call is forwarded to them. Pure.
 */
#ifndef CORE_RULES_TOKEN_ENDPOINTS_H
#define CORE_RULES_TOKEN_ENDPOINTS_H

#include <stdbool.h>

/* url: https://host/path, with its path as core/http/url.h writes it; the host is ignored. */
bool endpoint_of_tokens(const char *url);

#endif
