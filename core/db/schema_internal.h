/* SPDX-License-Identifier: MIT
 * What the files of the migrations share; no other file includes it.
 */
#ifndef CORE_DB_SCHEMA_INTERNAL_H
#define CORE_DB_SCHEMA_INTERNAL_H

#include <stddef.h>

/* One statement, or one for each dialect where they differ; NULL for both = nothing to do there. */
struct step {
    const char *both;
    const char *postgresql, *sqlite;
};

/* schema_tables.c: requests made in SQL. */
extern const struct step migration_requests[];
extern const size_t migration_requests_count;
extern const struct step migration_asking[];
extern const size_t migration_asking_count;
/* schema_tables.c: jobs held by the breaker. */
extern const struct step migration_breaker[];
extern const size_t migration_breaker_count;

/* schema_tables.c: leases of dead hosts, presentations without an answer. */
extern const struct step migration_leases[];
extern const size_t migration_leases_count;

/* schema_sql.c: triggers that notify renewd of changed rows. */
extern const struct step migration_watch[];
extern const size_t migration_watch_count;

/* schema_sql.c: which daemon runs which job; the functions and views for use in SQL. */
extern const struct step migration_served[];
extern const size_t migration_served_count;

/* schema_tables.c: indexes for the removal of old attempts. */
extern const struct step migration_history[];
extern const size_t migration_history_count;
extern const struct step migration_spent[];
extern const size_t migration_spent_count;

/* schema_tables.c: an index on the records that keep failing. */
extern const struct step migration_failing[];
extern const size_t migration_failing_count;
extern const struct step migration_tried[];
extern const size_t migration_tried_count;

/* schema_tables.c: rule 10. */
extern const struct step migration_suspects[];
extern const size_t migration_suspects_count;

/* schema_tables.c: events that wait for their provider. */
extern const struct step migration_events[];
extern const size_t migration_events_count;

/* schema_sql.c: the state of a record, for an application's views on SQLite. */
extern const struct step migration_record_view[];
extern const size_t migration_record_view_count;

/* schema_tables.c: what renewd wrote into last_error. */
extern const struct step migration_wrote_error[];
extern const size_t migration_wrote_error_count;

/* schema_tables.c: what was written to `also` columns. */
extern const struct step migration_told[];
extern const size_t migration_told_count;

/* schema_sql.c: records that are not ok. */
extern const struct step migration_trouble[];
extern const size_t migration_trouble_count;
extern const struct step migration_expired[];
extern const size_t migration_expired_count;
extern const struct step migration_dead[];
extern const size_t migration_dead_count;
/* schema_sql.c: in the views, records without a credential, and those whose row no longer belongs to the job. */
extern const struct step migration_shown[];
extern const size_t migration_shown_count;
extern const struct step migration_suspects_shown[];
extern const size_t migration_suspects_shown_count;
/* schema_sql.c: which jobs are disabled, and in which file. */
extern const struct step migration_disabled[];
extern const size_t migration_disabled_count;
/* schema_tables.c */
extern const struct step migration_fault[];
extern const size_t migration_fault_count;

/* schema_sql.c: runs that wait for a renewd. */
extern const struct step migration_waiting[];
extern const size_t migration_waiting_count;
extern const struct step migration_resume[];
extern const size_t migration_resume_count;

/* schema_sql.c: the sources of jobs that keep rows of one table. */
extern const struct step migration_sources[];
extern const size_t migration_sources_count;

#endif
