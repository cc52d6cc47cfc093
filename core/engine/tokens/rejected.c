/* SPDX-License-Identifier: MIT
 * An application called the provider itself and reports the answer. The plugin says whether the answer refuses the
 * token. If so, the newer token is found, by one refresh if necessary. Only that refresh decides the record's
 * state, never the application's report.
 */
#include <stdlib.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/engine/tokens/tokens.h"

struct refused {
    refused_done done;
    void *ctx;
    int64_t slow_for;
};

static void rejected_token_known(void *ctx, const struct token_answer *t)
{
    struct refused *r = ctx;
    r->done(r->ctx, true, r->slow_for, t);
    free(r);
}

void engine_refused(struct engine *e, struct job *j, const char *key, const struct refused_claim *c,
                    const struct token_requirement *w, refused_done done, void *ctx)
{
    const struct http_reply reply = {
        .failure = HTTP_OK_REPLY,
        .status = c->status,
        .body = c->body,
        .body_len = c->body_len,
        .sent = true,
        .why = "",
        .received_at = clock_now(),
        .headers = c->headers,
        .headers_len = c->headers_len,
    };
    struct answer_says says = {0};
    struct token_requirement wish = *w;

    rate_limits_take(j, key, &reply, &says);
    if (!says.token_refused) {
        done(ctx, false, says.slow_for, NULL);
        return;
    }
    struct refused *r = xmalloc(sizeof *r);
    *r = (struct refused){done, ctx, says.slow_for};
    wish.refused = true;
    wish.refused_generation = c->generation;
    engine_token(e, j, key, &wish, rejected_token_known, r);
}
