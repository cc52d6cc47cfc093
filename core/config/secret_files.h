/* SPDX-License-Identifier: MIT
 * The files from which a job's secrets were read, and whether one of them has changed. A check costs one stat() for
 * each file; no value is stored here.
 */
#ifndef CORE_CONFIG_SECRET_FILES_H
#define CORE_CONFIG_SECRET_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct secret_file {
    char *reference, *path;
    int64_t inode, device, size, changed_ns; /* as it was when it was read */
};
struct secret_files {
    struct secret_file *list;
    size_t count;
};

void secret_files_add(struct secret_files *f, const char *reference, const char *path);
/* The reference of the first file that was changed or removed; NULL: none. Its present state is stored for the
 * next check. */
const char *secret_files_changed(struct secret_files *f);
void secret_files_done(struct secret_files *f);

#endif
