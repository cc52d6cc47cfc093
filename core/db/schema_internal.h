/* SPDX-License-Identifier: MIT
 * What the migrations' files share; nobody else includes it.
 */
#ifndef CORE_DB_SCHEMA_INTERNAL_H
#define CORE_DB_SCHEMA_INTERNAL_H

#include <stddef.h>

/* One statement; where the dialects differ, one for each; NULL for both = nothing to do there. */
struct step {
    const char *both;
    const char *postgresql, *sqlite;
};

/* schema_requests.c: requests out of SQL. */
extern const struct step migration_requests[];
extern const size_t migration_requests_count;
extern const struct step migration_asking[];
extern const size_t migration_asking_count;
/* schema_breaker.c: a job that its breaker holds. */
extern const struct step migration_breaker[];
extern const size_t migration_breaker_count;

/* schema_leases.c: leases of hosts that are gone, presentations without an answer. */
extern const struct step migration_leases[];
extern const size_t migration_leases_count;

/* schema_watch.c: changed rows are told of by triggers. */
extern const struct step migration_watch[];
extern const size_t migration_watch_count;

/* schema_served.c: which daemons have which jobs; the functions and views of SQL. */
extern const struct step migration_served[];
extern const size_t migration_served_count;

/* schema_history.c: old attempts are found when they go. */
extern const struct step migration_history[];
extern const size_t migration_history_count;
extern const struct step migration_spent[];
extern const size_t migration_spent_count;

/* schema_suspects.c: rule 10. */
extern const struct step migration_suspects[];
extern const size_t migration_suspects_count;

/* schema_events.c: events that wait for their provider. */
extern const struct step migration_events[];
extern const size_t migration_events_count;

/* schema_record_view.c: how a record stands, for an application's views on SQLite. */
extern const struct step migration_record_view[];
extern const size_t migration_record_view_count;

/* schema_wrote_error.c: what renewd wrote into last_error. */
extern const struct step migration_wrote_error[];
extern const size_t migration_wrote_error_count;

/* schema_told.c: what `also` columns were told. */
extern const struct step migration_told[];
extern const size_t migration_told_count;

/* schema_trouble.c: records that are not ok. */
extern const struct step migration_trouble[];
extern const size_t migration_trouble_count;
extern const struct step migration_expired[];
extern const size_t migration_expired_count;
extern const struct step migration_dead[];
extern const size_t migration_dead_count;
/* schema_shown.c: records without a credential, and those whose row is not the job's any more, in the views. */
extern const struct step migration_shown[];
extern const size_t migration_shown_count;
extern const struct step migration_suspects_shown[];
extern const size_t migration_suspects_shown_count;
/* schema_disabled.c: which jobs are disabled, and in which file. */
extern const struct step migration_disabled[];
extern const size_t migration_disabled_count;

#endif
