/* SPDX-License-Identifier: MIT
 * The files that a job's secrets were read from, and whether one of them is another by now. Costs a stat() a file
 * while nothing changes; no value is kept here.
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
/* The reference of the first one that is another file than before, or gone; NULL: none. From here on it counts as it
 * is now. */
const char *secret_files_changed(struct secret_files *f);
void secret_files_done(struct secret_files *f);

#endif
