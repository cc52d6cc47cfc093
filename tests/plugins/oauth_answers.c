/* SPDX-License-Identifier: MIT
 * See oauth_answers.h.
 */
#include "tests/plugins/oauth_answers.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/runner.h"

void check_answers(struct fake *f, const struct answer *list)
{
    for (const struct answer *a = list; a->status >= 0; a++) {
        CU_ASSERT_EQUAL(fake_ask(f, 1000), RENEWD_WAIT);
        int32_t r = fake_answer(f, a->status, a->body, 1000);
        int right = r == (a->outcome ? RENEWD_FAILED : RENEWD_DONE) && f->outcome == a->outcome &&
                    (!a->code || strcmp(f->code, a->code) == 0) &&
                    (!a->outcome || (f->effects[0] == '\0' && f->text[0])) && !strstr(f->text, "LEAK");
        if (!right)
            printf("# %d %.200s: returned %d, outcome %d, code \"%s\", text \"%s\", effects \"%s\"\n", a->status,
                   a->body, (int)r, f->outcome, f->code, f->text, f->effects);
        CU_ASSERT(right);
    }
}

void check_lifetimes(struct fake *f, const struct lifetime *list)
{
    for (const struct lifetime *l = list; l->members; l++) {
        char body[1024];
        snprintf(body, sizeof(body), "{\"access_token\":\"new\",\"token_type\":\"Bearer\"%s}", l->members);
        CU_ASSERT_EQUAL(fake_ask(f, 1000), RENEWD_WAIT);
        CU_ASSERT_EQUAL(fake_answer(f, 200, body, 1000), RENEWD_DONE);
        if (strcmp(f->effects, l->effects) != 0)
            printf("# %s gave:\n%s", l->members, f->effects);
        CU_ASSERT_STRING_EQUAL(f->effects, l->effects);
    }
}
