/* SPDX-License-Identifier: MIT
 * See unix_client.h: one blocking call with libcurl's easy interface.
 */
#include "core/http/unix_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"

struct unix_call {
    CURL *easy;
    struct curl_slist *lines;
    struct buf *body;
    bool too_large;
    char text[CURL_ERROR_SIZE];
};

static void call_done(struct unix_call *call)
{
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->lines);
}

static size_t unix_call_take_body(char *data, size_t size, size_t count, void *ctx)
{
    struct unix_call *call = ctx;

    if (buf_append(call->body, data, size * count) < 0) {
        call->too_large = true;
        return 0;
    }
    return size * count;
}

/* libcurl only says "could not connect"; renewctl's exit status depends on the reason. */
static int try_socket(const char *path, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof address.sun_path)
        return error_set(error, -ENAMETOOLONG, "the socket path %s is empty or over %zu bytes", path,
                         sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, len + 1);
    cleanup(close_p) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int code = errno;
        if (code == ENOENT || code == ECONNREFUSED || code == ENOTSOCK)
            return error_set(error, code == ENOENT ? -ENOENT : -ECONNREFUSED,
                             "no daemon answers at %s: %s; is renewd running?", path, strerror(code));
        return error_set(error, -code, "the socket %s could not be opened: %s", path, strerror(code));
    }
    return 0;
}

static bool unix_call_open(struct unix_call *call, const struct unix_request *q, const char *url)
{
    CURL *e = call->easy = curl_easy_init();

    if (!e)
        return false;
    if (q->content_type) {
        cleanup(free_p) char *line = xasprintf("Content-Type: %s", q->content_type);
        call->lines = curl_slist_append(NULL, line);
    } else {
        call->lines = curl_slist_append(NULL, "Content-Type:");
    }
    struct curl_slist *longer = call->lines ? curl_slist_append(call->lines, "Expect:") : NULL;
    return longer && !curl_easy_setopt(e, CURLOPT_HTTPHEADER, longer) &&
           !curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, q->socket_path) &&
           !curl_easy_setopt(e, CURLOPT_URL, url) && !curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, q->method) &&
           !curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L) && !curl_easy_setopt(e, CURLOPT_PROXY, "") &&
           !curl_easy_setopt(e, CURLOPT_NOPROXY, "*") &&
           !curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) &&
           !curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
           !curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) && !curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->text) &&
           !curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, unix_call_take_body) &&
           !curl_easy_setopt(e, CURLOPT_WRITEDATA, call);
}

static bool call_send(struct unix_call *call, const struct unix_request *q)
{
    long timeout = q->timeout_ms > INT_MAX ? INT_MAX : q->timeout_ms < 0 ? 0 : (long)q->timeout_ms;

    if (curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, timeout))
        return false;
    if (!q->body && strcmp(q->method, "POST") != 0)
        return true;
    return !curl_easy_setopt(call->easy, CURLOPT_POST, 1L) &&
           !curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(q->body ? q->len : 0)) &&
           !curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, q->body ? q->body : "") &&
           !curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, q->method);
}

static int call_failed(const struct unix_call *call, CURLcode code, const char *path, struct error *error)
{
    if (call->too_large)
        return error_set(error, -EMSGSIZE, "the daemon's answer at %s is too large", path);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return error_set(error, -ETIMEDOUT, "the daemon at %s did not answer in time", path);
    if (code == CURLE_COULDNT_CONNECT)
        return error_set(error, -ECONNREFUSED, "no daemon answers at %s; is renewd running?", path);
    return error_set(error, -EIO, "the daemon at %s gave no proper answer: %s", path,
                     *call->text ? call->text : curl_easy_strerror(code));
}

int http_unix_call(const struct unix_request *q, struct unix_reply *ret, struct error *error)
{
    cleanup(call_done) struct unix_call call = {.body = &ret->body};
    cleanup(free_p) char *url = xasprintf("http://localhost%s", q->path);
    curl_off_t after = 0;
    long status = 0;

    if (q->path[0] != '/')
        return error_set(error, -EINVAL, "the path %s does not begin with /", q->path);
    int r = try_socket(q->socket_path, error);
    if (r < 0)
        return r;
    if (!unix_call_open(&call, q, url) || !call_send(&call, q))
        return error_set(error, -EIO, "libcurl (%s) could not prepare the call", curl_version());
    CURLcode code = curl_easy_perform(call.easy);
    if (code == CURLE_OK)
        code = curl_easy_getinfo(call.easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK)
        code = curl_easy_getinfo(call.easy, CURLINFO_RETRY_AFTER, &after);
    if (code != CURLE_OK)
        return call_failed(&call, code, q->socket_path, error);
    if (!ret->body.data)
        (void)buf_text(&ret->body, "");
    ret->status = (int)status;
    ret->retry_after = after;
    return 0;
}
