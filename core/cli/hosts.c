/* SPDX-License-Identifier: MIT
 * forget-host [HOST]: lists the hosts that work on the database, or forgets one that does not come back.
 */
#include <inttypes.h>
#include <stdio.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/cli/cli.h"

static char *ctl_hosts_member(const struct json *doc, size_t index, const char *name)
{
    cleanup(free_p) char *path = xasprintf("hosts.%zu.%s", index, name);

    return print_member(doc, path);
}

static char *host_state(const struct json *doc, size_t index)
{
    cleanup(free_p) char *own = xasprintf("hosts.%zu.own", index);
    cleanup(free_p) char *alive = xasprintf("hosts.%zu.alive", index);
    bool is_own = false, lives = false;

    (void)json_boolean(doc, own, &is_own);
    (void)json_boolean(doc, alive, &lives);
    return xstrdup(is_own ? "this one" : lives ? "alive" : "silent");
}

static int ctl_hosts_list(const struct ctl *c)
{
    static const char *const titles[] = {"HOST", "NAME", "STATE", "LAST HEARTBEAT", "LEASES", NULL};
    cleanup(answer_doc_done) struct answer_doc d = {0};
    cleanup(table_output_done) struct table_output s;
    size_t count = 0;

    table_output_begin(&s, titles);
    int status;
    if (ctl_is_over(c, "GET", "/v1/hosts", &d, &status))
        return status;
    (void)json_array_length(d.json, "hosts", &count);
    for (size_t i = 0; i < count; i++) {
        cleanup(free_p) char *at = xasprintf("hosts.%zu.heartbeat_at", i);
        char *cells[] = {ctl_hosts_member(d.json, i, "host"), ctl_hosts_member(d.json, i, "name"),
                         host_state(d.json, i), print_time(d.json, at), ctl_hosts_member(d.json, i, "leases")};
        table_output_row(&s, cells);
    }
    table_output_flush(&s);
    return EXIT_DONE;
}

int ctl_forget_host(const struct ctl *c)
{
    cleanup(answer_doc_done) struct answer_doc d = {0};

    if (!c->arg_count)
        return ctl_hosts_list(c);
    cleanup(free_p) char *path = ctl_path("/v1/hosts/%s/forget", c->args[0], NULL);
    int status;
    if (ctl_is_over(c, "POST", path, &d, &status))
        return status;
    cleanup(free_p) char *host = print_member(d.json, "host");
    printf("host %s is forgotten; %" PRId64 " leases of it end by the database's clock\n", host,
           print_integer(d.json, "leases"));
    return EXIT_DONE;
}
