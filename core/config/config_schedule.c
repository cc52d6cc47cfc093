/* SPDX-License-Identifier: MIT
 * Reads when a job runs: its cron expressions, "auto", its time zone.
 */
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/config/config_internal.h"

enum { EXPRESSIONS_MAX = 64 };

static void schedule_zone_read(struct job_reading *r)
{
    struct job_config *j = r->j;
    struct error e = {""};

    j->timezone = xstrdup("UTC");
    text_take(&r->r, r->root, "timezone", &j->timezone);
    if (zone_load(j->timezone, &j->zone, &e) < 0)
        conf_mistake(r->r.m, conf_child(r->root, "timezone"), NULL, "setting 'timezone': %s", e.text);
}

static void expression_read(struct job_reading *r, const struct conf_item *at, const char *text)
{
    struct job_config *j = r->j;
    struct error e = {""};

    if (strcmp(text, "auto") == 0)
        j->automatic = true;
    else if (cron_parse(text, &j->crons[j->cron_count], &e) == 0)
        j->cron_count++;
    else
        conf_mistake(r->r.m, at, NULL, "setting 'schedule': %s", e.text);
}

void job_schedule_read(struct job_reading *r)
{
    const struct conf_item *list = NULL;
    cleanup(buf_done) struct buf text = {0};
    struct job_config *j = r->j;

    schedule_zone_read(r);
    buf_init(&text, 4096);
    if (conf_child(r->root, "schedule") == NULL) {
        j->automatic = true;
        j->schedule_text = xstrdup("auto");
        return;
    }
    if (!conf_get_text_list(r->root, "schedule", CONF_REQUIRED, r->r.m, &list))
        return;
    size_t count = conf_text_list_count(list);
    if (count > EXPRESSIONS_MAX) {
        conf_mistake(r->r.m, list, NULL, "setting 'schedule' has more than %d expressions", EXPRESSIONS_MAX);
        return;
    }
    j->crons = xcalloc(count + 1, sizeof *j->crons);
    for (size_t i = 0; i < count; i++) {
        const struct conf_item *at = conf_kind(list) == CONF_TEXT ? list : conf_at(list, i);
        expression_read(r, at, conf_text_list_at(list, i));
        names_append(&text, conf_text_list_at(list, i));
    }
    j->schedule_text = buf_steal(&text);
    if (j->schedule_text == NULL)
        conf_mistake(r->r.m, list, NULL, "setting 'schedule' is longer than 4096 characters");
}
