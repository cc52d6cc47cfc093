/* SPDX-License-Identifier: MIT
 * Tables of answers of a token endpoint and what has to follow, for the tests of OAuth plugins.
 */
#ifndef TESTS_OAUTH_ANSWERS_H
#define TESTS_OAUTH_ANSWERS_H

#include "tests/plugins/fake_services.h"

struct answer {
    int status;
    const char *body;
    int outcome; /* 0: RENEWD_DONE */
    const char *code;
};
/* Each answer alone, ended by status -1. A refusal must record nothing and repeat nothing of the
 * answer's free text. */
void check_answers(struct fake *f, const struct answer *list);

struct lifetime {
    const char *members; /* of the answer, after the access token: ", \"expires_in\": 5" */
    const char *effects; /* as the fake keeps them */
};
/* Successes at time 1000; ended by NULL. */
void check_lifetimes(struct fake *f, const struct lifetime *list);

#endif
