/* SPDX-License-Identifier: MIT
 * References to secrets: `env:NAME`, `file:PATH`, `credential:NAME` (systemd). Used wherever
 * configuration names a secret; the secret itself never stands in a configuration file. No sentence
 * from here repeats a value, and what is not a reference is never repeated either: it may be the
 * secret itself.
 */
#ifndef CORE_ADAPTERS_SECRETREF_H
#define CORE_ADAPTERS_SECRETREF_H

struct error;
struct secret;

enum { SECRET_FILE_MAX = 64 * 1024 };

/* 0 when the text has the form of a reference, else -EINVAL. Reads nothing. */
int secretref_check(const char *ref);
/* Read it. Relative paths are looked for in relative_to_dir (may be NULL: the working directory).
 * -EINVAL no reference, -ENOENT not set (an empty value is not set), -EISDIR no regular file,
 * -EACCES and others, -EFBIG, -EILSEQ a NUL in it. One newline at the end of a file is taken off.
 */
int secretref_read(const char *ref, const char *relative_to_dir, struct secret **ret_secret,
                   struct error *e);

#endif
