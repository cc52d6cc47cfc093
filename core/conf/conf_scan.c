/* SPDX-License-Identifier: MIT
 * Scans a configuration text with the lexical rules of libconfig (strings, comments, names, numbers) before
 * libconfig reads it. It only rejects what libconfig would accept silently.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf/conf_tree.h"

static const char name_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_*";

struct scan {
    const char *at, *end; /* end points at a NUL */
    unsigned line;
    const char *mistake;
};

static bool starts(const struct scan *s, const char *what)
{
    return strncmp(s->at, what, strlen(what)) == 0;
}

static void conf_scan_step(struct scan *s, size_t n)
{
    for (; n > 0 && s->at < s->end; n--)
        if (*s->at++ == '\n')
            s->line++;
}

static void skip_string(struct scan *s)
{
    conf_scan_step(s, 1);
    while (s->at < s->end && *s->at != '"') {
        if (starts(s, "\\x00")) {
            s->mistake = "a text must not hold a NUL (\\x00)";
            return;
        }
        conf_scan_step(s, *s->at == '\\' ? 2 : 1);
    }
    conf_scan_step(s, 1);
}

static void skip_comment(struct scan *s)
{
    if (starts(s, "/*")) {
        const char *close = strstr(s->at + 2, "*/");
        conf_scan_step(s, close != NULL ? (size_t)(close + 2 - s->at) : (size_t)(s->end - s->at));
    } else {
        conf_scan_step(s, strcspn(s->at, "\n"));
    }
}

/* libconfig keeps integers in 32 bits and wraps what is larger, unless an L follows. */
static void skip_number(struct scan *s)
{
    bool hex = s->at[0] == '0' && (s->at[1] == 'x' || s->at[1] == 'X');
    size_t sign = *s->at == '-' || *s->at == '+';
    size_t digits =
        hex ? 2 + strspn(s->at + 2, "0123456789abcdefABCDEF") : sign + strspn(s->at + sign, "0123456789");
    char next = s->at[digits];

    if (!hex && (next == '.' || next == 'e' || next == 'E')) {
        conf_scan_step(s, digits + 1);
        conf_scan_step(s, strspn(s->at, "0123456789eE+-"));
        return;
    }
    errno = 0;
    long long value = strtoll(s->at, NULL, hex ? 16 : 10);
    if (errno == ERANGE)
        s->mistake = "this integer does not fit into 64 bits; an identifier is written as a text, in quotes";
    else if (next != 'L' && (value > INT32_MAX || value < INT32_MIN))
        s->mistake = "this integer is larger than 32 bits: write L after it, or write it as a "
                     "text, in quotes";
    conf_scan_step(s, digits);
}

const char *conf_scan(const char *text, size_t len, unsigned *ret_line)
{
    struct scan s = {.at = text, .end = text + len, .line = 1};

    while (s.at < s.end && s.mistake == NULL) {
        unsigned char c = (unsigned char)*s.at;
        if (c == '"')
            skip_string(&s);
        else if (c == '#' || starts(&s, "//") || starts(&s, "/*"))
            skip_comment(&s);
        else if (isalpha(c) || c == '*')
            conf_scan_step(&s, 1 + strspn(s.at + 1, name_letters));
        else if (isdigit(c) || ((c == '-' || c == '+') && isdigit((unsigned char)s.at[1])))
            skip_number(&s);
        else if (c == '.')
            conf_scan_step(&s, 1 + strspn(s.at + 1, "0123456789eE+-"));
        else if (starts(&s, "@include"))
            s.mistake = "@include is not supported: write the settings here, or into a file of their own";
        else if (c == '\0')
            s.mistake = "there is a NUL byte; this is not a text file";
        else
            conf_scan_step(&s, 1);
    }
    /* A NUL within a string or a comment ends the text for libconfig. */
    if (s.mistake == NULL && memchr(text, '\0', len) != NULL) {
        s.line = 1;
        for (const char *p = text; *p != '\0'; p++)
            s.line += *p == '\n';
        s.mistake = "there is a NUL byte; this is not a text file";
    }
    if (s.mistake != NULL)
        *ret_line = s.line;
    return s.mistake;
}
