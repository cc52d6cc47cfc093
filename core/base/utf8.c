/* SPDX-License-Identifier: MIT
 * See utf8.h.
 */
#include "core/base/utf8.h"

#include <stdint.h>
#include <string.h>

static size_t length_of(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if (first >= 0xe0 && first <= 0xef)
        return 3;
    return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

size_t utf8_char(const char *text, size_t left)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t len = left ? length_of(s[0]) : 0;
    if (len == 0 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] > 0x9f;
    bool beyond = s[0] == 0xf4 && s[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : len;
}

bool utf8_valid(const char *text, size_t len)
{
    for (size_t at = 0, n; at < len; at += n) {
        n = utf8_char(text + at, len - at);
        if (n == 0)
            return false;
    }
    return true;
}

void utf8_clean(char *text, size_t max)
{
    size_t len = strlen(text), from = 0, to = 0;
    while (from < len) {
        size_t n = utf8_char(text + from, len - from);
        if (to + (n ? n : 1) > max)
            break;
        unsigned char c = (unsigned char)text[from];
        if (n == 0) {
            text[to++] = '?';
            from++;
        } else if (n == 1 && (c < 0x20 || c == 0x7f)) {
            text[to++] = ' ';
            from++;
        } else if (n == 2 && c == 0xc2 && (unsigned char)text[from + 1] < 0xa0) {
            text[to++] = ' ';
            from += 2;
        } else {
            memmove(text + to, text + from, n);
            to += n;
            from += n;
        }
    }
    text[to] = '\0';
}
