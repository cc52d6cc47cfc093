/* SPDX-License-Identifier: MIT
 * Who may do what over the TCP door: bearer secrets of the named clients of renewd.conf, each with what it
 * may do and for which jobs. Secrets are compared as hashes, all of them, in constant time.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/adapters/crypto.h"
#include "core/api/internal.h"

static bool listed(char *const *list, const char *name)
{
    for (; list && *list; list++)
        if (strcmp(*list, name) == 0 || strcmp(*list, "*") == 0)
            return true;
    return false;
}

static const char *bearer(const struct http_call *call)
{
    const char *header = http_call_header(call, "Authorization");

    if (!header || strncasecmp(header, "Bearer ", 7) != 0)
        return NULL;
    header += 7;
    while (*header == ' ')
        header++;
    return header;
}

static const struct api_client *client_of(const struct config *c, const char *secret)
{
    const struct api_client *found = NULL;
    unsigned char given[CRYPTO_HASH], known[CRYPTO_HASH];

    if (crypto_sha256(secret, strlen(secret), given) < 0)
        return NULL;
    for (size_t i = 0; i < c->client_count; i++) {
        const struct secret *s = c->clients[i].secret;
        if (s && secret_len(s) && crypto_sha256(secret_text(s), secret_len(s), known) == 0 &&
            crypto_equal(given, known, sizeof given))
            found = &c->clients[i];
    }
    crypto_wipe(known, sizeof known);
    crypto_wipe(given, sizeof given);
    return found;
}

bool client_enter(struct request *q)
{
    const char *secret = bearer(q->call);

    if (secret)
        q->client = client_of(q->api->config, secret);
    if (q->client)
        return true;
    (void)http_answer_header(q->call, "WWW-Authenticate", "Bearer");
    if (secret)
        answer_error(q, 401, "wrong_secret", "no client of renewd.conf has this secret");
    else
        answer_error(q, 401, "no_secret",
                     "this door wants the header Authorization: Bearer SECRET; where SQL makes it, a setting that "
                     "is NULL leaves the header out");
    return false;
}

bool client_may(struct request *q)
{
    const char *right = strcmp(q->route->method, "GET") == 0 ? "read" : "operate";

    if (listed(q->client->allow, right) && listed(q->client->jobs, q->job ? q->job : "*"))
        return true;
    answer_error(q, 403, "forbidden", "the client %s may not %s %s", q->client->name, right,
                 q->job ? q->job : "all jobs");
    return false;
}
