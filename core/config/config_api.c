/* SPDX-License-Identifier: MIT
 * Reads the `api` group of renewd.conf: the operator's socket, the TCP listener for applications, its clients.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <arpa/inet.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/config/config_internal.h"

enum { CLIENT_SECRET_LEAST = 16, CLIENT_SECRET_DIFFERENT = 6 };

static const char *const duties[] = {"functions", "token", "forward", "events", "read", "operate", NULL};

static void socket_read(struct reading *r, const struct conf_item *api, struct config *c)
{
    const char *path = RUNSTATEDIR "/renewd/renewd.sock";

    conf_get_text(api, "socket", CONF_OPTIONAL, r->m, &path);
    if (path[0] == '\0')
        return;
    c->api_socket = path_in(r->dir, path);
    if (strlen(c->api_socket) >= sizeof((struct sockaddr_un *)0)->sun_path)
        conf_mistake(r->m, conf_child(api, "socket"), NULL,
                     "setting 'socket': the path is longer than a socket's may be (107 bytes): %s", c->api_socket);
}

/* "127.0.0.1:8642", "[::1]:8642", "localhost:8642": NULL, or what is wrong. */
static const char *listen_wrong(const char *text, char **ret_address, bool *ret_loopback)
{
    static const char form[] = "must be an address and a port such as \"127.0.0.1:8642\" or \"[::1]:8642\"";
    unsigned char address[sizeof(struct in6_addr)];
    const char *colon = strrchr(text, ':');
    bool bracket = text[0] == '[';

    if (colon == NULL || colon == text || colon[1] == '\0' || strlen(colon + 1) > 5 ||
        colon[1 + strspn(colon + 1, "0123456789")] != '\0')
        return form;
    if (strtol(colon + 1, NULL, 10) > 65535)
        return "has a port above 65535";
    size_t len = (size_t)(colon - text);
    if (bracket && (len < 3 || text[len - 1] != ']'))
        return form;
    cleanup(free_p) char *host = xstrndup(text + bracket, len - (bracket ? 2 : 0));
    if (strcmp(host, "localhost") == 0) {
        *ret_address = xasprintf("127.0.0.1%s", colon);
        *ret_loopback = true;
        return NULL;
    }
    if (inet_pton(bracket ? AF_INET6 : AF_INET, host, address) != 1)
        return form;
    *ret_address = xstrdup(text);
    *ret_loopback = host_is_loopback(host);
    return NULL;
}

static void tls_read(struct reading *r, const struct conf_item *api, struct config *c)
{
    static const char *const known[] = {"certificate", "key", NULL};
    const struct conf_item *tls = NULL;

    if (!conf_get_group(api, "tls", CONF_OPTIONAL, r->m, &tls))
        return;
    conf_refuse_unknown(tls, known, r->m);
    if (conf_child(tls, "certificate") == NULL)
        conf_mistake(r->m, tls, NULL, "setting 'certificate' is missing in 'tls'");
    path_take(r, tls, "certificate", &c->tls_certificate);
    if (conf_child(tls, "key") == NULL)
        conf_mistake(r->m, tls, NULL, "setting 'key' is missing in 'tls'");
    else if (secret_read(r, conf_child(tls, "key"), "key", &c->tls_key) == 0)
        c->tls_key_ref = xstrdup(conf_text(conf_child(tls, "key")));
}

static void listen_read(struct reading *r, const struct conf_item *api, struct config *c)
{
    const struct conf_item *item = conf_child(api, "listen");
    bool loopback = false;
    const char *text;

    tls_read(r, api, c);
    if (!conf_get_text(api, "listen", CONF_OPTIONAL, r->m, &text))
        return;
    const char *wrong = listen_wrong(text, &c->api_listen, &loopback);
    if (wrong != NULL)
        conf_mistake(r->m, item, NULL, "setting 'listen' %s", wrong);
    else if (!loopback && conf_child(api, "tls") == NULL)
        conf_mistake(r->m, item, NULL,
                     "setting 'listen' is reached from other machines, so 'tls' is required: "
                     "tls = { certificate = \"...\"; key = \"file:...\"; }");
}

static bool one_of(const char *text, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strcmp(text, *list) == 0)
            return true;
    return false;
}

/* Whether it can be guessed by trying. */
static bool is_weak(const struct secret *secret)
{
    bool seen[256] = {false};
    size_t different = 0;

    for (size_t i = 0; i < secret_len(secret); i++) {
        unsigned char c = (unsigned char)secret_text(secret)[i];
        different += !seen[c];
        seen[c] = true;
    }
    return secret_len(secret) < CLIENT_SECRET_LEAST || different < CLIENT_SECRET_DIFFERENT;
}

/* The secret itself is not stored. */
static void client_secret_read(struct reading *r, const struct conf_item *item, struct api_client *client)
{
    cleanup(secret_free_p) struct secret *secret = NULL;

    if (secret_read(r, item, "secret", &secret) < 0)
        return;
    if (is_weak(secret))
        conf_warning(
            r->m, item, NULL,
            "the secret of client '%s' (%s) can be guessed: it has fewer than %d characters, or hardly any "
            "different ones. Make one with `renewctl keygen`, and give the same to the application",
            client->name ? client->name : "?", conf_text(item), CLIENT_SECRET_LEAST);
    client->has_secret = crypto_sha256(secret_text(secret), secret_len(secret), client->secret_hash) == 0;
}

static void client_read(struct reading *r, const struct conf_item *item, struct config *c)
{
    static const char *const known[] = {"name", "secret", "jobs", "allow", NULL};
    struct api_client *client = &c->clients[c->client_count++];
    const struct conf_item *list, *secret = conf_child(item, "secret");
    const char *name;

    conf_refuse_unknown(item, known, r->m);
    if (conf_get_text(item, "name", CONF_REQUIRED, r->m, &name)) {
        for (size_t i = 0; i + 1 < c->client_count; i++)
            if (c->clients[i].name != NULL && strcmp(c->clients[i].name, name) == 0)
                conf_mistake(r->m, conf_child(item, "name"), NULL, "client '%s' is given twice", name);
        client->name = xstrdup(name);
    }
    if (secret == NULL)
        conf_mistake(r->m, item, NULL, "setting 'secret' is missing in a client of 'clients'");
    else
        client_secret_read(r, secret, client);
    if (conf_get_text_list(item, "jobs", CONF_REQUIRED, r->m, &list))
        client->jobs = texts_copy(list);
    if (!conf_get_text_list(item, "allow", CONF_REQUIRED, r->m, &list))
        return;
    client->allow = texts_copy(list);
    for (size_t i = 0; i < conf_text_list_count(list); i++)
        if (!one_of(conf_text_list_at(list, i), duties))
            conf_mistake(r->m, list, NULL,
                         "setting 'allow' may hold functions, token, forward, events, read and operate, not '%s'",
                         conf_text_list_at(list, i));
}

void api_read(struct reading *r, const struct conf_item *root, struct config *c)
{
    static const char *const known[] = {"socket", "listen", "tls", "clients", "token_users", "hosts", NULL};
    const struct conf_item *api = NULL, *clients = NULL, *users = NULL;

    conf_get_group(root, "api", CONF_OPTIONAL, r->m, &api);
    conf_refuse_unknown(api, known, r->m);
    socket_read(r, api, c);
    listen_read(r, api, c);
    if (conf_get_text_list(api, "token_users", CONF_OPTIONAL, r->m, &users))
        c->token_users = texts_copy(users);
    if (conf_get_text_list(api, "hosts", CONF_OPTIONAL, r->m, &users))
        c->api_hosts = texts_copy(users);
    if (!conf_get_group_list(api, "clients", CONF_OPTIONAL, r->m, &clients))
        return;
    c->clients = xcalloc(conf_count(clients) + 1, sizeof *c->clients);
    for (size_t i = 0; i < conf_count(clients); i++)
        client_read(r, conf_at(clients, i), c);
}

/* A job may be added later, so it is no mistake. */
static void client_jobs_check(const struct config *c, const struct api_client *client, const char *const *names,
                              struct conf_mistakes *m)
{
    for (char **job = client->jobs; job && *job; job++) {
        if (strcmp(*job, "*") == 0 || one_of(*job, names))
            continue;
        const char *nearest = conf_nearest(*job, names);
        conf_warning(m, NULL, c->file, "client '%s' may use the job '%s', which does not exist%s%s%s",
                     client->name ? client->name : "?", *job, nearest ? "; did you mean '" : "",
                     nearest ? nearest : "", nearest ? "'?" : "");
    }
}

void api_jobs_check(const struct config *c, struct job_config *const *jobs, size_t count, struct conf_mistakes *m)
{
    cleanup(free_p) const char **names = xcalloc(count + 1, sizeof *names);

    for (size_t i = 0; i < count; i++)
        names[i] = jobs[i]->job;
    for (size_t i = 0; i < c->client_count; i++)
        client_jobs_check(c, &c->clients[i], names, m);
}
