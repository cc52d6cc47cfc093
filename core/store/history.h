/* SPDX-License-Identifier: MIT
 * How long history is kept; see history.c.
 */
#ifndef CORE_STORE_HISTORY_H
#define CORE_STORE_HISTORY_H

#include "core/db/db.h"

/* One batch of rows older than `before`, and of credentials that were replaced before `spent_before`; ret_more: there may
 * be more of them. */
int store_history_trim(struct db *db, int64_t before, int64_t spent_before, bool *ret_more, struct error *e);

#endif
