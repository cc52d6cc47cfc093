/* SPDX-License-Identifier: MIT
 * forget-host: the operator declares that a host does not come back. Until then its attempts belong to it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/engine/state/state.h"
#include "core/engine/recovery/recovery.h"
#include "core/store/hosts.h"

struct forget_task {
    struct engine *engine;
    char *asked;          /* an id or a name */
    struct host_row host; /* the host's; id "" until found */
    char why[sizeof(struct error)];
    host_done *done;
    void *ctx;
};

static int forget_refuse(struct forget_task *t, int result, const char *why)
{
    snprintf(t->why, sizeof t->why, "%s", why);
    return result;
}

static int forget_pick(struct forget_task *t, struct host_row *list, size_t count)
{
    struct host_row *found = NULL;
    size_t named = 0;
    for (size_t i = 0; i < count; i++) {
        bool by_id = strcmp(list[i].id, t->asked) == 0;
        bool by_name = list[i].name && strcmp(list[i].name, t->asked) == 0;
        named += by_name;
        if (by_id || (by_name && !found))
            found = &list[i];
        if (by_id)
            named = 1;
        if (by_id)
            break;
    }
    if (!found)
        return forget_refuse(t, -ENOENT, "no host of that id or name is known; renewctl forget-host lists them");
    if (named > 1)
        return forget_refuse(t, -EBUSY,
                             "several hosts have that name; say the id, as renewctl forget-host lists it");
    t->host = *found;
    found->name = NULL;
    return 0;
}

static int forget_work(struct db *db, void *arg, struct error *e)
{
    struct forget_task *t = arg;
    struct host_row *list = NULL;
    size_t count = 0;
    bool forgotten = false;
    int res = store_hosts(db, &list, &count, e);
    if (res < 0)
        return forget_refuse(t, res, e->text);
    res = forget_pick(t, list, count);
    hosts_free(list, count);
    if (res < 0)
        return res;
    if (strcmp(t->host.id, t->engine->setup.state->host) == 0)
        return forget_refuse(t, -EBUSY,
                             "that is the host that answers here; it settles its own leases at its next start");
    res = store_forget_host(db, t->host.id, &forgotten, e);
    if (res < 0)
        return forget_refuse(t, res, e->text);
    if (!forgotten) {
        snprintf(t->why, sizeof t->why,
                 "the host is running: its last heartbeat is %" PRId64 " seconds old; stop its renewd, "
                 "and try again a minute later",
                 t->host.now - t->host.beat_at);
        return -EBUSY;
    }
    return 0;
}

static void forget_done(void *arg, int result, const struct error *e)
{
    struct forget_task *t = arg;
    struct engine *engine = t->engine;
    char leases[24];
    snprintf(leases, sizeof leases, "%" PRId64, t->host.leases);
    if (result >= 0)
        log_line(LEVEL_WARNING,
                 "a host was forgotten; its attempts without a result count as unanswered when their leases end",
                 "host", t->host.id, "name", t->host.name, "leases", leases, NULL);
    t->done(t->ctx, &t->host, result, t->why[0] ? t->why : e->text);
    if (result >= 0)
        expired_leases_check(engine);
    free(t->host.name);
    free(t->asked);
    free(t);
}

void engine_forget_host(struct engine *e, const char *host, host_done *done, void *ctx)
{
    struct forget_task *t = xcalloc(1, sizeof *t);
    t->engine = e;
    t->asked = xstrdup(host);
    t->done = done;
    t->ctx = ctx;
    engine_async(e, forget_work, t, forget_done);
}
