/* SPDX-License-Identifier: MIT
 * The state directory: holds the host's id and the lock that allows only one daemon. An empty directory is a new
 * host. The programs open it before the store and the spool.
 */
#ifndef CORE_JOURNAL_STATE_DIR_H
#define CORE_JOURNAL_STATE_DIR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/rules/record.h"

struct state_dir {
    char *path;
    char host[ID_SIZE];        /* kept in the file `host` */
    char incarnation[ID_SIZE]; /* this process's, new at each start */
    int lock;                  /* of daemon.lock; -1 unless opened as a daemon */
};

/* Creates the directory (0700) and the host id when they are missing. With daemon true it is locked: -EBUSY with
 * the process id of the daemon that has it. With daemon false any number of processes may open it (--once). */
int state_dir_open(const char *path, bool daemon, struct state_dir **ret, struct error *e);
/* The highest counter of an installation's database that this host has seen (core/store/guard.h); 0 = never
 * seen. Stored in the file `seen`, for the last seen installation only. */
int state_dir_seen(const struct state_dir *s, const char *installation, int64_t *ret, struct error *e);
int state_dir_see(const struct state_dir *s, const char *installation, int64_t sequence, struct error *e);
void state_dir_free(struct state_dir *s);

/* Whether a folder of renewd's own may be used: not a link (unless allowed), not writable by others, and not
 * owned by another user. */
int state_dir_fit(const char *path, bool link_allowed, struct error *e);

#endif
