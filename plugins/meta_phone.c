/* SPDX-License-Identifier: MIT
 * See meta_phone.h.
 */
#include "meta_phone.h"

#include <string.h>

#define DIGITS_MAX 24
#define LONGEST 15 /* E.164 */
#define SHORTEST 7

struct number {
    char digits[DIGITS_MAX + 1];
    size_t count;
    int plus;
};

/* ---- Reading ------------------------------------------------------------------------------ */

/* The bytes of a character beyond ASCII that says nothing: blanks, dashes, marks of direction. 0 = it is none. */
static size_t ornament(const unsigned char *p)
{
    if (p[0] == 0xc2 && p[1] == 0xa0)
        return 2;
    if (p[0] == 0xe2 && (p[1] == 0x80 || p[1] == 0x81) && p[2])
        return 3;
    return (p[0] == 0xe2 && p[1] == 0x88 && p[2] == 0x92) || (p[0] == 0xe3 && p[1] == 0x80 && p[2] == 0x80) ||
                   (p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf)
               ? 3
               : 0;
}

/* What follows a number's digits and is not dialled with them: an extension, a remark. */
static int ends(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr("#;,*", c) != NULL;
}

/* 1 = there are digits, and nothing between them that may be a digit. */
static int take(const char *text, struct number *n)
{
    const unsigned char *p = (const unsigned char *)text;

    memset(n, 0, sizeof(*n));
    if (strncmp(text, "tel:", 4) == 0)
        p += 4;
    while (*p) {
        size_t skip = 1;
        if (*p >= '0' && *p <= '9') {
            if (n->count == DIGITS_MAX)
                return 0;
            n->digits[n->count++] = (char)*p;
        } else if (*p == '+') {
            if (n->count || n->plus)
                return 0;
            n->plus = 1;
        } else if (n->plus && n->count && strncmp((const char *)p, "(0)", 3) == 0) {
            skip = 3; /* what is dialled inside the country alone */
        } else if (*p >= 0x80) {
            skip = ornament(p);
            if (!skip)
                return 0;
        } else if (ends((char)*p)) {
            break;
        }
        p += skip;
    }
    return n->count > 0;
}

/* ---- Plans -------------------------------------------------------------------------------- */

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static const struct phone_plan *plan_of(const char *country)
{
    char name[3] = "";

    if (!country || strlen(country) != 2)
        return NULL;
    name[0] = upper(country[0]);
    name[1] = upper(country[1]);
    for (size_t i = 0; i < phone_plan_count; i++)
        if (strcmp(phone_plans[i].country, name) == 0)
            return &phone_plans[i];
    return NULL;
}

/* The text after this prefix; NULL = it has another prefix. */
static const char *after(const char *digits, const char *beginning)
{
    size_t length = strlen(beginning);
    return length && strncmp(digits, beginning, length) == 0 ? digits + length : NULL;
}

/* A whole number of this country, without anything before it. */
static int fits(const struct phone_plan *plan, const char *rest)
{
    size_t length = rest ? strlen(rest) : 0;
    return length && length <= LONGEST && plan->lengths >> length & 1 && plan->firsts >> (*rest - '0') & 1;
}

/* ---- What it is --------------------------------------------------------------------------- */

static int give(const char *code, const char *rest, char *ret)
{
    size_t length = strlen(code) + strlen(rest);

    if (length < SHORTEST || length > LONGEST || (*code ? *code : *rest) == '0')
        return 0;
    memcpy(ret, code, strlen(code));
    memcpy(ret + strlen(code), rest, strlen(rest) + 1);
    return 1;
}

/* A number with its country code; some people keep the 0 that is dialled inside the country. */
static int international(const char *digits, char *ret)
{
    for (size_t i = 0; i < phone_plan_count; i++) {
        const struct phone_plan *plan = &phone_plans[i];
        const char *rest = after(digits, plan->code);
        if (rest && !(plan->firsts & 1) && *rest == '0' && strcmp(plan->trunk, "0") == 0 && fits(plan, rest + 1))
            return give(plan->code, rest + 1, ret);
    }
    return give("", digits, ret);
}

/* The text after the international prefix; NULL = there is none. */
static const char *abroad(const struct phone_plan *plan, const char *digits)
{
    static const char *const before[] = {"00", "011", "810", "010", "0011", ""};
    const char *rest = after(digits, before[plan ? plan->foreign : PHONE_PLAIN]);

    return rest && *rest != '0' && strlen(rest) > SHORTEST ? rest : NULL;
}

static int national(const struct phone_plan *plan, const char *digits, int complete, char *ret)
{
    const char *coded = after(digits, plan->code), *dialled = after(digits, plan->trunk);
    int with_code = fits(plan, coded), with_trunk = fits(plan, dialled), bare = fits(plan, digits);

    if (strcmp(plan->code, plan->trunk) == 0)
        with_trunk = 0; /* 1 in America: the same number */
    if (with_code && (complete || *plan->trunk || !bare))
        return give("", digits, ret);
    if (with_trunk + with_code + bare != 1)
        return 0;
    return give(plan->code, with_trunk ? dialled : digits, ret);
}

int phone_read(const char *text, const char *country, int complete, char ret[PHONE_SIZE])
{
    const struct phone_plan *plan = plan_of(country);
    struct number n;

    if (!take(text, &n))
        return 0;
    if (n.plus)
        return international(n.digits, ret);
    const char *rest = abroad(plan, n.digits);
    if (rest)
        return international(rest, ret);
    if (strncmp(n.digits, "00", 2) == 0)
        return 0;
    if (plan)
        return national(plan, n.digits, complete, ret);
    return complete && n.digits[0] != '0' ? give("", n.digits, ret) : 0;
}
