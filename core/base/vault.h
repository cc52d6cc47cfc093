/* SPDX-License-Identifier: MIT
 * Memory for the few secrets that are kept as long as the process runs: keys and secrets of the configuration. Each
 * has separate pages, which are kept out of core dumps and, as far as the system's limit allows, out of swap.
 */
#ifndef CORE_BASE_VAULT_H
#define CORE_BASE_VAULT_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed; never NULL (ends the process as xmalloc does). size > 0. */
void *vault_alloc(size_t size);
/* Wipes and frees the memory; accepts NULL. size as in the allocation. */
void vault_free(void *p, size_t size);
/* Whether all of it could be locked so far (RLIMIT_MEMLOCK). */
bool vault_locked(void);

#endif
