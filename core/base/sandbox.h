/* SPDX-License-Identifier: MIT
 * Landlock: restricts writing of this process and its children to the given folders, whatever its user may do
 * elsewhere. Reading and the network are not restricted.
 */
#ifndef CORE_BASE_SANDBOX_H
#define CORE_BASE_SANDBOX_H

/* paths: NULL-terminated; if one does not exist, its nearest existing parent is used. Call it before any thread
 * starts: it applies to the calling thread and those that it creates. 0; -ENOSYS or -EOPNOTSUPP if the kernel
 * does not support it (nothing is restricted); else the error. */
int sandbox_writes(const char *const *paths);

#endif
