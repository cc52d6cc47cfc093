/* SPDX-License-Identifier: MIT
 * See meta_person.h. The forms are those of Meta's page on customer information parameters.
 */
#include "meta_person.h"
#include "meta_phone.h"

#include <string.h>

#define HASH_HEX 64

enum { LOWER = 1, NO_PUNCTUATION = 2, NO_SPACES = 4, DIGITS = 8 };

static const struct form {
    const char *key;
    int how;
} forms[] = {
    {"em", LOWER},
    {"ph", DIGITS},
    {"fn", LOWER | NO_PUNCTUATION},
    {"ln", LOWER | NO_PUNCTUATION},
    {"db", DIGITS},
    {"ge", LOWER},
    {"ct", LOWER | NO_PUNCTUATION | NO_SPACES},
    {"st", LOWER | NO_PUNCTUATION | NO_SPACES},
    {"zp", LOWER | NO_PUNCTUATION | NO_SPACES},
    {"country", LOWER | NO_PUNCTUATION | NO_SPACES},
    {"external_id", 0},
};

static const struct form *form_of(const char *key)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (strcmp(forms[i].key, key) == 0)
            return &forms[i];
    return NULL;
}

int person_is_hashed(const char *key)
{
    return form_of(key) != NULL;
}

/* ---- Characters -------------------------------------------------------------------------- */

/* The character at p, which is valid UTF-8, and how many bytes it takes. */
static uint32_t decode(const unsigned char *p, size_t *ret_length)
{
    size_t length = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
    uint32_t c = length == 1 ? *p : *p & (0x7fu >> length);

    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80) { /* also the end of the text */
            *ret_length = 1;
            return 0xfffd;
        }
        c = c << 6 | (p[i] & 0x3fu);
    }
    *ret_length = length;
    return c;
}

static size_t encode(uint32_t c, char *to)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    to[0] = (char)(0xe0 | c >> 12);
    to[1] = (char)(0x80 | (c >> 6 & 0x3f));
    to[2] = (char)(0x80 | (c & 0x3f));
    return 3;
}

static int within(uint32_t c, uint32_t first, uint32_t last)
{
    return c >= first && c <= last;
}

static uint32_t lower_greek(uint32_t c)
{
    if (c == 0x386)
        return 0x3ac;
    if (within(c, 0x388, 0x38a))
        return c + 37;
    if (c == 0x38c)
        return 0x3cc;
    return within(c, 0x38e, 0x38f) ? c + 63 : c;
}

/* Latin (with Vietnamese), Greek and Cyrillic letters; no result takes more bytes than c. */
static uint32_t lower(uint32_t c)
{
    if (within(c, 'A', 'Z') || (within(c, 0xc0, 0xde) && c != 0xd7) || within(c, 0x391, 0x3ab) ||
        within(c, 0x410, 0x42f))
        return c + 32;
    if (within(c, 0x400, 0x40f))
        return c + 80;
    if (c == 0x130)
        return 'i';
    if (c == 0x178)
        return 0xff;
    if (within(c, 0x100, 0x137) || within(c, 0x14a, 0x177) || within(c, 0x48a, 0x4bf) || within(c, 0x4d0, 0x52f) ||
        within(c, 0x1e00, 0x1e95) || within(c, 0x1ea0, 0x1eff))
        return c | 1;
    if (within(c, 0x139, 0x148) || within(c, 0x179, 0x17e))
        return c + (c & 1);
    return lower_greek(c);
}

static int is_space(uint32_t c)
{
    return within(c, '\t', '\r') || c == ' ' || c == 0xa0 || within(c, 0x2000, 0x200b) || c == 0x202f ||
           c == 0x205f || c == 0x3000 || c == 0xfeff;
}

static int is_punctuation(uint32_t c)
{
    return within(c, '!', '/') || within(c, ':', '@') || within(c, '[', '`') || within(c, '{', '~') || c == 0xa1 ||
           c == 0xa7 || c == 0xab || c == 0xb4 || within(c, 0xb6, 0xb8) || c == 0xbb || c == 0xbf ||
           within(c, 0x2010, 0x2027) || within(c, 0x2030, 0x205e) || within(c, 0x3001, 0x3003);
}

static int dropped(uint32_t c, int how)
{
    return (how & DIGITS && !within(c, '0', '9')) || (how & NO_PUNCTUATION && is_punctuation(c)) ||
           (how & NO_SPACES && is_space(c));
}

/* Writes at most as many bytes as it reads, trimmed, into to. */
static size_t normalise(const char *text, int how, char *to)
{
    size_t length, at = 0, end = 0;

    for (const unsigned char *p = (const unsigned char *)text; *p; p += length) {
        uint32_t c = decode(p, &length);
        if (dropped(c, how) || (is_space(c) && at == 0))
            continue;
        uint32_t low = how & LOWER ? lower(c) : c;
        if (low == c) { /* as it was: also what is malformed */
            memcpy(to + at, p, length);
            at += length;
        } else {
            at += encode(low, to + at);
        }
        end = is_space(c) ? end : at;
    }
    to[end] = '\0';
    return end;
}

/* ---- The forms --------------------------------------------------------------------------- */

static int is_hash(const char *text)
{
    return strlen(text) == HASH_HEX && strspn(text, "0123456789abcdefABCDEF") == HASH_HEX;
}

static int is_us(const char *country)
{
    return country && (strcmp(country, "US") == 0 || strcmp(country, "us") == 0);
}

/* 94107-1234, or any of that country. */
static void cut_zip(char *zip, const char *given, const char *country)
{
    const char *dash = strchr(given, '-');
    size_t digits = strspn(zip, "0123456789");

    if (zip[digits] == '\0' && ((digits == 9 && dash && strlen(dash) >= 5) || (digits > 5 && is_us(country))))
        zip[5] = '\0';
}

/* 1 = good. What is wrong with it otherwise, "" = it only says nothing. */
static int check(const char *key, char *text, const char *given, const char *country, const char **ret_wrong)
{
    *ret_wrong = "";
    if (strcmp(key, "zp") == 0) {
        cut_zip(text, given, country);
    } else if (strcmp(key, "ge") == 0) {
        static const char *const words[] = {"f", "female", "m", "male", NULL};
        size_t i = 0;
        while (words[i] && strcmp(words[i], text) != 0)
            i++;
        text[words[i] ? 1 : 0] = '\0';
    } else if (strcmp(key, "db") == 0 && *text &&
               (strlen(text) != 8 || (memcmp(text, "19", 2) != 0 && memcmp(text, "20", 2) != 0))) {
        *ret_wrong = "a date of birth as YYYYMMDD";
        return 0;
    } else if (strcmp(key, "country") == 0 && *text && strlen(text) != 2) {
        *ret_wrong = "a country's two letters (ISO 3166)";
        return 0;
    }
    return *text != '\0';
}

static const char *lower_hash(const struct renewd_services *s, struct renewd_call *call, const char *hash)
{
    char text[HASH_HEX + 1];

    normalise(hash, LOWER, text);
    const char *const parts[] = {text, NULL};
    return s->join(call, parts);
}

const char *person_hash(const struct renewd_services *s, struct renewd_call *call, const char *key,
                        const char *value, const char *country, const char **ret_wrong)
{
    const struct form *form = form_of(key);
    uint8_t hash[32];

    *ret_wrong = "";
    if (is_hash(value))
        return lower_hash(s, call, value);
    char phone[PHONE_SIZE];
    if (strcmp(key, "ph") == 0)
        value = phone_read(value, country, 1, phone) ? phone : "";
    char *text = form ? s->memory(call, strlen(value) + 1) : NULL;
    if (!text)
        *ret_wrong = "shorter";
    if (!text || normalise(value, form->how, text) == 0 || !check(key, text, value, country, ret_wrong))
        return NULL;
    s->sha256(text, strlen(text), hash);
    return s->hex(call, hash, sizeof(hash));
}
