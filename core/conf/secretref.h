/* SPDX-License-Identifier: MIT
 * References to secrets: `env:NAME`, `file:PATH`, `credential:NAME` (systemd). Used wherever the configuration
 * names a secret; a configuration file never holds the secret itself. No sentence from here repeats a value, or a
 * text that is not a reference, since that may be the secret itself.
 */
#ifndef CORE_CONF_SECRETREF_H
#define CORE_CONF_SECRETREF_H

struct error;
struct secret;

enum { SECRET_FILE_MAX = 64 * 1024 };

/* 0 when the text has the form of a reference, else -EINVAL. Reads nothing. */
int secretref_check(const char *ref);
/* Reads the secret into memory that is kept out of core dumps and swap. A value from the environment is
 * overwritten there (/proc/PID/environ no longer shows it) and kept for the next reading. Relative paths start
 * at relative_to_dir (NULL: the working directory). -EINVAL: not a reference; -ENOENT: not set (an empty value
 * is not set); -EISDIR: not a regular file; -EACCES and others; -EFBIG; -EILSEQ: a NUL in it. One end of line
 * (LF or CR LF) at the end of a file is removed. */
int secretref_read(const char *ref, const char *relative_to_dir, struct secret **ret_secret, struct error *e);
/* The file of a `file:` reference (the caller frees it); NULL for the others. */
char *secretref_path(const char *ref, const char *relative_to_dir);
/* What is suspicious about a value (quotes, blanks, line ends or a byte order mark around it, control characters
 * in it), as the rest of a sentence that begins with its name; it repeats nothing of the value. NULL: nothing. */
const char *secretref_odd(const struct secret *secret);

#endif
