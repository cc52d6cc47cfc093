/* SPDX-License-Identifier: MIT
 * Requests by their shape, byte for byte, for tests/unit/test_http_server.c: those that are refused, and unusual
 * ones that are not.
 */
#ifndef TESTS_UNIT_HTTP_SHAPES_H
#define TESTS_UNIT_HTTP_SHAPES_H

#include <stddef.h>

#define RAW(text)              \
    {                          \
        text, sizeof(text) - 1 \
    }
#define END "\r\nConnection: close\r\n\r\n"

struct raw {
    const char *text;
    size_t len;
};

/* What a proxy before us might have read as another request, or as two. */
static const struct raw malformed[] = {
    RAW("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3" END "okx"),
    RAW("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\ncontent-length: 2" END "ok"),
    RAW("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2" END "ok"),
    RAW("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: +2" END "ok"),
    RAW("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked" END "0\r\n\r\n"),
    RAW("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5" END "0\r\n\r\n"),
    RAW("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked" END "0\r\n\r\n"),
    RAW("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked" END "0\r\n\r\n"),
    RAW("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity" END "0\r\n\r\n"),
    RAW("POST /x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked" END "0\r\n\r\n"),
    RAW("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked" END "0\r\n\r\n"),
    RAW("GET /x HTTP/1.1\r\nHost: a\r\nX: 1\r\n Content-Length: 4" END),
    RAW("GET /x HTTP/1.1\r\nHost: a\r\nX: 1\r\n\tY: 2" END),
    RAW("GET /x HTTP/1.1\nHost: a\r\nX: 1" END),
    RAW("GET /x HTTP/1.1\r\nHost: a\nX: 1" END),
    RAW("GET /x HTTP/1.1\r\nHost: a\r\nX: 1\r\nConnection: close\r\n\n"),
    RAW("GET /x HTTP/1.1\r\nHost: a\rX: 1" END),
    RAW("GET /x\0/../y HTTP/1.1\r\nHost: a" END),
    RAW("GET /x?q=1\0 HTTP/1.1\r\nHost: a" END),
    RAW("GET /x\t HTTP/1.1\r\nHost: a" END),
    RAW("GET\0 /x HTTP/1.1\r\nHost: a" END),
    RAW("GET  /x HTTP/1.1\r\nHost: a" END),
    RAW("GET /x y HTTP/1.1\r\nHost: a\0" END),
    RAW("GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer one\0two" END),
    RAW("GET /x HTTP/1.1\r\nHost:a\r\nX:1\r\nY:2\r\nAuthorization:Bearer one\0" END),
    RAW("GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: \0Bearer one" END),
    RAW("GET /x HTTP/1.1\r\nHost: a\r\n\0X: 1" END),
    RAW("GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer one\r\nauthorization: Bearer two" END),
    RAW("GET /x HTTP/1.1\r\nHost: a\r\nHost: b" END),
    RAW("GET /x HTTP/1.1\r\nHost: a\r\nX: a\x01"
        "b" END),
    RAW("GET /x HTTP/1.1\r\nHost: a\r\nX(: b" END),
    RAW("GET /x HTTP/1.1\r\nHost: a\r\n: b" END),
};

static const struct raw unusual[] = {
    RAW("GET /x?q=1 HTTP/1.1\r\nHost:a\r\nX:1" END),
    RAW("GET /x?q=1 HTTP/1.1\r\nHOST: a\r\nx-y_z:  \t 1" END),
    RAW("GET /x?q=1 HTTP/1.1\r\nHost: a\r\nX:\r\nCookie: a=b; c=\xc3\xa9" END),
    RAW("GET /x?q=1&r=a%00&s HTTP/1.0\r\nHost: a" END),
    RAW("POST /x?q=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked" END "2\r\nok\r\n0\r\n\r\n"),
    RAW("\r\nGET /x?q=1 HTTP/1.1\r\nHost: a" END),
};

#endif
