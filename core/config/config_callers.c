/* SPDX-License-Identifier: MIT
 * Reads what applications may do through a job: `forward`, `events` and `webhooks`.
 */
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/config/config_internal.h"
#include "core/http/headers.h"
#include "core/http/url.h"

static void allow_read(struct job_reading *r, const struct conf_item *forward)
{
    const struct conf_item *allow = NULL;

    if (!conf_get_text_list(forward, "allow", CONF_REQUIRED, r->r.m, &allow))
        return;
    r->j->forward_allow = texts_copy(allow);
    for (size_t i = 0; i < conf_text_list_count(allow); i++) {
        const char *wrong = url_wrong(conf_text_list_at(allow, i), r->j->allow_insecure);
        if (wrong != NULL)
            conf_mistake(r->r.m, allow, NULL, "element %zu of 'allow' %s", i + 1, wrong);
        else if ((wrong = target_prefix_wrong(conf_text_list_at(allow, i))) != NULL)
            conf_mistake(r->r.m, allow, NULL, "element %zu of 'allow': %s", i + 1, wrong);
    }
}

/* A header's name, except those that renewd writes itself or never passes on. */
static bool may_carry(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] >= 127 || strchr("\"(),/:;<=>?@[\\]{}", name[i]))
            return false;
    return strcasecmp(name, "Authorization") == 0 || !hop_drops_request(name, len, NULL);
}

static void forward_read(struct job_reading *r)
{
    static const char *const known[] = {"allow", "put", "name", "refresh_before", NULL};
    static const char *const places[] = {"bearer", "query", "form", "header", NULL};
    const struct conf_item *forward = NULL;
    struct conf_mistakes *m = r->r.m;
    size_t place = FORWARD_BEARER;

    r->j->forward_refresh_before_s = 60;
    if (!conf_get_group(r->root, "forward", CONF_OPTIONAL, m, &forward))
        return;
    conf_refuse_unknown(forward, known, m);
    allow_read(r, forward);
    conf_get_choice(forward, "put", CONF_OPTIONAL, places, m, &place);
    r->j->forward_put = (int)place;
    text_take(&r->r, forward, "name", &r->j->forward_name);
    if (place != FORWARD_BEARER && (!r->j->forward_name || !r->j->forward_name[0]))
        conf_mistake(m, forward, NULL,
                     "setting 'name' is missing in 'forward': put = \"%s\" needs the name to put "
                     "the token under",
                     places[place]);
    if (place == FORWARD_BEARER && r->j->forward_name && r->j->forward_name[0])
        conf_mistake(m, conf_child(forward, "name"), NULL,
                     "setting 'name' has no effect with put = \"bearer\", which is the default");
    if (place == FORWARD_HEADER && r->j->forward_name && !may_carry(r->j->forward_name))
        conf_mistake(m, conf_child(forward, "name"), NULL,
                     "setting 'name' is not a header that can carry the token");
    seconds_take(r, forward, "refresh_before", 0, 400 * 86400, &r->j->forward_refresh_before_s);
}

static void events_read(struct job_reading *r)
{
    static const char *const known[] = {"depth", "max_age", NULL};
    const struct conf_item *events = NULL;

    r->j->events_depth = 100000;
    r->j->events_max_age_s = 7 * 86400;
    conf_get_group(r->root, "events", CONF_OPTIONAL, r->r.m, &events);
    conf_refuse_unknown(events, known, r->r.m);
    conf_get_integer(events, "depth", CONF_OPTIONAL, 1, INT64_C(1000000000), r->r.m, &r->j->events_depth);
    seconds_take(r, events, "max_age", 60, 400 * 86400, &r->j->events_max_age_s);
}

static void webhooks_read(struct job_reading *r)
{
    static const char *const known[] = {"secrets", NULL};
    const struct conf_item *webhooks = NULL, *list = NULL;

    if (!conf_get_group(r->root, "webhooks", CONF_OPTIONAL, r->r.m, &webhooks))
        return;
    conf_refuse_unknown(webhooks, known, r->r.m);
    if (!conf_get_text_list(webhooks, "secrets", CONF_REQUIRED, r->r.m, &list))
        return;
    r->j->webhook_secrets = xcalloc(conf_text_list_count(list) + 1, sizeof *r->j->webhook_secrets);
    for (size_t i = 0; i < conf_text_list_count(list); i++) {
        const struct conf_item *item = conf_kind(list) == CONF_TEXT ? list : conf_at(list, i);
        if (secret_read(&r->r, item, "secrets", &r->j->webhook_secrets[r->j->webhook_secret_count]) >= 0)
            r->j->webhook_secret_count++;
    }
}

void job_door_read(struct job_reading *r)
{
    forward_read(r);
    events_read(r);
    webhooks_read(r);
}
