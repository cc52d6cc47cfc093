/* SPDX-License-Identifier: MIT
 * See vault.h.
 */
#include "config.h" /* _GNU_SOURCE */

#include "core/base/vault.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static atomic_bool unlocked;

static size_t pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (size + page - 1) / page * page;
}

void *vault_alloc(size_t size)
{
    void *p = mmap(NULL, pages(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        fputs("renewd: out of memory\n", stderr);
        abort();
    }
    (void)madvise(p, pages(size), MADV_DONTDUMP);
    if (mlock(p, pages(size)) < 0)
        unlocked = true;
    return p;
}

void vault_free(void *p, size_t size)
{
    if (!p)
        return;
    explicit_bzero(p, size);
    (void)munmap(p, pages(size));
}

bool vault_locked(void)
{
    return !unlocked;
}
