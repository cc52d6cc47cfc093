/* SPDX-License-Identifier: MIT
 * See state_kit.h.
 */
#include "tests/unit/state_kit.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"

struct keyring *ring_of(char digit)
{
    struct keyring *r;
    char hex[65];

    memset(hex, digit, 64);
    hex[64] = '\0';
    keyring_new(&r);
    if (keyring_add(r, "k1", hex, NULL) < 0)
        exit(99);
    return r;
}

void remove_tree(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *entry;

    while (d && (entry = readdir(d))) {
        cleanup(free_p) char *below = xasprintf("%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlink(below) < 0)
            remove_tree(below);
    }
    if (d)
        closedir(d);
    rmdir(path);
}
