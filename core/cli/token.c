/* SPDX-License-Identifier: MIT
 * The command that prints an access token: alone on its line, so that a script can take it.
 */
#include <inttypes.h>
#include <stdio.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/cli/cli.h"
#include "core/time/duration.h"

static int ctl_token_take_min_valid(const struct ctl *c, char **ret_query)
{
    int64_t ms = 0;

    *ret_query = NULL;
    if (!c->min_valid)
        return EXIT_DONE;
    if (duration_parse(c->min_valid, &ms) < 0)
        return ctl_fail(c, EXIT_USAGE, "usage", "--min-valid wants a duration such as 5m or 90s, not %s",
                        c->min_valid);
    *ret_query = xasprintf("?min_valid=%" PRId64, ms / 1000);
    return EXIT_DONE;
}

int ctl_token(const struct ctl *c)
{
    cleanup(answer_doc_done) struct answer_doc d = {0};
    cleanup(free_p) char *query = NULL, *whole = NULL;
    cleanup(free_p) char *path = ctl_path("/v1/jobs/%s/records/%s/token", c->args[0], c->args[1]);
    const char *token = NULL;
    int r = ctl_token_take_min_valid(c, &query);

    if (r != EXIT_DONE)
        return r;
    whole = xasprintf("%s%s", path, query ? query : "");
    r = ctl_call(c, "GET", whole, &d);
    if (r != 0)
        return r;
    if (c->json) {
        fputs(d.body.data, stdout);
        return EXIT_DONE;
    }
    if (json_text(d.json, "access_token", &token, NULL) < 0)
        return ctl_fail(c, EXIT_FAILED, "no_token", "the daemon's answer holds no token");
    puts(token);
    return EXIT_DONE;
}
