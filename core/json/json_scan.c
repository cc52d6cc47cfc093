/* SPDX-License-Identifier: MIT
 * The strict check of JSON texts of json_scan.h. It builds no tree and uses no library; the depth limit bounds the
 * recursion.
 */
#include "core/json/json_scan.h"

#include <errno.h>
#include <string.h>

#include "core/base/utf8.h"
#include "core/json/json.h"

static int scan_value(struct json_scan *s);

static char peek(const struct json_scan *s)
{
    return s->at < s->len ? s->text[s->at] : '\0';
}

static bool json_scan_take(struct json_scan *s, char c)
{
    if (s->at >= s->len || s->text[s->at] != c)
        return false;
    s->at++;
    return true;
}

static void skip_blanks(struct json_scan *s)
{
    while (s->at < s->len && memchr(" \t\r\n", s->text[s->at], 4) != NULL)
        s->at++;
}

static size_t skip_digits(struct json_scan *s)
{
    size_t from = s->at;

    while (s->at < s->len && s->text[s->at] >= '0' && s->text[s->at] <= '9')
        s->at++;
    return s->at - from;
}

static int scan_number(struct json_scan *s, bool *ret_whole)
{
    size_t from = s->at;

    json_scan_take(s, '-');
    bool zero = peek(s) == '0';
    size_t digits = skip_digits(s);
    if (digits == 0)
        return -EINVAL;
    if (zero && digits > 1) {
        s->at = from;
        return -EINVAL;
    }
    *ret_whole = true;
    if (json_scan_take(s, '.')) {
        *ret_whole = false;
        if (skip_digits(s) == 0)
            return -EINVAL;
    }
    if (json_scan_take(s, 'e') || json_scan_take(s, 'E')) {
        *ret_whole = false;
        if (!json_scan_take(s, '+'))
            json_scan_take(s, '-');
        if (skip_digits(s) == 0)
            return -EINVAL;
    }
    /* Nineteen digits may or may not fit; all such numbers are treated as doubtful, which is safe.
     */
    if (*ret_whole && digits >= 19)
        s->oversized = true;
    return 0;
}

/* Four hex digits after \u. */
static int scan_unit(struct json_scan *s, unsigned *ret)
{
    static const char digits[] = "0123456789abcdefABCDEF";

    *ret = 0;
    for (int i = 0; i < 4; i++, s->at++) {
        char c = peek(s);
        const char *d = c == '\0' ? NULL : strchr(digits, c);
        if (d == NULL)
            return -EINVAL;
        *ret = *ret * 16 + (unsigned)(d - digits - (d - digits > 15 ? 6 : 0));
    }
    return 0;
}

/* After \u: one character, or a surrogate pair. Half a pair: -EILSEQ. */
static int scan_unicode(struct json_scan *s, bool name)
{
    size_t from = s->at;
    unsigned c, low = 0;

    if (scan_unit(s, &c) < 0 || (c == 0 && name))
        return -EINVAL;
    if (c < 0xd800 || c > 0xdfff)
        return 0;
    if (c < 0xdc00 && json_scan_take(s, '\\') && json_scan_take(s, 'u') && scan_unit(s, &low) < 0)
        return -EINVAL;
    if (low >= 0xdc00 && low < 0xe000)
        return 0;
    s->at = from;
    return -EILSEQ;
}

static int scan_string(struct json_scan *s, bool name)
{
    if (!json_scan_take(s, '"'))
        return -EINVAL;
    while (s->at < s->len) {
        unsigned char c = (unsigned char)s->text[s->at];
        if (c == '"') {
            s->at++;
            return 0;
        }
        if (c < 0x20)
            return -EINVAL;
        if (c == '\\') {
            s->at++;
            c = (unsigned char)peek(s);
            if (c == '\0' || strchr("\"\\/bfnrtu", c) == NULL)
                return -EINVAL;
            s->at++;
            int r = c == 'u' ? scan_unicode(s, name) : 0;
            if (r < 0)
                return r;
            continue;
        }
        size_t n = utf8_char(s->text + s->at, s->len - s->at);
        if (n == 0)
            return -EILSEQ;
        s->at += n;
    }
    return -EINVAL;
}

/* The inside of an object or an array, after its opening bracket. */
static int scan_members(struct json_scan *s, bool object)
{
    char close = object ? '}' : ']';
    int r;

    skip_blanks(s);
    if (json_scan_take(s, close))
        return 0;
    for (;;) {
        skip_blanks(s);
        if (object) {
            if ((r = scan_string(s, true)) < 0)
                return r;
            skip_blanks(s);
            if (!json_scan_take(s, ':'))
                return -EINVAL;
        }
        if ((r = scan_value(s)) < 0)
            return r;
        skip_blanks(s);
        if (json_scan_take(s, close))
            return 0;
        if (!json_scan_take(s, ','))
            return -EINVAL;
    }
}

static int scan_word(struct json_scan *s, const char *word)
{
    size_t n = strlen(word);

    if (s->len - s->at < n || memcmp(s->text + s->at, word, n) != 0)
        return -EINVAL;
    s->at += n;
    return 0;
}

static int scan_value(struct json_scan *s)
{
    bool whole;

    skip_blanks(s);
    char c = peek(s);
    if (c == '{' || c == '[') {
        if (s->depth == JSON_DEPTH_MAX)
            return -EFBIG;
        s->at++;
        s->depth++;
        int r = scan_members(s, c == '{');
        s->depth--;
        return r;
    }
    if (c == '"')
        return scan_string(s, false);
    if (c == 't')
        return scan_word(s, "true");
    if (c == 'f')
        return scan_word(s, "false");
    if (c == 'n')
        return scan_word(s, "null");
    return scan_number(s, &whole);
}

int json_scan(struct json_scan *s)
{
    int r = scan_value(s);

    if (r < 0)
        return r;
    skip_blanks(s);
    return s->at == s->len ? 0 : -EINVAL;
}

bool json_is_number(const char *text, size_t len, bool *ret_whole)
{
    struct json_scan s = {.text = text, .len = len};

    return scan_number(&s, ret_whole) == 0 && s.at == len;
}
