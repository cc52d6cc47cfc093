/* SPDX-License-Identifier: MIT
 * Makes text from outside safe for a terminal: characters that could control it, or change the direction of the
 * line, are escaped; also counts the columns of a text.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/utf8.h"
#include "core/cli/cli.h"

struct char_range {
    uint32_t from, to;
};

/* Controls, marks, direction switches, Unicode line ends, zero-width blanks, tags. */
static const struct char_range steering[] = {{0, 0x1f},         {0x7f, 0x9f},     {0x61c, 0x61c},
                                             {0x200b, 0x200b},  {0x200e, 0x200f}, {0x2028, 0x202e},
                                             {0x2060, 0x206f},  {0xfeff, 0xfeff}, {0xfff9, 0xfffb},
                                             {0xe0000, 0xe007f}};
static const struct char_range narrow[] = {{0x300, 0x36f}, {0x200c, 0x200d}, {0xfe00, 0xfe0f}, {0x1f3fb, 0x1f3ff}};
static const struct char_range wide[] = {{0x1100, 0x115f},   {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},
                                         {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},
                                         {0xffe0, 0xffe6},   {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff},
                                         {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};

#define IN(list, c) terminal_in(list, sizeof(list) / sizeof(list)[0], c)

static bool terminal_in(const struct char_range *list, size_t count, uint32_t c)
{
    for (size_t i = 0; i < count; i++)
        if (c >= list[i].from && c <= list[i].to)
            return true;
    return false;
}

static uint32_t code_of(const char *at, size_t n)
{
    static const unsigned char first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = (unsigned char)at[0] & first[n];

    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)at[i] & 0x3f);
    return c;
}

static void terminal_escape(struct buf *to, uint32_t c)
{
    const char *at = strchr("\nn\tt\rr", (int)c);

    if (c && at)
        (void)buf_printf(to, "\\%c", at[1]);
    else
        (void)buf_printf(to, c > 0xffff ? "\\U%08x" : "\\u%04x", (unsigned)c);
}

char *shown_text(const char *text, size_t max)
{
    struct buf b;
    size_t left = strlen(text);

    buf_init(&b, 16 * 1024 * 1024);
    (void)buf_text(&b, "");
    for (const char *at = text; left && b.len < max;) {
        size_t n = utf8_char(at, left), took = n ? n : 1;
        uint32_t c = n ? code_of(at, n) : 0;
        if (!n)
            (void)buf_char(&b, '?');
        else if (IN(steering, c))
            terminal_escape(&b, c);
        else
            (void)buf_append(&b, at, n);
        at += took;
        left -= took;
    }
    if (left)
        (void)buf_text(&b, "\xe2\x80\xa6");
    char *shown = buf_steal(&b);
    return shown ? shown : xstrdup("");
}

static size_t columns_of(const char *at, size_t n)
{
    uint32_t c = code_of(at, n);

    return IN(narrow, c) ? 0 : IN(wide, c) ? 2 : 1;
}

size_t shown_width(const char *text)
{
    size_t width = 0, left = strlen(text);

    for (size_t n; left && (n = utf8_char(text, left)); text += n, left -= n)
        width += columns_of(text, n);
    return width;
}

void shown_cut(char *io_text, size_t columns)
{
    size_t left = strlen(io_text), width = 0;
    char *at = io_text, *cut = io_text;

    if (shown_width(io_text) <= columns)
        return;
    for (size_t n; left && (n = utf8_char(at, left)); at += n, left -= n) {
        width += columns_of(at, n);
        if (width + 1 > columns)
            break;
        cut = at + n;
    }
    /* three bytes follow in any case: the text is longer than one more column */
    if (strlen(cut) >= 3)
        memcpy(cut, "\xe2\x80\xa6", 4);
    else
        *cut = '\0';
}
