/* SPDX-License-Identifier: MIT
 * See sandbox.h. Uses system calls directly, since the C library has no functions for Landlock.
 */
#include "config.h" /* _GNU_SOURCE */

#include "core/base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"

#if __has_include(<linux/landlock.h>) && defined SYS_landlock_create_ruleset
#    include <linux/landlock.h>

enum { ABI_REFER = 2, ABI_TRUNCATE = 3 };

static uint64_t writes(int abi)
{
    uint64_t all = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                   LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                   LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                   LANDLOCK_ACCESS_FS_MAKE_SYM;
#    ifdef LANDLOCK_ACCESS_FS_REFER
    if (abi >= ABI_REFER)
        all |= LANDLOCK_ACCESS_FS_REFER;
#    endif
#    ifdef LANDLOCK_ACCESS_FS_TRUNCATE
    if (abi >= ABI_TRUNCATE)
        all |= LANDLOCK_ACCESS_FS_TRUNCATE;
#    endif
    (void)abi;
    return all;
}

/* A path may be a file, for which rights of folders are not allowed. */
static uint64_t fitting(int fd, uint64_t all)
{
    struct stat st;
    uint64_t of_files = LANDLOCK_ACCESS_FS_WRITE_FILE;

#    ifdef LANDLOCK_ACCESS_FS_TRUNCATE
    of_files |= LANDLOCK_ACCESS_FS_TRUNCATE;
#    endif
    return fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode) ? all & of_files : all;
}

static int allow(int rules, const char *path, uint64_t all)
{
    cleanup(free_p) char *at = xstrdup(path);
    cleanup(close_p) int fd = open(at, O_PATH | O_CLOEXEC);

    for (char *slash; fd < 0 && errno == ENOENT && (slash = strrchr(at, '/')) != NULL;
         fd = open(at, O_PATH | O_CLOEXEC))
        memcpy(slash == at ? slash + 1 : slash, "", 1);
    if (fd < 0)
        return -errno;
    struct landlock_path_beneath_attr rule = {.allowed_access = fitting(fd, all), .parent_fd = fd};
    return syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno : 0;
}

int sandbox_writes(const char *const *paths)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 0)
        return -errno;
    struct landlock_ruleset_attr attr = {.handled_access_fs = writes((int)abi)};
    cleanup(close_p) int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0);
    if (rules < 0)
        return -errno;
    for (; *paths; paths++) {
        int r = allow(rules, *paths, attr.handled_access_fs);
        if (r < 0)
            return r;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_landlock_restrict_self, rules, 0) < 0)
        return -errno;
    return 0;
}
#else
int sandbox_writes(const char *const *paths)
{
    (void)paths;
    return -ENOSYS;
}
#endif
