/* SPDX-License-Identifier: MIT
 * Cases of answers.txt, read line by line. The file's head says how a case is written.
 */
#ifndef TESTS_PLUGINS_ANSWERS_H
#define TESTS_PLUGINS_ANSWERS_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/plugins/fake_services.h"

enum { STEPS_MAX = 4, WANTED_MAX = 16, SETUP_MAX = 32 };

struct answer_step {
    int32_t status; /* of the reply */
    struct fake_header headers[FAKE_LIST];
    size_t header_count;
    const char *body;
};

/* One case. Its texts point into the line, which is taken to pieces. */
struct answer_case {
    struct answer_step steps[STEPS_MAX];
    size_t step_count; /* 0: the plugin fails before it asks */
    bool call;         /* it answers a call of the API, not a refresh */
    bool refused;      /* of a call: its token */
    int32_t outcome;
    const char *code;                /* "" = none */
    const char *effects[WANTED_MAX]; /* "name=value" */
    size_t effect_count;
    int64_t next, slow, strike, notify; /* -1 = not said; next in seconds from now */
    const char *text;                   /* part of the sentence; NULL = not said */
};

/* What a plugin is given before each case: "setting", "slot", "record" and so on. */
struct setup {
    char plugin[64];
    char *lines[SETUP_MAX]; /* "slot refresh_token = r1"; owned */
    size_t count;
    int64_t now;
};

/* True when the line is a case; false with *ret_why when it cannot be read. */
bool answer_read(char *line, struct answer_case *ret_case, const char **ret_why);

void setup_forget(struct setup *setup);
/* Keeps the line, in the place of an earlier one for the same name. */
void setup_add(struct setup *setup, const char *line);
/* False when a line names something that the plugin does not have. */
bool setup_apply(const struct setup *setup, struct fake *f);

#endif
