/* SPDX-License-Identifier: MIT
 * References to secrets: `env:NAME`, `file:PATH`, `credential:NAME` (systemd). Used wherever
 * configuration names a secret; the secret itself never stands in a configuration file. No sentence
 * from here repeats a value, and what is not a reference is never repeated either: it may be the
 * secret itself.
 */
#ifndef CORE_CONF_SECRETREF_H
#define CORE_CONF_SECRETREF_H

struct error;
struct secret;

enum { SECRET_FILE_MAX = 64 * 1024 };

/* 0 when the text has the form of a reference, else -EINVAL. Reads nothing. */
int secretref_check(const char *ref);
/* Read it, into memory that is kept out of core dumps and swap. What is read from the environment is overwritten there
 * (/proc/PID/environ shows it to nobody any more) and kept for the next reading. Relative paths are looked for in relative_to_dir (may be NULL: the working directory).
 * -EINVAL no reference, -ENOENT not set (an empty value is not set), -EISDIR no regular file,
 * -EACCES and others, -EFBIG, -EILSEQ a NUL in it. One end of line at the end of a file, LF or CR LF, is taken
 * off. */
int secretref_read(const char *ref, const char *relative_to_dir, struct secret **ret_secret, struct error *e);
/* The file that a `file:` reference leads to (the caller's); NULL for the others. */
char *secretref_path(const char *ref, const char *relative_to_dir);
/* What is suspicious about a value, as the rest of a sentence that begins with its name and repeats nothing of
 * it: quotes, blanks, line ends, a byte order mark round it, control characters in it. NULL: nothing. */
const char *secretref_odd(const struct secret *secret);

#endif
