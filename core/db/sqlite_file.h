/* SPDX-License-Identifier: MIT
 * Decisions about an SQLite file before it is used: where it may be, and whether renewd sets its journal mode.
 */
#ifndef CORE_DB_SQLITE_FILE_H
#define CORE_DB_SQLITE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"

/* The application id in the header of each file that renewd creates ("rnwd"). */
enum { SQLITE_FILE_OURS = 0x726e7764 };

/* The name of a file system (statfs's f_type) on which two machines may not see each other's locks; else NULL. */
const char *sqlite_file_network(int64_t type);
/* -EINVAL with a sentence for a path on such a file system, unless it is allowed. */
int sqlite_file_place(const char *path, bool allowed, struct error *e);
/* The journal mode of a database that renewd did not create is not changed. */
bool sqlite_file_takes_wal(bool asked, bool made, int64_t application_id);

#endif
