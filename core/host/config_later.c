/* SPDX-License-Identifier: MIT
 * `forward`, `events` and `webhooks` of a job: read for their mistakes and their secrets. What they
 * ask for is not kept here yet.
 */
#include "core/base/cleanup.h"
#include "core/host/config_internal.h"

static void forward_read(struct job_reading *r)
{
    static const char *const known[] = { "allow", "put", "name", "refresh_before", NULL };
    static const char *const places[] = { "bearer", "query", "form", "header", NULL };
    const struct conf_item *forward = NULL, *allow = NULL;
    struct conf_mistakes *m = r->r.m;
    const char *name = "";
    size_t place = 0;
    int64_t ms;

    if (!conf_get_group(r->root, "forward", CONF_OPTIONAL, m, &forward))
        return;
    conf_refuse_unknown(forward, known, m);
    conf_get_text_list(forward, "allow", CONF_REQUIRED, m, &allow);
    for (size_t i = 0; allow != NULL && i < conf_text_list_count(allow); i++) {
        const char *wrong = url_wrong(conf_text_list_at(allow, i), r->j->allow_insecure);
        if (wrong != NULL)
            conf_mistake(m, allow, NULL, "element %zu of 'allow' %s", i + 1, wrong);
    }
    conf_get_choice(forward, "put", CONF_OPTIONAL, places, m, &place);
    conf_get_text(forward, "name", CONF_OPTIONAL, m, &name);
    if (place > 0 && name[0] == '\0')
        conf_mistake(m, forward, NULL,
                     "setting 'name' is missing in 'forward': put = \"%s\" needs the name to put "
                     "the token under",
                     places[place]);
    conf_get_duration(forward, "refresh_before", CONF_OPTIONAL, 0, 400 * DAY_MS, m, &ms);
}

static void events_read(struct job_reading *r)
{
    static const char *const known[] = { "depth", "max_age", NULL };
    const struct conf_item *events = NULL;
    int64_t number;

    if (!conf_get_group(r->root, "events", CONF_OPTIONAL, r->r.m, &events))
        return;
    conf_refuse_unknown(events, known, r->r.m);
    conf_get_integer(events, "depth", CONF_OPTIONAL, 1, INT64_C(1000000000), r->r.m, &number);
    conf_get_duration(events, "max_age", CONF_OPTIONAL, 60 * SECOND_MS, 400 * DAY_MS, r->r.m,
                      &number);
}

static void webhooks_read(struct job_reading *r)
{
    static const char *const known[] = { "secrets", NULL };
    const struct conf_item *webhooks = NULL, *list = NULL;

    if (!conf_get_group(r->root, "webhooks", CONF_OPTIONAL, r->r.m, &webhooks))
        return;
    conf_refuse_unknown(webhooks, known, r->r.m);
    if (!conf_get_text_list(webhooks, "secrets", CONF_REQUIRED, r->r.m, &list))
        return;
    for (size_t i = 0; i < conf_text_list_count(list); i++) {
        cleanup(secret_free_p) struct secret *secret = NULL;
        const struct conf_item *item = conf_kind(list) == CONF_TEXT ? list : conf_at(list, i);
        (void)secret_read(&r->r, item, "secrets", &secret);
    }
}

void job_later_read(struct job_reading *r)
{
    forward_read(r);
    events_read(r);
    webhooks_read(r);
}
