/* SPDX-License-Identifier: MIT
 * Landlock: from here on this process, and what it starts, writes beneath the given folders alone, whatever its user
 * may do elsewhere. Reading, and the network, stay as they are.
 */
#ifndef CORE_BASE_SANDBOX_H
#define CORE_BASE_SANDBOX_H

/* paths: NULL-terminated; of one that is not there the nearest folder above it that is counts. Before any thread is
 * started: it holds for the calling one and its own. 0; -ENOSYS or -EOPNOTSUPP where the kernel has none (nothing is
 * restricted); else why not. */
int sandbox_writes(const char *const *paths);

#endif
