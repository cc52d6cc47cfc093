/* SPDX-License-Identifier: MIT
 * Warns when other users may write files that renewd trusts like its own code, or read secrets. It only warns and
 * holds no job: on some file systems the modes mean nothing.
 */
#include <sys/stat.h>

#include "core/config/config_internal.h"

void modes_look(struct conf_mistakes *m, const struct conf_item *item, const char *what, const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0 || !(st.st_mode & (S_IWGRP | S_IWOTH)))
        return;
    bool all = st.st_mode & S_IWOTH;
    conf_warning(
        m, item, item ? NULL : path,
        "%s%s%s may be written by %s (mode %04o), who could have secrets sent to another address: chmod %s %s",
        what, item ? " " : "", item ? path : "", all ? "everybody" : "its group", (unsigned)st.st_mode & 07777,
        all ? "go-w" : "g-w", path);
}

void modes_look_secret(struct conf_mistakes *m, const struct conf_item *item, const char *reference,
                       const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0 || !(st.st_mode & (S_IROTH | S_IWGRP | S_IWOTH)))
        return;
    bool written = st.st_mode & (S_IWGRP | S_IWOTH);
    conf_warning(m, item, NULL, "secret %s may be %s by %s (mode %04o): chmod %s %s", reference,
                 written ? "written" : "read", st.st_mode & (S_IROTH | S_IWOTH) ? "everybody" : "its group",
                 (unsigned)st.st_mode & 07777, written ? "go-w,o-r" : "o-r", path);
}
