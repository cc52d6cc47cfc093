/* SPDX-License-Identifier: MIT
 * See secret_files.h.
 */
#include "core/config/secret_files.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/alloc.h"

/* Follows links: Kubernetes replaces a link when it updates mounted secrets. */
static struct secret_file as_it_is(const char *path)
{
    struct secret_file now = {NULL, NULL, 0, 0, -1, 0};
    struct stat st;

    if (stat(path, &st) < 0)
        return now;
    now.inode = (int64_t)st.st_ino;
    now.device = (int64_t)st.st_dev;
    now.size = (int64_t)st.st_size;
    now.changed_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
    return now;
}

void secret_files_add(struct secret_files *f, const char *reference, const char *path)
{
    struct secret_file one = as_it_is(path);

    one.reference = xstrdup(reference);
    one.path = xstrdup(path);
    f->list = xrealloc(f->list, (f->count + 1) * sizeof *f->list);
    f->list[f->count++] = one;
}

const char *secret_files_changed(struct secret_files *f)
{
    const char *changed = NULL;

    for (size_t i = 0; i < f->count; i++) {
        struct secret_file *was = &f->list[i], now = as_it_is(was->path);
        if (now.inode == was->inode && now.device == was->device && now.size == was->size &&
            now.changed_ns == was->changed_ns)
            continue;
        now.reference = was->reference;
        now.path = was->path;
        *was = now;
        changed = changed ? changed : now.reference;
    }
    return changed;
}

void secret_files_done(struct secret_files *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->list[i].reference);
        free(f->list[i].path);
    }
    free(f->list);
    *f = (struct secret_files){NULL, 0};
}
