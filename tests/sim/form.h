/* SPDX-License-Identifier: MIT
 * Reading what a client sends: form members, HTTP Basic, bearer tokens. Knows no provider.
 */
#ifndef TESTS_SIM_FORM_H
#define TESTS_SIM_FORM_H

#include <stdbool.h>
#include <stddef.h>

struct request;

enum { FORM_MAX = 64 };

struct form {
    size_t count;
    bool twice;     /* a name occurs twice */
    bool malformed; /* too many members, a bad escape, a NUL */
    char *names[FORM_MAX], *values[FORM_MAX];
};

void form_parse(const char *text, struct form *ret_form);
void form_done(struct form *form);
/* NULL when absent; an empty value is "". */
const char *form_get(const struct form *form, const char *name);

/* Plus and percent decoding; NULL when malformed. The caller frees it. */
char *form_decode(const char *text, size_t len);
bool content_is_form(const struct request *request);

/* Who the client says it is, from the Authorization header or the form. */
struct client_claim {
    char *id, *secret; /* NULL when not said */
    bool basic, both, malformed;
};
void client_claim_read(const struct request *request, const struct form *form, struct client_claim *ret_claim);
void client_claim_done(struct client_claim *claim);

/* The token of `Authorization: Bearer`, or NULL; points into the request. */
const char *bearer_of(const struct request *request);
/* True when every word of wanted is among those of granted. */
bool scope_within(const char *wanted, const char *granted);

#endif
