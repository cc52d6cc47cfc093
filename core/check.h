/* SPDX-License-Identifier: MIT
 * renewd --check: every mistake of every file at once, each secret by name; with --connect what the
 * database says of each job. Nothing that is written stays, nothing is sent.
 */
#ifndef CORE_CHECK_H
#define CORE_CHECK_H

#include <stdbool.h>

enum { EXIT_CONFIG = 78 };

/* The exit status: 0, or EXIT_CONFIG for any mistake. */
int check_configuration(const char *file, bool connect);

#endif
