/* SPDX-License-Identifier: MIT
 * Tests a port after a request without TLS ended without a byte of a reply. A port that speaks TLS cannot have read
 * the request. One TLS handshake, which sends no request, shows whether it does. No handshake is made if the origin
 * has answered plain HTTP before.
 */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/http/client/internal.h"

#define PROBE_MS 5000L

static bool worth_it(const struct http_transfer *t, CURLcode code)
{
    long fresh = 0;

    return (code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR) && t->sent &&
           !t->refused_again && !t->refused_late && t->headers_seen == 0 && t->reply_body.len == 0 &&
           !t->origin->answered && strncmp(t->origin->name, "http://", 7) == 0 &&
           curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &fresh) == CURLE_OK && fresh == 1;
}

bool http_probe_start(struct http_transfer *t, int code)
{
    if (t->probing || !worth_it(t, (CURLcode)code))
        return false;
    t->probing = true;
    t->probed_code = code;
    http_handle_stop(t);
    http_easy_close(t);
    char *url = xasprintf("https://%s/", t->origin->name + strlen("http://"));
    bool ok = http_easy_open_probe(t, url) == 0 && !curl_easy_setopt(t->easy, CURLOPT_CONNECT_ONLY, 1L) &&
              !curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L) &&
              !curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, PROBE_MS) && http_handle_start(t) == 0;
    free(url);
    return ok;
}

bool http_probe_found_tls(int code)
{
    return code == CURLE_OK || code == CURLE_PEER_FAILED_VERIFICATION;
}
