/* SPDX-License-Identifier: MIT
 * The callers of the TCP listener: bearer secrets of the named clients of renewd.conf, each with what it may do and
 * for which jobs. Secrets are compared as hashes, all of them, in constant time.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/api/internal.h"
#include "core/base/log.h"
#include "core/crypto/crypto.h"

static bool clients_listed(char *const *list, const char *name)
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
    unsigned char given[CRYPTO_HASH];

    if (!*secret || crypto_sha256(secret, strlen(secret), given) < 0)
        return NULL;
    for (size_t i = 0; i < c->client_count; i++) /* all of them are compared, whichever matches */
        if (crypto_equal(given, c->clients[i].secret_hash, sizeof given) && c->clients[i].has_secret)
            found = &c->clients[i];
    crypto_wipe(given, sizeof given);
    return found;
}

int client_identify(struct request *q)
{
    const char *secret = bearer(q->call);

    if (secret)
        q->client = client_of(q->api->config, secret);
    if (q->client) {
        http_call_known(q->call);
        return CLIENT_KNOWN;
    }
    return http_call_header(q->call, "Authorization") ? CLIENT_WRONG : CLIENT_NO_HEADER;
}

static void refuse_wrong(struct request *q)
{
    if (q->api && auth_throttle_may_log(q->api->door, REFUSED_WRONG))
        log_line(LEVEL_WARNING, "a call with a wrong secret was refused", NULL);
    (void)http_answer_header(q->call, "WWW-Authenticate", "Bearer");
    answer_error(q, 401, "wrong_secret", "no client of renewd.conf has this secret");
}

bool client_enter(struct request *q)
{
    int known = client_identify(q);

    if (known == CLIENT_WRONG) {
        auth_throttle_delay(q, refuse_wrong);
    } else if (known == CLIENT_NO_HEADER) {
        (void)http_answer_header(q->call, "WWW-Authenticate", "Bearer");
        answer_error(
            q, 401, "no_secret",
            "this listener needs the header Authorization: Bearer SECRET; if SQL builds the header, a setting that is "
            "NULL leaves it out");
    }
    return known == CLIENT_KNOWN;
}

bool client_allows(const struct api_client *c, const char *right, const char *job)
{
    return clients_listed(c->allow, right) && clients_listed(c->jobs, job ? job : "*");
}
