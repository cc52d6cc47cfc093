/* SPDX-License-Identifier: MIT
 * The table of routes, and how a path and a method are matched.
 */
#include <stdlib.h>
#include <string.h>

#include "core/api/internal.h"
#include "core/base/alloc.h"

static const struct route routes[] = {
    {"GET", "/healthz", handle_healthz, "", BODY_NONE, NULL},
    {"GET", "/readyz", handle_readyz, "", BODY_NONE, NULL},
    {"GET", "/v1/status", handle_status, "", BODY_NONE, NULL},
    {"POST", "/v1/reload", handle_reload, "", BODY_NONE, NULL},
    {"POST", "/v1/adopt", handle_adopt, "", BODY_NONE, NULL},
    {"GET", "/v1/hosts", handle_hosts, "", BODY_NONE, NULL},
    {"POST", "/v1/hosts/{id}/forget", handle_forget_host, "", BODY_NONE, NULL},
    {"GET", "/v1/parked", handle_parked, "", BODY_NONE, NULL},
    {"POST", "/v1/parked/{id}/apply", handle_parked_apply, "", BODY_NONE, NULL},
    {"GET", "/v1/jobs/{job}/parked", handle_parked, "", BODY_NONE, NULL},
    {"GET", "/v1/plugins/{id}", handle_plugin, "", BODY_NONE, NULL},
    {"GET", "/v1/runs", handle_runs, "limit ", BODY_NONE, NULL},
    {"GET", "/v1/jobs", handle_jobs, "", BODY_NONE, NULL},
    {"POST", "/v1/jobs/{job}/run", handle_run, "now ", BODY_NONE, NULL},
    {"POST", "/v1/jobs/{job}/pause", handle_pause, "", BODY_NONE, NULL},
    {"POST", "/v1/jobs/{job}/resume", handle_resume, "believe ", BODY_NONE, NULL},
    {"POST", "/v1/jobs/{job}/refresh", handle_refresh_job, "", BODY_JSON, NULL},
    {"GET", "/v1/jobs/{job}/explain", handle_explain, "", BODY_NONE, NULL},
    {"GET", "/v1/jobs/{job}/records/{id}/explain", handle_explain_record, "", BODY_NONE, NULL},
    {"GET", "/v1/jobs/{job}/runs", handle_runs, "limit ", BODY_NONE, NULL},
    {"GET", "/v1/jobs/{job}/records", handle_records, "state after limit ", BODY_NONE, NULL},
    {"POST", "/v1/jobs/{job}/records", handle_import, "replace ", BODY_LINES, NULL},
    {"GET", "/v1/jobs/{job}/records/{id}", handle_record, "", BODY_NONE, NULL},
    {"POST", "/v1/jobs/{job}/records/{id}/refresh", handle_refresh_record, "", BODY_NONE, NULL},
    {"GET", "/v1/jobs/{job}/records/{id}/token", handle_token, "min_valid ", BODY_NONE, "token"},
    {"POST", "/v1/jobs/{job}/records/{id}/refused", handle_refused, "", BODY_JSON, "token"},
    {"*", "/v1/jobs/{job}/records/{id}/forward", handle_forward, NULL, BODY_ANY, "forward"},
    {"POST", "/v1/jobs/{job}/records/{id}/events", handle_events, "", BODY_JSON, "events"},
    {"GET", "/v1/jobs/{job}/events", handle_event_list, "state after limit ", BODY_NONE, NULL},
    {"POST", "/v1/jobs/{job}/events/retry", handle_event_retry, "", BODY_JSON, NULL},
    {NULL, NULL, NULL, NULL, 0, NULL},
};

const struct route *route_at(size_t index)
{
    return index < sizeof routes / sizeof *routes - 1 ? &routes[index] : NULL;
}

static bool route_is_piece(const char *pattern, size_t len, const char *text)
{
    return strlen(text) == len && memcmp(pattern, text, len) == 0;
}

/* Whether segments match a pattern; *ret_job and *ret_id get the segments for its braces. */
static bool route_match(const char *pattern, char *const segments[], size_t count, char **ret_job, char **ret_id)
{
    char *job = NULL, *id = NULL;
    size_t n = 0;

    for (const char *at = pattern; *at == '/'; n++) {
        size_t len = strcspn(++at, "/");
        if (n >= count || segments[n][0] == '\0')
            return false;
        if (route_is_piece(at, len, "{job}"))
            job = segments[n];
        else if (route_is_piece(at, len, "{id}"))
            id = segments[n];
        else if (!route_is_piece(at, len, segments[n]))
            return false;
        at += len;
    }
    if (n != count)
        return false;
    *ret_job = job;
    *ret_id = id;
    return true;
}

const struct route *route_find(const char *method, char *const segments[], size_t count, struct request *q,
                               char **ret_allow)
{
    char *allow = NULL;

    *ret_allow = NULL;
    for (const struct route *r = routes; r->pattern; r++) {
        if (!route_match(r->pattern, segments, count, &q->job, &q->id))
            continue;
        if (strcmp(r->method, method) == 0 || strcmp(r->method, "*") == 0) {
            free(allow);
            return r;
        }
        char *longer = allow ? xasprintf("%s, %s", allow, r->method) : xstrdup(r->method);
        free(allow);
        allow = longer;
    }
    *ret_allow = allow;
    return NULL;
}
