/* SPDX-License-Identifier: MIT
 * Frees and copies struct record; see record.h.
 */
#include "core/rules/record.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"

void record_done(struct record *r)
{
    free(r->source);
    free(r->key);
    free(r->job);
    free(r->account);
    free(r->owner);
    free(r->last_code);
    free(r->last_text);
    free(r->wrote_status);
    free(r->wrote_error);
    free(r->memo);
    memset(r, 0, sizeof *r);
}

void record_copy(struct record *ret, const struct record *from)
{
    *ret = *from;
    ret->source = xstrdup_or_null(from->source);
    ret->key = xstrdup_or_null(from->key);
    ret->job = xstrdup_or_null(from->job);
    ret->account = xstrdup_or_null(from->account);
    ret->owner = xstrdup_or_null(from->owner);
    ret->last_code = xstrdup_or_null(from->last_code);
    ret->last_text = xstrdup_or_null(from->last_text);
    ret->wrote_status = xstrdup_or_null(from->wrote_status);
    ret->wrote_error = xstrdup_or_null(from->wrote_error);
    ret->memo = xstrdup_or_null(from->memo);
}

void record_set_text(char **field, const char *text)
{
    char *fresh = xstrdup_or_null(text);
    free(*field);
    *field = fresh;
}

int record_shown(const struct record *r, int64_t now)
{
    if (!r->hash[0] && r->state != STATE_PENDING)
        return STATE_DISCONNECTED;
    bool suspect = r->state == STATE_MISCONFIGURED && !(r->last_code && strcmp(r->last_code, CODE_ROW) == 0);
    if (r->state != STATE_OK && !suspect)
        return r->state;
    if (r->state == STATE_OK && r->without_credential)
        return STATE_WITHOUT_CREDENTIAL;
    return r->expires_at > 0 && r->expires_at <= now ? STATE_EXPIRED : r->state;
}
