/* SPDX-License-Identifier: MIT
 * Reads a commit back from its text, as the spool and the table of parked pairs hold it.
 */
#include <errno.h>
#include <string.h>

#include "core/engine/commit/commit.h"

/* A commit that was read from text looks its statements' SQL up by name. */
static int find_statements(const struct job *j, struct commit *c)
{
    for (size_t i = 0; i < c->effect_count; i++) {
        struct commit_effect *f = &c->effects[i];
        if (f->kind != EFFECT_RUN)
            continue;
        f->sql = NULL;
        status_columns_sql(j, f);
        for (size_t k = 0; k < j->config->statement_count; k++)
            if (strcmp(j->config->statements[k].name, f->name) == 0)
                f->sql = j->config->statements[k].sql;
        if (!f->sql)
            return -ENOENT;
    }
    return 0;
}

struct commit *commit_revive(struct engine *e, const char *text, size_t len, struct job **ret_job,
                             struct error *why)
{
    struct commit *c = NULL;
    if (commit_from_text(text, len, &c, why) < 0)
        return NULL;
    struct job *j = job_by_source(e, c->after.source);
    if (!j) {
        error_set(why, -ENOENT,
                  "no job uses %s now; put the job's file back into conf_dir and run renewctl reload, or, if the "
                  "table is no longer in use, delete the row from %s",
                  c->after.source,
                  strcmp(e->setup.config->store_driver, "sqlite") == 0 ? "renewd_kept" : "renewd.kept");
    } else if (commit_attach(c, j->table, why) < 0) {
        j = NULL;
    } else if (find_statements(j, c) < 0) {
        error_set(why, -ENOENT, "one of the job's statements is missing");
        j = NULL;
    }
    if (!j) {
        commit_free(c);
        return NULL;
    }
    outcome_seal_plain(c, j);
    *ret_job = j;
    return c;
}
