/* SPDX-License-Identifier: MIT
 * Facebook's Conversions API in the simulator: pixels, and which event came how often. Wants the truth's
 * lock held.
 */
#ifndef TESTS_SIM_FACEBOOK_EVENTS_H
#define TESTS_SIM_FACEBOOK_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct form;
struct json_object;
struct reply;
struct request;
struct token;

/* Whether this path, behind the version, is that of a pixel's events. */
bool events_path(const char *path);
/* What the body of such a request holds: a form's members, or those of a JSON object as texts. */
void events_form(const struct request *request, struct form *ret_form);
/* The events of a request whose token is good. */
void events_take(const struct request *request, const struct form *form, const struct token *token,
                 struct reply *reply);
/* The answer to this request did not reach the client as it was meant. */
void events_lost(uint64_t number);

/* account NULL: any. refusal: the code with which it refuses that account's events, 0 = none; 33 is 100/33. */
void pixel_add(const char *pixel, const char *account, int refusal);

void events_init(void);
void events_done(void);
void events_lines(const char *pixel, struct buf *out);
struct json_object *events_json(const char *pixel, const char *event_id);

#endif
