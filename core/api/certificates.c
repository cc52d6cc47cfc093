/* SPDX-License-Identifier: MIT
 * The certificate of the applications' listener: read at start and at each reload. A new certificate serves the
 * connections that come afterwards; existing ones keep the one with which they began.
 */
#include <stdlib.h>
#include <string.h>

#include "core/api/internal.h"
#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/conf/secretref.h"
#include "core/crypto/crypto.h"
#include "core/loop/loop.h"

enum { CERTIFICATE_MAX = 256 * 1024, LOOK_MS = 1000 };

struct old_server {
    struct http_server *server;
    struct old_server *next;
};

static int read_certificate(const struct config *c, struct buf *ret, struct error *err)
{
    int r = file_read(c->tls_certificate, CERTIFICATE_MAX, ret);

    if (r < 0)
        return error_set(err, r, "reading the certificate %s: %s", c->tls_certificate, strerror(-r));
    return buf_append(ret, "", 0);
}

static void hash_pair(const struct buf *certificate, const struct secret *key, unsigned char ret[CRYPTO_HASH])
{
    memset(ret, 0, CRYPTO_HASH);
    crypto_hash_on(ret, certificate->data, certificate->len);
    crypto_hash_on(ret, secret_text(key), secret_len(key));
}

int tls_open(struct api *a, struct error *err)
{
    const struct config *c = a->config;
    cleanup(buf_done) struct buf certificate = {0};
    int r = read_certificate(c, &certificate, err);

    if (r < 0)
        return r;
    hash_pair(&certificate, c->tls_key, a->tls_hash);
    a->certificate = xstrdup(certificate.data ? certificate.data : "");
    return http_server_tls(a->loop, c->api_listen, certificate.data ? certificate.data : "",
                           secret_text(c->tls_key), request_arrived, a, &a->tcp, err);
}

static void look_for_idle(void *ctx)
{
    struct api *a = ctx;

    a->old_timer = NULL;
    for (struct old_server **p = &a->old; *p;) {
        struct old_server *o = *p;
        if (http_server_connections(o->server)) {
            p = &o->next;
            continue;
        }
        *p = o->next;
        http_server_free(o->server);
        free(o);
    }
    if (a->old)
        a->old_timer = loop_after(a->loop, LOOK_MS, look_for_idle, a);
}

static void put_aside(struct api *a)
{
    struct old_server *o = xcalloc(1, sizeof *o);

    *o = (struct old_server){a->tcp, a->old};
    a->old = o;
    if (!a->old_timer)
        a->old_timer = loop_after(a->loop, LOOK_MS, look_for_idle, a);
}

void old_servers_free(struct api *a)
{
    free(a->certificate);
    a->certificate = NULL;
    loop_cancel(&a->old_timer);
    while (a->old) {
        struct old_server *o = a->old;
        a->old = o->next;
        http_server_free(o->server);
        free(o);
    }
}

static int take_again(struct api *a, struct error *why)
{
    const struct config *c = a->config;
    cleanup(buf_done) struct buf certificate = {0};
    cleanup(secret_free_p) struct secret *key = NULL;
    unsigned char hash[CRYPTO_HASH];
    struct http_server *fresh = NULL;
    int r = read_certificate(c, &certificate, why);

    if (r == 0)
        r = secretref_read(c->tls_key_ref, c->dir, &key, why);
    if (r < 0)
        return r;
    hash_pair(&certificate, key, hash);
    if (memcmp(hash, a->tls_hash, sizeof hash) == 0)
        return 0;
    r = http_server_tls_again(a->tcp, certificate.data ? certificate.data : "", secret_text(key), &fresh, why);
    if (r < 0)
        return r;
    put_aside(a);
    a->tcp = fresh;
    memcpy(a->tls_hash, hash, sizeof hash);
    free(a->certificate);
    a->certificate = xstrdup(certificate.data);
    log_line(LEVEL_INFO, "the certificate was read again", "file", c->tls_certificate, NULL);
    return 0;
}

int api_reload(struct api *a, struct error *why)
{
    struct error e = {""};

    if (!a->tcp || !a->config->tls_certificate || take_again(a, &e) == 0)
        return 0;
    log_line(LEVEL_ERROR, "the certificate could not be used; the earlier one stays in use", "reason", e.text,
             NULL);
    return error_set(why, -1, "the certificate of api.tls could not be used, the earlier one stays in use: %s",
                     e.text);
}
