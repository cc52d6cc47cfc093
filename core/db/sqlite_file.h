/* SPDX-License-Identifier: MIT
 * What is decided about an SQLite file before it is used: where it may lie, and whether its journal mode is ours.
 */
#ifndef CORE_DB_SQLITE_FILE_H
#define CORE_DB_SQLITE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"

/* In the header of each file that renewd has made ("rnwd"). */
enum { SQLITE_FILE_OURS = 0x726e7764 };

/* The name of a file system, by statfs's f_type, on which two machines' locks may not see each other; else NULL. */
const char *sqlite_file_network(int64_t type);
/* -EINVAL with a sentence for a path on such a one, unless it is allowed. */
int sqlite_file_place(const char *path, bool allowed, struct error *e);
/* The journal mode of somebody's database is theirs. */
bool sqlite_file_takes_wal(bool asked, bool made, int64_t application_id);

#endif
