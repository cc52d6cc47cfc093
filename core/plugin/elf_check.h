/* SPDX-License-Identifier: MIT
 * Whether a file is a whole shared object of this machine, told from its headers alone. Used before
 * dlopen, which would run constructors of a wrong file and crash on a cut one.
 */
#ifndef CORE_PLUGIN_ELF_CHECK_H
#define CORE_PLUGIN_ELF_CHECK_H

#include "core/base/error.h"

/* -ENOENT or another errno of opening; -ENOEXEC with a sentence that names the file. */
int elf_check(const char *path, struct error *e);

#endif
