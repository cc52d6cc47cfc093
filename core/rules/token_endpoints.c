/* SPDX-License-Identifier: MIT
 * See token_endpoints.h.
 */
#include "core/rules/token_endpoints.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Segments, wherever they stand: oauth/access_token, v26.0/debug_token, oauth2/v3/tokeninfo, v2/oauth/revoke ... */
static const char *const anywhere[] = {
    "access_token", "refresh_token", "refresh_access_token", "debug_token",      "token_info",
    "tokeninfo",    "introspect",    "introspection",        "introspect_token", "revoke",
    "revoke_token", "revocation",    "client_code",          "token_exchange",   NULL,
};
/* The last segment alone: oauth/token, api/1.0/token; devices/token/7 is something else. */
static const char *const at_the_end[] = {"token", NULL};

/* Ignores what servers read as a format or a parameter: "token.json", "token;v=1". */
static bool endpoint_is_one_of(const char *const *names, const char *segment, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (segment[i] == '.' || segment[i] == ';')
            len = i;
    for (; *names; names++)
        if (strlen(*names) == len && strncasecmp(*names, segment, len) == 0)
            return true;
    return false;
}

bool endpoint_of_tokens(const char *url)
{
    const char *host = strstr(url, "://"), *at = strchr(host ? host + 3 : url, '/');

    while (at && *at == '/') {
        size_t len = strcspn(++at, "/");
        bool last = at[len] == '\0' || at[len + 1] == '\0';
        if (endpoint_is_one_of(anywhere, at, len) || (last && endpoint_is_one_of(at_the_end, at, len)))
            return true;
        at += len;
    }
    return false;
}
