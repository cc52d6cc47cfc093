/* SPDX-License-Identifier: MIT
 * Decides whether the token that a provider refused is the one that a record still has.
 */
#include <string.h>

#include "core/engine/refresh/refresh.h"

bool refreshed_just_now(int64_t ok_at, int64_t now)
{
    return ok_at <= now && now - ok_at < FORCED_APART_S;
}

bool token_refused(const struct token_requirement *w, const struct token_held *h, int64_t now)
{
    if (!w->refused || h->generation != w->refused_generation)
        return false;
    if (w->refused_token)
        return h->token && strcmp(h->token, w->refused_token) == 0;
    bool replaced = h->generation > 0 && h->first_seen >= h->ok_at;
    return replaced || !refreshed_just_now(h->ok_at, now);
}
