/* SPDX-License-Identifier: MIT
 * Memory for the few secrets that live as long as the process: keys and what configuration names. Each has pages of its
 * own, which are kept out of core dumps and, as far as the system's limit allows, out of swap.
 */
#ifndef CORE_BASE_VAULT_H
#define CORE_BASE_VAULT_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed; never NULL (ends the process as xmalloc does). size > 0. */
void *vault_alloc(size_t size);
/* Wiped and given back; accepts NULL. size as it was asked for. */
void vault_free(void *p, size_t size);
/* Whether all of it so far could be locked (RLIMIT_MEMLOCK). */
bool vault_locked(void);

#endif
