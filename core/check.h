/* SPDX-License-Identifier: MIT
 * renewd --check: every mistake of every file at once, each secret by name. Writes nothing, sends nothing.
 */
#ifndef CORE_CHECK_H
#define CORE_CHECK_H

enum { EXIT_CONFIG = 78 };

/* The exit status: 0, or EXIT_CONFIG for any mistake. */
int check_configuration(const char *file);

#endif
