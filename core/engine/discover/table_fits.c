/* SPDX-License-Identifier: MIT
 * Checks whether a job's table still matches its configuration, and whether renewd's role has the rights that it
 * needs there.
 */
#include <errno.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/engine/commit/commit.h"
#include "core/engine/discover/discover.h"
#include "core/store/rights.h"

enum { GRANTS_MAX = 900 };

static size_t parameters_of(const struct job_config *c, size_t statement)
{
    const struct renewd_plugin *d = plugin_descriptor(c->plugin);
    size_t n = 0;
    while (d->statements[statement]->parameters && d->statements[statement]->parameters[n])
        n++;
    return n;
}

int job_check_statements(struct db *db, const struct job_config *c, struct error *e)
{
    for (size_t i = 0; i < c->statement_count; i++) {
        struct error why;
        int res = store_check_statement(db, c->statements[i].sql, parameters_of(c, i), &why);
        if (res < 0)
            return error_set(e, res,
                             store_passes(res) ? "the statement %s.sql could not be checked yet: %s"
                                               : "the statement %s.sql does not fit this database: %s",
                             c->statements[i].name, why.text);
    }
    return 0;
}

int job_note_statements(struct db *db, const struct job_config *c, struct table *t, struct error *e)
{
    int res = 0;
    t->parameter_types = xcalloc(c->statement_count + 1, sizeof *t->parameter_types);
    t->statement_count = c->statement_count;
    for (size_t i = 0; i < c->statement_count && res == 0; i++)
        res = store_statement_types(db, c->statements[i].sql, &t->parameter_types[i], e);
    return res;
}

/* For each statement, the first object that PostgreSQL names. */
static int statement_rights(struct db *db, const struct job_config *c, struct buf *refused, struct error *e)
{
    for (size_t i = 0; i < c->statement_count; i++) {
        const struct job_statement *s = &c->statements[i];
        int res = store_statement_rights(db, s->name, s->sql, parameters_of(c, i), e);
        if (res == -EACCES)
            buf_printf(refused, "%s%s", refused->len ? "; " : "", e->text);
        else if (res < 0)
            return res;
    }
    return 0;
}

/* Reports all missing rights at once, before a row depends on one. */
int job_rights(struct db *db, const struct job_config *c, const struct table *table, bool statements,
               struct error *e)
{
    cleanup(buf_done) struct buf grants = {0}, refused = {0};
    struct table_requirement wish;
    buf_init(&grants, GRANTS_MAX);
    buf_init(&refused, GRANTS_MAX);
    job_wish(c, &wish);
    int res = rights_job(db, table, &wish, &grants, e);
    if (res >= 0)
        res = status_columns_rights(db, c, &grants, e);
    if (res >= 0 && statements)
        res = statement_rights(db, c, &refused, e);
    if (res < 0 || (!grants.len && !refused.len))
        return res;
    return error_set(e, -EACCES, "renewd's role lacks rights on the job's tables: %s%s%s",
                     grants.len ? grants.data : "", grants.len && refused.len ? " " : "",
                     refused.len ? refused.data : "");
}

int job_still_fits(struct db *db, const struct job *j, int result, struct error *e)
{
    struct table_requirement wish;
    struct error why;
    if (result == -EACCES && job_rights(db, j->config, j->table, true, &why) == -EACCES)
        return error_set(e, -ESTALE, "%s", why.text);
    job_wish(j->config, &wish);
    return table_still_fits(db, &wish, result, e);
}
