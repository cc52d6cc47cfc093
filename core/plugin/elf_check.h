/* SPDX-License-Identifier: MIT
 * Checks by its headers that a file is a complete shared object for this machine. Used before dlopen, which would
 * run constructors of a wrong file and crash on a truncated one.
 */
#ifndef CORE_PLUGIN_ELF_CHECK_H
#define CORE_PLUGIN_ELF_CHECK_H

#include "core/base/error.h"

/* -ENOENT or another errno of opening; -ENOEXEC with a sentence that names the file. */
int elf_check(const char *path, struct error *e);

#endif
