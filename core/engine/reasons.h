/* SPDX-License-Identifier: MIT
 * Why one record is refreshed or not, as a sentence.
 */
#ifndef CORE_ENGINE_REASONS_H
#define CORE_ENGINE_REASONS_H

#include "core/engine/internal.h"

/* lease_until: of its credential's lease; 0 = none. */
void reason_of_one(const struct job *j, const struct record *r, enum reason reason, int64_t lease_until, char *ret,
                   size_t size);

#endif
