/* SPDX-License-Identifier: MIT
 * See sqlite_file.h.
 */
#include "core/db/sqlite_file.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/vfs.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"

const char *sqlite_file_network(int64_t type)
{
    static const struct {
        uint32_t type;
        const char *name;
    } known[] = {
        {0x6969, "nfs"}, {0xff534d42, "cifs"}, {0xfe534d42, "cifs"},
        {0x517b, "smb"}, {0x01021997, "9p"},   {0x65735546, "fuse"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].type == (uint32_t)type)
            return known[i].name;
    return NULL;
}

int sqlite_file_place(const char *path, bool allowed, struct error *e)
{
    struct statfs there;
    int res = statfs(path, &there);
    if (res < 0 && errno == ENOENT) { /* the file does not exist yet: its folder is checked */
        const char *slash = strrchr(path, '/');
        cleanup(free_p) char *dir = slash == path ? xstrdup("/")
                                    : slash       ? xstrndup(path, (size_t)(slash - path))
                                                  : xstrdup(".");
        res = statfs(dir, &there);
    }
    const char *name = res < 0 ? NULL : sqlite_file_network(there.f_type);
    if (!name || allowed)
        return 0;
    return error_set(
        e, -EINVAL,
        "the SQLite database %s lies on %s, where file locks may not work between machines: put it on a local "
        "disk, or set network = true in store where one machine alone uses it",
        path, name);
}

bool sqlite_file_takes_wal(bool asked, bool made, int64_t application_id)
{
    return asked || made || application_id == SQLITE_FILE_OURS;
}
