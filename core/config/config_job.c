/* SPDX-License-Identifier: MIT
 * Reads one job's file of conf.d, except its table, its plugin's settings and statements.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/config/config_internal.h"

static const char name_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

static void name_read(struct job_reading *r)
{
    struct job_config *j = r->j;
    const char *name, *legacy;

    if (conf_get_text(r->root, "job", CONF_REQUIRED, r->r.m, &name)) {
        size_t len = strspn(name, name_letters);
        if (name[len] != '\0' || len > 100) {
            conf_mistake(r->r.m, conf_child(r->root, "job"), NULL,
                         "setting 'job': a job's name is 1 to 100 letters, digits, '_', '.' and '-'");
        } else {
            free(j->job);
            j->job = xstrdup(name);
        }
    }
    if (conf_get_text(r->root, "legacy_name", CONF_OPTIONAL, r->r.m, &legacy)) {
        if (legacy[0] == '\0' || strlen(legacy) > 200)
            conf_mistake(r->r.m, conf_child(r->root, "legacy_name"), NULL,
                         "setting 'legacy_name' must have 1 to 200 characters");
        else
            j->legacy_name = xstrdup(legacy);
    }
}

static void plugin_read(struct job_reading *r)
{
    struct error e = {""};
    const char *name;

    if (!conf_get_text(r->root, "plugin", CONF_REQUIRED, r->r.m, &name))
        return;
    r->j->plugin_name = xstrdup(name);
    if (r->c->plugin_dir == NULL) /* renewd.conf does not parse */
        return;
    if (plugins_get(r->plugins, name, &r->j->plugin, &e) < 0) {
        r->j->plugin = NULL;
        conf_mistake(r->r.m, conf_child(r->root, "plugin"), NULL, "%s", e.text);
        return;
    }
    cleanup(free_p) char *path = xasprintf("%s/%s.so", r->c->plugin_dir, name);
    modes_look(r->r.m, conf_child(r->root, "plugin"), "the plugin", path);
}

static void numbers_read(struct job_reading *r)
{
    struct conf_mistakes *m = r->r.m;
    struct job_config *j = r->j;

    j->in_flight = 32;
    j->strikes = 3;
    j->rescan_s = 60;
    seconds_take(r, r->root, "refresh_before", 0, 400 * 86400, &j->refresh_before_s);
    seconds_take(r, r->root, "rescan", 1, 30 * 86400, &j->rescan_s);
    conf_get_integer(r->root, "limit", CONF_OPTIONAL, 0, INT64_C(1000000000), m, &j->limit);
    conf_get_duration(r->root, "pace", CONF_OPTIONAL, 0, 3600 * SECOND_MS, m, &j->pace_ms);
    conf_get_integer(r->root, "in_flight", CONF_OPTIONAL, 1, 10000, m, &j->in_flight);
    conf_get_integer(r->root, "strikes", CONF_OPTIONAL, 1, 1000000, m, &j->strikes);
    conf_get_bool(r->root, "allow_anonymous", CONF_OPTIONAL, m, &j->allow_anonymous);
}

static void breaker_read(struct job_reading *r)
{
    static const char *const known[] = {"records", "share", "within", "again", "apart", "alone", NULL};
    const struct conf_item *breaker = NULL;
    struct job_config *j = r->j;

    int64_t share;

    j->breaker_records = 10;
    j->breaker_within_s = 600;
    j->breaker_again_s = 60;
    j->breaker_apart_s = 3600;
    j->breaker_alone_s = 900;
    conf_get_group(r->root, "breaker", CONF_OPTIONAL, r->r.m, &breaker);
    conf_refuse_unknown(breaker, known, r->r.m);
    conf_get_integer(breaker, "records", CONF_OPTIONAL, 1, 1000000, r->r.m, &j->breaker_records);
    if (conf_get_integer(breaker, "share", CONF_OPTIONAL, 1, 100, r->r.m, &share))
        conf_warning(r->r.m, conf_child(breaker, "share"), NULL,
                     "setting 'share' has no effect any more; remove it");
    seconds_take(r, breaker, "within", 1, 30 * 86400, &j->breaker_within_s);
    seconds_take(r, breaker, "again", 0, 86400, &j->breaker_again_s);
    seconds_take(r, breaker, "apart", 0, 30 * 86400, &j->breaker_apart_s);
    seconds_take(r, breaker, "alone", 0, 30 * 86400, &j->breaker_alone_s);
}

static void http_read(struct job_reading *r)
{
    static const char *const known[] = {"timeout", "ca_file", "allow_insecure", NULL};
    const struct conf_item *http = NULL;

    r->j->timeout_ms = 30 * SECOND_MS;
    conf_get_group(r->root, "http", CONF_OPTIONAL, r->r.m, &http);
    conf_refuse_unknown(http, known, r->r.m);
    conf_get_duration(http, "timeout", CONF_OPTIONAL, 100, 600 * SECOND_MS, r->r.m, &r->j->timeout_ms);
    conf_get_bool(http, "allow_insecure", CONF_OPTIONAL, r->r.m, &r->j->allow_insecure);
    path_take(&r->r, http, "ca_file", &r->j->ca_file);
    struct error e = {""};
    if (r->j->ca_file && r->j->enabled && crypto_ca_file(r->j->ca_file, &e) < 0)
        conf_mistake(r->r.m, conf_child(http, "ca_file"), NULL, "setting 'ca_file': %s", e.text);
}

static void replay_read(struct job_reading *r)
{
    struct job_config *j = r->j;
    const char *text;

    if (!conf_get_text(r->root, "replay", CONF_OPTIONAL, r->r.m, &text))
        return;
    const char *digits = strncmp(text, "grace:", 6) == 0 ? text + 6 : "";
    size_t len = strspn(digits, "0123456789");
    if (strcmp(text, "safe") == 0) {
        j->replay = RENEWD_REPLAY_SAFE;
    } else if (strcmp(text, "single_use") == 0) {
        j->replay = RENEWD_REPLAY_SINGLE_USE;
    } else if (len > 0 && len < 10 && digits[len] == '\0') {
        j->replay = RENEWD_REPLAY_GRACE;
        j->replay_grace_s = strtoll(digits, NULL, 10);
    } else {
        conf_mistake(r->r.m, conf_child(r->root, "replay"), NULL,
                     "setting 'replay' must be \"safe\", \"single_use\" or \"grace:SECONDS\"");
    }
}

static void functions_read(struct job_reading *r)
{
    const struct conf_item *list;

    if (!conf_get_text_list(r->root, "functions", CONF_OPTIONAL, r->r.m, &list))
        return;
    r->j->functions = texts_copy(list);
    for (char **name = r->j->functions; *name != NULL; name++) {
        size_t len = strspn(*name, name_letters);
        if (len == 0 || (*name)[len] != '\0' || len > 100)
            conf_mistake(r->r.m, list, NULL,
                         "setting 'functions': a function's name is 1 to 100 letters, "
                         "digits, '_', '.' and '-' (what follows /functions/v1/)");
    }
}

/* Whether the host is a name that RFC 2606 reserves for examples. */
static bool is_example(const char *url)
{
    static const char *const names[] = {"example.com", "example.org", "example.net", "example", "invalid", NULL};
    const char *host = strstr(url, "://");
    size_t len = host ? strcspn(host += 3, ":/?#") : 0;

    for (size_t i = 0; host && names[i]; i++) {
        size_t n = strlen(names[i]);
        if (len >= n && strncasecmp(host + len - n, names[i], n) == 0 && (len == n || host[len - n - 1] == '.'))
            return true;
    }
    return false;
}

static void reconnect_url_read(struct job_reading *r)
{
    text_take(&r->r, r->root, "reconnect_url", &r->j->reconnect_url);
    const char *wrong = r->j->reconnect_url ? url_wrong(r->j->reconnect_url, true) : NULL;
    if (wrong != NULL)
        conf_mistake(r->r.m, conf_child(r->root, "reconnect_url"), NULL, "setting 'reconnect_url' %s", wrong);
    else if (r->j->reconnect_url && r->j->enabled && is_example(r->j->reconnect_url))
        conf_warning(
            r->r.m, conf_child(r->root, "reconnect_url"), NULL,
            "setting 'reconnect_url' still points at an example name, and people who have to connect again would be "
            "sent there; write the address of your application's page");
}

void job_read(struct job_reading *r)
{
    static const char *const known[] = {
        "job",           "plugin",    "enabled",    "schedule",        "timezone",  "refresh_before", "limit",
        "pace",          "in_flight", "records",    "settings",        "functions", "also",           "strikes",
        "reconnect_url", "rescan",    "statements", "allow_anonymous", "breaker",   "forward",        "events",
        "webhooks",      "http",      "replay",     "legacy_name",     NULL,
    };

    conf_refuse_unknown(r->root, known, r->r.m);
    r->j->enabled = true;
    conf_get_bool(r->root, "enabled", CONF_OPTIONAL, r->r.m, &r->j->enabled);
    r->r.secrets_needed = r->j->enabled;
    name_read(r);
    plugin_read(r);
    job_schedule_read(r);
    numbers_read(r);
    breaker_read(r);
    http_read(r);
    replay_read(r);
    functions_read(r);
    reconnect_url_read(r);
    job_records_read(r);
    job_also_read(r);
    job_settings_read(r);
    job_statements_read(r);
    job_door_read(r);
}
