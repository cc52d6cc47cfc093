/* SPDX-License-Identifier: MIT
 * Starts and stops the API: its listeners are opened, closed to new connections, and closed.
 */
#include "core/api/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/api/internal.h"
#include "core/api/routes/webhooks.h"
#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/plugin/load.h"

enum { SOCKET_MODE = 0660, DIRECTORY_MODE = 0755 };

/* /run is empty after a reboot. Only the last directory is made: a missing directory above it is a mistake. */
static int make_directory(const char *socket, struct error *err)
{
    cleanup(free_p) char *dir = xstrdup(socket);
    char *slash = strrchr(dir, '/');

    if (!slash || slash == dir)
        return 0;
    *slash = '\0';
    if (mkdir(dir, DIRECTORY_MODE) == 0 || errno == EEXIST)
        return 0;
    return error_set(err, -errno,
                     "the directory %s of the API's socket could not be made: %s; make it, "
                     "or name another api.socket in renewd.conf",
                     dir, strerror(errno));
}

static int api_open_socket(struct api *a, const char *path, struct error *err)
{
    struct error why;
    int r = make_directory(path, err);

    if (r < 0)
        return r;
    r = http_server_unix(a->loop, path, SOCKET_MODE, local_peer_group(), request_arrived, a, &a->socket, &why);
    if (r < 0)
        return error_set(err, r, "opening the API's socket: %s", why.text);
    return 0;
}

static int open_tcp(struct api *a, const struct config *c, struct error *err)
{
    struct error why;
    int r = c->tls_certificate ? tls_open(a, &why)
                               : http_server_tcp(a->loop, c->api_listen, request_arrived, a, &a->tcp, &why);

    if (r < 0)
        return error_set(err, r, "opening the listener at %s: %s", c->api_listen, why.text);
    return 0;
}

int api_open(struct engine *e, struct loop *loop, const struct config *c, struct api **ret, struct error *err)
{
    struct api *a = xcalloc(1, sizeof *a);

    a->engine = e;
    a->loop = loop;
    a->config = c;
    LIST_INIT(&a->requests);
    TAILQ_INIT(&a->incomings);
    a->door = auth_throttle_new();
    int r = plugins_new(c->plugin_dir, &a->plugins);
    if (r < 0)
        error_set(err, r, "the plugins in %s cannot be listed: %s", c->plugin_dir, strerror(-r));
    else if (c->api_socket)
        r = api_open_socket(a, c->api_socket, err);
    if (r == 0 && c->api_listen)
        r = open_tcp(a, c, err);
    if (r == 0 && a->socket)
        http_server_bodies(a->socket, webhook_body_max, webhook_unread);
    if (r == 0 && a->tcp)
        http_server_bodies(a->tcp, webhook_body_max, webhook_unread);
    if (r < 0) {
        api_free(a);
        return r;
    }
    *ret = a;
    return 0;
}

void api_ready(struct api *a)
{
    a->ready = true;
}

void api_stop_listening(struct api *a)
{
    if (a->socket)
        http_server_stop_listening(a->socket);
    if (a->tcp)
        http_server_stop_listening(a->tcp);
}

void api_free(struct api *a)
{
    if (!a)
        return;
    auth_throttle_free(a->door);
    incomings_stop(a);
    requests_detach(&a->requests);
    http_server_free(a->socket);
    http_server_free(a->tcp);
    old_servers_free(a);
    plugins_free(a->plugins);
    free(a);
}
