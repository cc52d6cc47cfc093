/* SPDX-License-Identifier: MIT
 * What other processes and other times left behind: spool files, leases, a restored database, old history. What the engine's other folders may call.
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
/* What dead processes of this installation kept, before anything more is kept. */
void restored_database_take(struct engine *e);
/* Whether a kept commit is of this installation: the fingerprint of what it brought is made with our key. */
bool restored_database_ours(void *engine, const char *newest, const char *text, size_t len);

/* unowned_leases.c */
void unowned_leases_check(struct engine *e);

/* expired_leases.c: leases whose holder is gone. */
/* What is noted of an attempt whose end nobody knows, under its own attempt id. */
struct commit *expired_lease_commit(struct engine *e, struct job *j, const struct lease_row *l, const char *code,
                                    const char *text);
void expired_leases_check(struct engine *e);

/* history.c */
void history_start(struct engine *e);

#endif
