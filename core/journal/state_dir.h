/* SPDX-License-Identifier: MIT
 * The state directory: who this host is, and that one daemon alone uses it. A host keeps its id
 * here; an empty directory is a new host. Used by the programs before the store and the spool are
 * opened.
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

/* Creates the directory (0700) and the host id when they are missing. With daemon true it is
 * locked: -EBUSY with the process id of the daemon that has it. Without, any number may open it
 * (--once). */
int state_dir_open(const char *path, bool daemon, struct state_dir **ret, struct error *e);
/* How far this host has seen an installation's database count (store/guard.h); 0 = never seen. Kept in the file
 * `seen`, with the one installation that was seen last. */
int state_dir_seen(const struct state_dir *s, const char *installation, int64_t *ret, struct error *e);
int state_dir_see(const struct state_dir *s, const char *installation, int64_t sequence, struct error *e);
void state_dir_free(struct state_dir *s);

/* Whether a folder of renewd's own may be used: no link (unless allowed), not everybody's to write, nobody else's. */
int state_dir_fit(const char *path, bool link_allowed, struct error *e);

#endif
