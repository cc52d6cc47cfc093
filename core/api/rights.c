/* SPDX-License-Identifier: MIT
 * The only place that decides what a caller may do: over TCP by its client's `allow` and `jobs`, over the socket by
 * the calling user. The main question: may it get a record's token, or have renewd use one for it?
 */
#include <string.h>

#include "core/api/internal.h"

bool right_is_of_tokens(const char *right)
{
    return strcmp(right, "token") == 0 || strcmp(right, "forward") == 0 || strcmp(right, "events") == 0;
}

const char *route_right(const struct route *r)
{
    return r->right ? r->right : strcmp(r->method, "GET") == 0 ? "read" : "operate";
}

bool caller_may(const struct request *q, const struct requirement *w)
{
    if (q->client)
        return client_allows(q->client, w->right, w->job);
    if (q->tcp)
        return q->anonymous && w->anonymous;
    return local_peer_may_operate(q) && (!w->tokens || local_peer_may_have_tokens(q));
}

/* Over the socket: a caller that may not operate renewd was refused before. */
static void rights_refuse(struct request *q, const char *right)
{
    if (q->client)
        answer_error(q, 403, "forbidden",
                     "the client %s needs \"%s\" in its `allow` and %s in its `jobs` in renewd.conf",
                     q->client->name, right, q->job ? q->job : "\"*\"");
    else
        answer_error(q, 403, "forbidden", "%s", NO_TOKENS_HERE);
}

bool caller_may_route(struct request *q)
{
    const char *right = route_right(q->route);
    const struct requirement w = {.right = right, .job = q->job, .tokens = right_is_of_tokens(right)};
    bool may = caller_may(q, &w);

    if (!may)
        rights_refuse(q, right);
    return may;
}
