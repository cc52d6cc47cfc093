/* SPDX-License-Identifier: MIT
 * Text from outside, prepared for a commit: messages without secrets, and unreadable answers, sealed.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/engine/commit/commit.h"
#include "core/engine/state/state.h"
#include "core/rules/outcome.h"

enum { TEXT_MAX = 500, ANSWER_MAX = 64 * 1024 };

char *outside_text_clean(const struct job *j, const struct slot_value *v, const char *text, size_t max)
{
    return instance_outside(j->instance, v, text, max);
}

char *outside_text_of_database(const struct job *j, const struct commit *c, const char *text)
{
    const struct renewd_slot *const *slots = plugin_descriptor(j->config->plugin)->slots;
    size_t n = 0;
    while (slots[n])
        n++;
    struct slot_value *v = xcalloc(n + 1, sizeof *v);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < c->write_count; k++)
            if (c->writes[k].column == j->slot_column[i])
                v[i] = (struct slot_value){.text = c->writes[k].text, .len = c->writes[k].len};
    char *said = outside_text_clean(j, v, text, TEXT_MAX);
    free(v);
    return said;
}

static bool speaks_of_tokens(const char *body, size_t len)
{
    static const char word[] = "token";
    for (size_t i = 0; i + sizeof word - 1 <= len; i++)
        if (strncasecmp(body + i, word, sizeof word - 1) == 0)
            return true;
    return false;
}

/* An unreadable answer may contain the token that replaced the credential. It is parked as it came, sealed. This
 * includes a partial answer, and a large one if it mentions tokens. */
void outcome_keep_answer(struct commit *c, const struct job *j, const struct http_reply *reply)
{
    bool unread = c->outcome == OUTCOME_AMBIGUOUS ||
                  (c->outcome == OUTCOME_MISCONFIGURED && c->http_status >= 200 && c->http_status <= 299);
    bool replaced = c->replaces && strcmp(c->before.fingerprint, c->after.fingerprint) != 0;
    if (!unread || j->safe || !reply || replaced)
        return;
    const char *body = reply->part ? reply->part : reply->body;
    size_t len = reply->part ? reply->part_len : reply->body ? reply->body_len : 0;
    bool speaks = len && speaks_of_tokens(body, len);
    if (!len || (!speaks && (len > ANSWER_MAX || j->replay != RENEWD_REPLAY_SINGLE_USE)))
        return;
    if (seal(j->engine->setup.config->keys, "kept", c->attempt_id, "answer", body, len, &c->answer) < 0)
        return;
    char *text = xasprintf("%.400s; the answer is parked, sealed, for 30 days", c->text ? c->text
                                                                                        : "the answer could not be "
                                                                                          "read");
    free(c->text);
    c->text = text;
}
