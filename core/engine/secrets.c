/* SPDX-License-Identifier: MIT
 * Watches secrets in files: they are checked every five seconds, and before a job is held or tries its canary. A
 * changed secret reloads its job alone: attempts under way end with the old one, unsent ones take the new one. If a
 * file cannot be read or is empty, the old secret stays in force, and this is reported.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/engine/internal.h"

enum { LOOK_MS = 5000 };

static void secrets_told(struct job *j, const char *why)
{
    if (why && (!j->secret_why || strcmp(j->secret_why, why) != 0))
        log_line(LEVEL_WARNING, "a secret's file changed and cannot be used; the value read before stays in use",
                 "job", j->config->job, "reason", why, NULL);
    free(j->secret_why);
    j->secret_why = xstrdup_or_null(why);
}

static void secrets_take_next(void *ctx)
{
    struct engine *e = ctx;
    e->secrets_soon = NULL;
    for (size_t i = 0; i < e->job_count; i++) {
        struct job *j = e->jobs[i];
        struct job_config *next = j->next_config;
        if (!next)
            continue;
        j->next_config = NULL;
        log_line(LEVEL_INFO, "a secret changed; the job goes on with the new one", "job", j->config->job, NULL);
        engine_replace_job(e, j, next);
    }
}

/* Its file as it is now, when it differs from the running job in secrets alone. */
static struct job_config *secrets_read_again(struct job *j)
{
    struct engine *e = j->engine;
    struct conf_mistakes *m = conf_mistakes_new();
    struct secret_uses uses = {0};
    struct job_config *c = job_load(e->setup.config, e->setup.plugins, j->config->file, m, &uses);
    bool usable = false;

    if (strcmp(c->file_hash, j->config->file_hash) != 0)
        secrets_told(j, "the job's own file changed as well; `renewctl reload` takes both");
    else if (c->mistake && !j->config->mistake)
        secrets_told(j, c->mistake);
    else
        usable = true;
    if (usable)
        secrets_told(j, NULL);
    job_also_keys_copy(c, j->config);
    bool same = strcmp(c->content_hash, j->config->content_hash) == 0 && !c->mistake == !j->config->mistake;
    conf_mistakes_free(m);
    secret_uses_done(&uses);
    if (usable && !same)
        return c;
    job_config_free(c);
    return NULL;
}

bool secrets_changed(struct job *j)
{
    struct engine *e = j->engine;

    if (j->next_config)
        return true;
    if (!e->setup.daemon || e->stopping || j->removed || !secret_files_changed(&j->config->secret_files))
        return false;
    j->next_config = secrets_read_again(j);
    if (!j->next_config)
        return false;
    if (!e->secrets_soon)
        e->secrets_soon = loop_after(e->loop, 0, secrets_take_next, e);
    return true;
}

static void secrets_look(void *ctx)
{
    struct engine *e = ctx;
    e->secrets_timer = loop_after(e->loop, LOOK_MS, secrets_look, e);
    for (size_t i = 0; i < e->job_count; i++)
        secrets_changed(e->jobs[i]);
}

void secrets_start(struct engine *e)
{
    e->secrets_timer = loop_after(e->loop, LOOK_MS, secrets_look, e);
}

void secrets_stop(struct engine *e)
{
    loop_cancel(&e->secrets_timer);
    loop_cancel(&e->secrets_soon);
}
