/* SPDX-License-Identifier: MIT
 * Refuses requests with an ambiguous head before a handler sees them: those that a proxy in front of renewd might
 * read as another request, or as two (request smuggling). libmicrohttpd passes headers on as they are between NULs
 * and line ends. The size of the whole head shows whether it left anything out.
 */
#include "config.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/http/server/internal.h"

enum { SPACE_MAX = 16 * 1024 };

#define TOKEN "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* Headers that may appear at most once. */
static const char *const single[] = {"Content-Length", "Transfer-Encoding", "Host", "Authorization",
                                     "Content-Type"};
enum { LENGTH, ENCODING, SINGLES = sizeof single / sizeof *single };

struct head {
    size_t bytes; /* bytes of the parts that libmicrohttpd passed on */
    size_t slack; /* bytes that may be blanks or not */
    int seen[SINGLES];
    const char *mistake;
};

static bool has_controls(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 127)
            return true;
    return false;
}

static bool is_spoilt(const char *target)
{
    return has_controls(target, strlen(target)) || strchr(target, '\t');
}

/* The blanks between the colon and the value; false when the two are not in one line. */
static bool blanks(const char *colon, const char *value, size_t *ret)
{
    uintptr_t from = (uintptr_t)colon, to = (uintptr_t)value;

    if (to <= from || to - from > SPACE_MAX)
        return false;
    *ret = to - from - 1;
    return true;
}

static void look_at(struct head *h, const char *name, size_t name_len, const char *value, size_t len)
{
    for (size_t i = 0; i < SINGLES; i++)
        if (strlen(single[i]) == name_len && strncasecmp(single[i], name, name_len) == 0 && h->seen[i]++)
            h->mistake = "a header is given twice that may be given once";
    if (name_len == 0 || strspn(name, TOKEN) != name_len)
        h->mistake = "a header's name is malformed";
    else if (has_controls(value, len))
        h->mistake = "a header holds a control character";
}

static enum MHD_Result visit(void *ctx, enum MHD_ValueKind kind, const char *name, size_t name_len,
                             const char *value, size_t len)
{
    struct head *h = ctx;
    size_t between = 0;

    (void)kind;
    if (!value || !blanks(name + name_len, value, &between))
        h->slack++;
    h->bytes += name_len + 1 + between + len + 2;
    look_at(h, name, name_len, value ? value : "", len);
    return h->mistake ? MHD_NO : MHD_YES;
}

static size_t line_bytes(const struct http_call *call, const char *method, const char *version)
{
    size_t target = strlen(call->path) + (call->query ? 1 + strlen(call->query) : 0);

    return strlen(method) + 1 + target + 1 + strlen(version) + 2;
}

/* A body must have exactly one length, stated in one unambiguous way. */
static const char *framing(const struct http_call *call, const struct head *h, const char *version)
{
    const char *encoding = http_call_header(call, "Transfer-Encoding");

    if (h->seen[LENGTH] && h->seen[ENCODING])
        return "Content-Length and Transfer-Encoding exclude each other";
    if (encoding && strcasecmp(encoding, "chunked") != 0)
        return "the only Transfer-Encoding that is understood is chunked";
    if (encoding && strcmp(version, "HTTP/1.1") != 0)
        return "Transfer-Encoding belongs to HTTP/1.1";
    return NULL;
}

const char *http_head_mistake(const struct http_call *call, const char *method, const char *version)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(call->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    struct head h = {.bytes = line_bytes(call, method, version) + 2};

    MHD_get_connection_values_n(call->connection, MHD_HEADER_KIND, visit, &h);
    if (h.mistake)
        return h.mistake;
    if (is_spoilt(call->path) || (call->query && is_spoilt(call->query)))
        return "the request line holds a control character";
    if (!info || info->header_size < h.bytes || info->header_size > h.bytes + h.slack)
        return "the request's head holds a NUL, a line that does not end in CR LF, a header over several lines, or a blank in "
               "a wrong place";
    return framing(call, &h, version);
}
