/* SPDX-License-Identifier: MIT
 * The cleanup attribute: `cleanup(free_p) char *s = NULL;` frees s wherever its scope is left.
 * Types have their own function beside them: buf_done, secret_free_p and so on.
 */
#ifndef CORE_BASE_CLEANUP_H
#define CORE_BASE_CLEANUP_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define cleanup(f) __attribute__((__cleanup__(f)))

/* pp is the address of any pointer that came from malloc. */
static inline void free_p(void *pp)
{
    void *p;
    memcpy(&p, pp, sizeof(p));
    free(p);
}

static inline void close_p(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#endif
