/* SPDX-License-Identifier: MIT
 * Events of applications on their way to the provider. The interface of this folder for the engine's other folders.
 */
#ifndef CORE_ENGINE_EVENTS_EVENTS_H
#define CORE_ENGINE_EVENTS_EVENTS_H

#include "core/engine/state/state.h"

/* dispatch.c: events of applications, on their way to the provider. */
void events_new(struct job *j);
void events_free(struct job *j);
void events_start(struct job *j);
void events_stop(struct job *j);
/* As attempts_give_up: the leases of what was sent expire. */
void events_give_up(struct job *j);
/* Some events were added. */
void events_came(struct job *j);
/* Events that wait for a change by their application or owner may be able to leave. A process that has just
 * started, or that did not send them itself, does not know what blocks them: it makes them due too, except those of
 * a record that is_new. */
void events_record_changed(struct job *j, const char *key, bool is_new);
bool events_idle(const struct job *j);
bool events_at_work(const struct job *j);

#endif
