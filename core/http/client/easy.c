/* SPDX-License-Identifier: MIT
 * One request in libcurl: its options, the callbacks that keep the guarantees of client.h, and the meaning of its
 * result.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/utf8.h"
#include "core/http/client/internal.h"

#define CONNECT_MS 10000
#define IDLE_MS 60000
#define AUTHORITIES_KEPT_S 300L

_Static_assert(sizeof(((struct http_transfer *)0)->curl_text) >= CURL_ERROR_SIZE, "libcurl's text must fit");

/* libcurl calls this when it is connected and about to send the first byte, and again before it repeats the
 * request because a reused connection was dead. */
static int about_to_send(void *ctx, char *peer_ip, char *own_ip, int peer_port, int own_port)
{
    struct http_transfer *t = ctx;
    fault_point(FAULT_REQUEST, NULL);
    int64_t now = clock_boot_ms();

    (void)peer_ip;
    (void)own_ip;
    (void)peer_port;
    (void)own_port;
    if (t->origin)
        http_origin_connected(t);
    if (t->sent && !t->resend_allowed) {
        t->refused_again = true;
        return CURL_PREREQFUNC_ABORT;
    }
    bool late =
        (t->lease_boot_ms > 0 && now > t->lease_boot_ms) || (t->deadline_boot_ms > 0 && now >= t->deadline_boot_ms);
    if (late && !defence_off(DEFENCE_LATE)) {
        t->refused_late = true;
        return CURL_PREREQFUNC_ABORT;
    }
    t->sent = true;
    t->client->sent_total++;
    return CURL_PREREQFUNC_OK;
}

/* The header lines of the last reply are stored as "Name: value" NUL. Lines of interim replies and trailers only
 * count towards the limit. */
static size_t take_header(char *line, size_t size, size_t count, void *ctx)
{
    struct http_transfer *t = ctx;
    size_t len = size * count, end = len;

    t->headers_seen += len;
    if (t->headers_seen > HTTP_HEADERS_SEEN_MAX) {
        t->too_large = true;
        return 0;
    }
    while (end > 0 && strchr("\r\n \t", line[end - 1]))
        end--;
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0 && !t->headers_done) {
        buf_clear(&t->reply_headers);
        return len;
    }
    if (end == 0 && http_easy_status(t) > 0)
        t->headers_done = true;
    bool folded = len > 0 && (line[0] == ' ' || line[0] == '\t');
    bool surplus = end > HTTP_HEADER_LINE_MAX || t->reply_headers.len + end + 1 > HTTP_HEADERS_MAX;
    if (t->headers_done || end == 0 || folded || surplus || memchr(line, '\0', end))
        return len; /* headers that are not stored do not fail the reply */
    (void)buf_append(&t->reply_headers, line, end);
    (void)buf_append(&t->reply_headers, "", 1);
    return len;
}

static size_t easy_take_body(char *data, size_t size, size_t count, void *ctx)
{
    struct http_transfer *t = ctx;

    if (buf_append(&t->reply_body, data, size * count) < 0) {
        t->too_large = true;
        return 0;
    }
    return size * count;
}

static curl_socket_t easy_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_client *client = ctx;

    (void)purpose;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    client->open++;
    return fd;
}

static int close_socket(void *ctx, curl_socket_t fd)
{
    struct http_client *client = ctx;

    client->open--;
    return close(fd);
}

static int add_line(struct http_transfer *t, const char *line)
{
    struct curl_slist *longer = curl_slist_append(t->lines, line);

    if (!longer)
        return -ENOMEM;
    t->lines = longer;
    return 0;
}

/* libcurl leaves out a header with an empty value unless it is written as "Name;". */
static int easy_add_header(struct http_transfer *t, const char *line)
{
    const char *colon = strchr(line, ':');

    if (colon[1 + strspn(colon + 1, " \t")] != '\0')
        return add_line(t, line);
    char *empty = xasprintf("%.*s;", (int)(colon - line), line);
    int r = add_line(t, empty);
    free(empty);
    return r;
}

static int set_headers(struct http_transfer *t, const struct http_request *request)
{
    bool has_type = false;
    int r = 0;

    for (const char *const *h = request->headers; h && *h && r == 0; h++) {
        has_type = has_type || strncasecmp(*h, "Content-Type:", 13) == 0;
        r = easy_add_header(t, *h);
    }
    if (r == 0)
        r = add_line(t, "Expect:");
    if (r == 0 && !has_type)
        r = add_line(t, "Content-Type:"); /* otherwise libcurl declares any body as a form */
    if (r == 0 && curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->lines) != CURLE_OK)
        r = -ENOMEM;
    return r;
}

static bool easy_set_method(struct http_transfer *t, const struct http_request *request)
{
    CURL *e = t->easy;
    bool post = strcmp(request->method, "POST") == 0, ok = true;

    if (post || t->body)
        ok = !curl_easy_setopt(e, CURLOPT_POST, 1L) &&
             !curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body_len) &&
             !curl_easy_setopt(e, CURLOPT_POSTFIELDS, t->body ? t->body : "");
    else if (strcmp(request->method, "HEAD") == 0)
        ok = !curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    if (ok && !post)
        ok = !curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, request->method);
    return ok;
}

static bool set_protocols(CURL *e)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    return !curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    return !curl_easy_setopt(e, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

/* The options that are the same for every request. A reply of HTTP/0.9, which has no status, is never accepted.
 * It is allowed here only so that the bytes are seen and the alert of a TLS port is recognised. */
static bool set_rules(CURL *e)
{
    return set_protocols(e) && !curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) &&
           !curl_easy_setopt(e, CURLOPT_PROXY, "") && !curl_easy_setopt(e, CURLOPT_NOPROXY, "*") &&
           !curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) &&
           !curl_easy_setopt(e, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) &&
           !curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L) &&
           !curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
           !curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 1L) &&
           !curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
           !curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L) && !curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L) &&
           !curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip, deflate") &&
           !curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) && !curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, 0L) &&
           !curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
}

/* libcurl counts whole seconds and rounds the idle time down, so a connection may still be reused up to a second
 * later. */
static bool set_connection(CURL *e, const struct http_request *request)
{
    int64_t connect = request->connect_timeout_ms > 0 ? request->connect_timeout_ms : CONNECT_MS;
    int64_t idle_s = (request->idle_limit_ms > 0 ? request->idle_limit_ms : IDLE_MS) / 1000 - 1;

    if (connect > INT32_MAX)
        connect = INT32_MAX;
    if (idle_s > INT32_MAX)
        idle_s = INT32_MAX;
    if (curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)connect))
        return false;
#if LIBCURL_VERSION_NUM >= 0x075700
    if (curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L))
        return false;
#endif
    if (idle_s < 1)
        return !curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
    return !curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, (long)idle_s);
}

/* With ca_file, only its authorities are trusted and not the system's. Without a CA folder libcurl caches the
 * parsed file; with one, each handshake would parse it again. */
static bool set_authorities(struct http_transfer *t, const char *ca_file)
{
    CURL *e = t->easy;

    if (ca_file && curl_easy_setopt(e, CURLOPT_CAINFO, ca_file))
        return false;
    if (ca_file || t->client->one_ca_file)
        (void)curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
#if LIBCURL_VERSION_NUM >= 0x075700
    (void)curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, AUTHORITIES_KEPT_S);
#endif
    return true;
}

static bool set_callbacks(struct http_transfer *t)
{
    CURL *e = t->easy;

    return !curl_easy_setopt(e, CURLOPT_PRIVATE, t) && !curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->curl_text) &&
           !curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, about_to_send) &&
           !curl_easy_setopt(e, CURLOPT_PREREQDATA, t) &&
           !curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header) &&
           !curl_easy_setopt(e, CURLOPT_HEADERDATA, t) &&
           !curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, easy_take_body) &&
           !curl_easy_setopt(e, CURLOPT_WRITEDATA, t) &&
           !curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, easy_open_socket) &&
           !curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t->client) &&
           !curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, close_socket) &&
           !curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, t->client);
}

int http_easy_open(struct http_transfer *t, const struct http_request *request, struct error *error)
{
    t->easy = curl_easy_init();
    bool ok = t->easy && set_rules(t->easy) && set_connection(t->easy, request) &&
              set_authorities(t, request->ca_file) && set_callbacks(t) && easy_set_method(t, request) &&
              !curl_easy_setopt(t->easy, CURLOPT_SHARE, t->client->share) &&
              !curl_easy_setopt(t->easy, CURLOPT_USERAGENT, t->client->user_agent) &&
              !curl_easy_setopt(t->easy, CURLOPT_URL, request->url) && set_headers(t, request) == 0;
    if (!ok)
        return error_set(error, -EIO, "this libcurl (%s) cannot make the request to %s", curl_version(),
                         t->origin->name);
    return 0;
}

int http_easy_open_probe(struct http_transfer *t, const char *url)
{
    const struct http_request none = {0};

    t->easy = curl_easy_init();
    bool ok = t->easy && set_rules(t->easy) && set_connection(t->easy, &none) && set_authorities(t, NULL) &&
              set_callbacks(t) && !curl_easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, NULL) &&
              !curl_easy_setopt(t->easy, CURLOPT_URL, url);
    return ok ? 0 : -EIO;
}

void http_easy_close(struct http_transfer *t)
{
    if (t->easy)
        curl_easy_cleanup(t->easy);
    t->easy = NULL;
    for (struct curl_slist *line = t->lines; line; line = line->next)
        explicit_bzero(line->data, strlen(line->data));
    curl_slist_free_all(t->lines);
    t->lines = NULL;
}

/* Interim replies (1xx) do not count as a reply. */
int http_easy_status(const struct http_transfer *t)
{
    long status = 0;

    if (!t->easy || curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
        return 0;
    return status >= 200 && status <= 999 ? (int)status : 0;
}

static void easy_say(struct http_transfer *t, const char *what, const char *detail)
{
    snprintf(t->why, sizeof t->why, "%s%s%s%s", what, t->origin ? t->origin->name : "", *detail ? ": " : "",
             detail);
    utf8_clean(t->why, sizeof t->why - 1);
}

#define CLOSED_IN_HANDSHAKE                                                                               \
    "the connection was closed before the TLS handshake was over; perhaps this port does not speak TLS; " \
    "check the port, or write http:// where that is allowed"

/* Texts of OpenSSL's errors, and the explanation for each. */
static const char *tls_words(CURLcode code, const char *text)
{
    static const struct {
        const char *of_openssl, *words;
    } known[] = {
        {"wrong version number",
         "this port does not speak TLS; check the port, or write http:// where that is allowed"},
        {"packet length too long",
         "this port does not speak TLS; check the port, or write http:// where that is allowed"},
        {"http request", "this port does not speak TLS; check the port, or write http:// where that is allowed"},
        /* What a port without TLS answers may be lost with the connection that it closes. */
        {"SSL_ERROR_SYSCALL", CLOSED_IN_HANDSHAKE},
        {"SSL_ERROR_ZERO_RETURN", CLOSED_IN_HANDSHAKE},
        {"unexpected eof", CLOSED_IN_HANDSHAKE},
        {"reset by peer", CLOSED_IN_HANDSHAKE},
        {"has expired", "its certificate has expired, or this machine's clock is wrong"},
        {"not yet valid", "its certificate is not valid yet, or this machine's clock is wrong"},
        {"self-signed certificate in certificate chain",
         "its certificate comes from an authority that is not known here; "
         "set http.ca_file to that authority's certificate"},
        {"self signed certificate in certificate chain",
         "its certificate comes from an authority that is not known here; "
         "set http.ca_file to that authority's certificate"},
        {"self-signed",
         "its certificate is signed by itself; set http.ca_file to that certificate if it is the right one"},
        {"self signed",
         "its certificate is signed by itself; set http.ca_file to that certificate if it is the right one"},
        {"unable to get", "its certificate comes from an authority that is not known here, or it does not send the "
                          "intermediate certificates; set http.ca_file to the authority's certificate"},
        {"does not match target", "its certificate is made out for another name; check the host in the URL"},
        {"no alternative certificate", "its certificate is made out for another name; check the host in the URL"},
        {"unable to obtain common name", "its certificate is made out for no name; check the host in the URL"},
        {"alert protocol version", "it speaks neither TLS 1.2 nor TLS 1.3"},
        {"unsupported protocol", "it speaks neither TLS 1.2 nor TLS 1.3"},
        {"certificate required", "it wants a certificate of the client's, which renewd does not have"},
    };

    if (code != CURLE_SSL_CONNECT_ERROR && code != CURLE_PEER_FAILED_VERIFICATION && code != CURLE_SSL_CERTPROBLEM)
        return NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strstr(text, known[i].of_openssl))
            return known[i].words;
    return NULL;
}

/* A TLS alert in reply to plain HTTP: the server did not read the request as HTTP. */
static bool is_tls_alert(const struct http_transfer *t)
{
    const char *p = t->reply_body.data;
    return t->status == 0 && t->reply_body.len >= 3 && p[0] == 0x15 && p[1] == 0x03 && (unsigned char)p[2] <= 4;
}

/* Before the request is sent, libcurl's text only describes names, connections and certificates. Later it may
 * quote the peer, so only the name of the error is used. */
static enum http_failure not_sent(struct http_transfer *t, CURLcode code)
{
    t->unreachable =
        code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT;
    const char *words = tls_words(code, t->curl_text);
    if (t->refused_late)
        easy_say(t, "too little time was left to send a request to ", "");
    else
        easy_say(t, "no connection to ", words ? words : *t->curl_text ? t->curl_text : curl_easy_strerror(code));
    return HTTP_NOT_SENT;
}

/* libcurl's own limits, for which it has no specific error. */
static bool headers_refused(const struct http_transfer *t, CURLcode code)
{
    if (t->status == 0 || t->headers_done)
        return false;
#ifdef CURLE_TOO_LARGE
    if (code == CURLE_TOO_LARGE)
        return true;
#endif
    return code == CURLE_OUT_OF_MEMORY ||
           (code == CURLE_RECV_ERROR && strstr(t->curl_text, "Too large response headers"));
}

enum http_failure http_easy_result(struct http_transfer *t, int curl_code)
{
    CURLcode code = (CURLcode)curl_code;

    if (!t->sent)
        return not_sent(t, code);
    t->status = t->probing ? 0 : http_easy_status(t);
    t->origin->answered = t->origin->answered || t->status > 0;
    if (code == CURLE_OK && t->status > 0)
        return HTTP_OK_REPLY;
    if (is_tls_alert(t) || (t->probing && http_probe_found_tls(curl_code))) {
        easy_say(t, "this port speaks TLS and refused a request without it; write https:// for ", "");
        return HTTP_NOT_SENT;
    }
    if (headers_refused(t, code)) {
        easy_say(t,
                 "the answer's headers are larger than libcurl takes (a line of 100 KiB, 300 KiB together), from ",
                 "");
        return HTTP_TOO_LARGE;
    }
    if (t->too_large) {
        easy_say(t, "the answer is larger than is accepted from ", "");
        return HTTP_TOO_LARGE;
    }
    if (t->refused_again || t->refused_late) {
        t->status = 0;
        easy_say(
            t,
            "the connection broke before an answer came, and the request, which the server may have processed, is not "
            "repeated: ",
            "");
        return HTTP_NO_ANSWER;
    }
    const char *detail = t->probing ? curl_easy_strerror((CURLcode)t->probed_code)
                         : code     ? curl_easy_strerror(code)
                                    : "";
    if (t->status > 0) {
        easy_say(t, "the answer was cut short or damaged from ", detail);
        return HTTP_CUT;
    }
    easy_say(t, "no usable answer came from ", detail);
    return HTTP_NO_ANSWER;
}
