/* SPDX-License-Identifier: MIT
 * Reads a small file completely, with a limit: secrets, time zones, configuration.
 */
#ifndef CORE_BASE_FILE_H
#define CORE_BASE_FILE_H

#include <stddef.h>

#include "core/base/buf.h"

/* Reads a regular file of at most max bytes. On success ret is initialised and the caller ends it with buf_done;
 * on failure it is untouched. -EFBIG past max, -EISDIR for a directory, -EINVAL for anything else that is not a
 * regular file, else the errno of open or read. */
int file_read(const char *path, size_t max, struct buf *ret);
/* The same for a file of renewd's own: -ELOOP for a link. */
int file_read_own(const char *path, size_t max, struct buf *ret);

#endif
