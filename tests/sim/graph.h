/* SPDX-License-Identifier: MIT
 * What Instagram and Facebook share in the simulator: errors and usage headers of the Graph API.
 */
#ifndef TESTS_SIM_GRAPH_H
#define TESTS_SIM_GRAPH_H

#include "tests/sim/form.h"
#include "tests/sim/sim.h"
#include "tests/sim/truth.h"

/* subcode 0 leaves it out. */
void graph_refuse(struct reply *reply, int status, int code, int subcode, const char *type, const char *message);
/* Why a revoked or expired token is refused; the reason of the revocation, where it is a number, is the
 * subcode, "tester" is Instagram's "Unsupported request". */
void graph_refuse_token(struct reply *reply, const struct token *token);
/* access_token, token_type and expires_in (0: left out), with usage headers. */
void graph_grant(struct reply *reply, const char *token, int64_t expires_in);
/* The provider's token of that name in the query, or NULL. */
struct token *graph_token(const struct provider *provider, const struct request *request, const char *name);

#endif
