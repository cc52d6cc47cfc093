/* SPDX-License-Identifier: MIT
 * renewd --check: lists every mistake of every file at once, and each secret by name; with --connect it also checks
 * each job against the database. All writes are rolled back; no request is sent.
 */
#ifndef CORE_CHECK_H
#define CORE_CHECK_H

#include <stdbool.h>

enum { EXIT_CONFIG = 78 };

/* The exit status: 0, or EXIT_CONFIG for any mistake. */
int check_configuration(const char *file, bool connect);

#endif
