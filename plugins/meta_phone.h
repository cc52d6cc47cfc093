/* SPDX-License-Identifier: MIT
 * Converts a telephone number as written in its own country into international digits: country code first, no +. A
 * number that is ambiguous or cannot be read is left out. Linked into meta.so.
 */
#ifndef PLUGINS_META_PHONE_H
#define PLUGINS_META_PHONE_H

#include <stddef.h>
#include <stdint.h>

#define PHONE_SIZE 20

/* What is dialled before a foreign number: 00, 011, 810, 010, 0011, or something that is not supported. */
enum { PHONE_PLAIN, PHONE_NANP, PHONE_EAST, PHONE_JAPAN, PHONE_AUSTRALIA, PHONE_OTHER };

/* One country's plan: meta_phone_plans.c. */
struct phone_plan {
    char country[3]; /* ISO 3166 */
    char code[4];    /* the country's */
    char trunk[3];   /* dialled before a number of the same country; "" = nothing */
    uint8_t foreign;
    uint16_t firsts;  /* bit n: numbers may begin with the digit n, without trunk and code */
    uint32_t lengths; /* bit n: numbers may have n digits, likewise */
};
extern const struct phone_plan phone_plans[];
extern const size_t phone_plan_count;

/* 1 and the digits; 0: left out. country: two letters in any case, or NULL. complete: the number is meant to have its
 * country code, as Meta wants it; of two readings that one counts. */
int phone_read(const char *text, const char *country, int complete, char ret[PHONE_SIZE]);

#endif
