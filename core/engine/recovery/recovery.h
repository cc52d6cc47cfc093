/* SPDX-License-Identifier: MIT
 * What other processes and earlier times left: spool files, leases, a restored database, old history. The interface
 * of this folder for the engine's other folders.
 */
#ifndef CORE_ENGINE_RECOVERY_RECOVERY_H
#define CORE_ENGINE_RECOVERY_RECOVERY_H

#include "core/engine/state/state.h"

/* crashed_process.c */
void recover_check(struct engine *e);
void recover_siblings(struct engine *e);
void recover_kept(struct engine *e, bool all);

/* restored_database.c */
void restored_database_check(struct engine *e);
/* What dead processes of this installation retained, before anything more is retained. */
void restored_database_take(struct engine *e);
/* Whether a retained commit is of this installation: the fingerprint of its new credential is made with our key. */
bool restored_database_ours(void *engine, const char *newest, const char *text, size_t len);

/* unowned_leases.c */
void unowned_leases_check(struct engine *e);

/* expired_leases.c: leases whose holder is gone. */
/* What is noted about an attempt with an unknown end, under its own attempt id. */
struct commit *expired_lease_commit(struct engine *e, struct job *j, const struct lease_row *l, const char *code,
                                    const char *text);
void expired_leases_check(struct engine *e);

/* history.c */
void history_start(struct engine *e);

#endif
