/* SPDX-License-Identifier: MIT
 * renewd.conf and conf.d as checked structs. Reading collects every mistake of all files with file
 * and line; a mistake in renewd.conf stops the daemon, one in a job's file holds that job alone.
 */
#ifndef CORE_CONFIG_CONFIG_H
#define CORE_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/secret.h"
#include "core/conf/conf.h"
#include "core/config/secret_files.h"
#include "core/crypto/crypto.h"
#include "core/plugin/load.h"
#include "core/plugin/settings.h"
#include "core/time/cron.h"

struct column_wish;
struct only_wish;
struct table;
struct owner_requirement;
struct table_requirement;

struct api_client {
    char *name;
    unsigned char secret_hash[CRYPTO_HASH];
    bool has_secret;
    char **jobs;  /* NULL-terminated; "*" = all */
    char **allow; /* NULL-terminated: functions token forward events read operate */
};

struct config {
    char *file, *dir;                        /* absolute */
    char *conf_dir, *plugin_dir, *state_dir; /* absolute */
    char *store_driver;                      /* "sqlite" | "postgresql" */
    char *store_path;                        /* absolute; SQLite */
    struct secret *store_dsn;
    bool store_wal, store_network;
    struct keyring *keys;
    char *api_socket; /* absolute; NULL: no socket listener (socket = "") */
    char *api_listen; /* NULL: no TCP listener */
    char *tls_certificate;
    struct secret *tls_key;
    struct api_client *clients;
    size_t client_count;
    char **token_users;   /* besides root and renewd's own user, who gets tokens over the socket; may be NULL */
    int64_t spool_keep;   /* bytes */
    int64_t spent_keep_s; /* how long a spent credential is known; default 90 days */
    char *public_url;     /* NULL: none */
    char **api_hosts;     /* further host names of the listener; NULL: none */
    bool sandbox;         /* default true */
    char *tls_key_ref;    /* the source of tls_key: read again at a reload */
    int64_t stop_wait_ms; /* wait for running attempts at the end; default 45 */
};

/* A secret by name for --check; it does not hold the value. */
struct secret_use {
    char *file, *setting, *reference;
    int line;
    bool set;
};
struct secret_uses {
    struct secret_use *list;
    size_t count;
};
void secret_uses_done(struct secret_uses *u);

/* Text for `renewd --check`: every mistake as "FILE:LINE: sentence", every warning as "warning: FILE:LINE:
 * sentence", then every secret by name as "FILE:LINE: SETTING REFERENCE is set" (or "is not set"). Returns
 * how many mistakes there are. */
size_t config_check_report(FILE *to, const struct conf_mistakes *m, const struct secret_uses *uses);

/* Mistakes are appended to m; then it returns -EINVAL, and *ret is what could be read of the file: enough to
 * check the jobs for further mistakes, not to run. *ret is NULL only when the file cannot be read. Secrets are
 * appended to uses. */
int config_load(const char *path, struct conf_mistakes *m, struct secret_uses *uses, struct config **ret);
void config_free(struct config *c);

struct mapped_column {
    char *slot, *column;
    int type; /* RENEWD_TEXT ... */
    bool core, credential, written;
};
struct status_value {
    int state; /* enum state */
    char *value;
};
struct only_rule {
    char *column;
    char **values; /* NULL-terminated */
};
struct also_write { /* one column of `also` */
    char *column;
    char *value;  /* as text; NULL = NULL */
    bool boolean; /* written as true or false */
};
struct also {
    char *table, *key, *from;
    char slot[32]; /* "also:N": the name under which `from` is read */
    struct also_write *on_reconnect, *on_ok;
    size_t on_reconnect_count, on_ok_count;
    char **other_keys, **other_jobs; /* by which other entries write columns of on_ok; a job that has it */
    size_t other_key_count;
};
struct owner_map {
    char *column;
    char *via, *table, *key, *table_column, *email, *name, *language;
};

/* Of the plugin's statements, in their order: NAME.sql in the job's `statements` folder, or without
 * one in sql/DRIVER/PLUGIN beside renewd.conf, then where renewd was installed. */
struct job_statement {
    char *name;
    char *sql; /* as read; parameters $1.. */
};

enum forward_put { FORWARD_BEARER, FORWARD_QUERY, FORWARD_FORM, FORWARD_HEADER };

struct job_config {
    char *file; /* absolute */
    char *job;  /* [A-Za-z0-9_.-]+; the file's name without .conf when the file is unreadable */
    char *plugin_name;
    const struct plugin *plugin; /* NULL when it did not load */
    bool enabled;                /* a disabled job's secrets need not be set */
    struct cron *crons;          /* the schedule's expressions */
    size_t cron_count;
    bool automatic;      /* "auto" is among them */
    char *schedule_text; /* for people: joined by ", " */
    struct zone *zone;
    char *timezone;
    int64_t refresh_before_s; /* 0 = the plugin's own */
    int64_t limit;            /* 0 = all */
    int64_t pace_ms;
    int64_t in_flight; /* default 32 */
    char *table, *key; /* NULL: renewd's own table, which has every column */
    struct mapped_column *columns;
    size_t column_count;
    char *times;
    char *times_zone; /* of records: what times without a zone mean; NULL = UTC */
    struct only_rule *only;
    size_t only_count;
    bool accept_plain;
    struct status_value *status_values;
    size_t status_value_count;
    struct owner_map owner;
    char *sealed;     /* "renewd" | "hex-iv-tag-data" | "none" */
    char *sealed_key; /* key id or NULL */
    struct settings *settings;
    char **functions;
    struct also *also;
    size_t also_count;
    int64_t strikes; /* default 3 */
    char *reconnect_url;
    int64_t rescan_s; /* default 60 */
    struct job_statement *statements;
    size_t statement_count;
    char *ready_sql; /* NULL: none */
    bool allow_anonymous;
    char **forward_allow;             /* URL prefixes; NULL: nothing is forwarded */
    int forward_put;                  /* enum forward_put */
    char *forward_name;               /* of the member or header; NULL with FORWARD_BEARER */
    int64_t forward_refresh_before_s; /* default 60 */
    int64_t events_depth;             /* default 100000 */
    int64_t events_max_age_s;         /* default 7 days */
    struct secret **webhook_secrets;
    size_t webhook_secret_count;
    int64_t breaker_records, breaker_within_s, breaker_again_s, breaker_apart_s, breaker_alone_s;
    int64_t timeout_ms; /* default 30 s */
    char *ca_file;
    bool allow_insecure;
    int replay; /* RENEWD_REPLAY_..., 0 = the plugin's */
    int64_t replay_grace_s;
    char *legacy_name;
    int64_t file_time;                /* when the file was changed, in ns */
    bool shares;                      /* another job seems to keep the same column of its table fresh */
    bool secret_missing;              /* one that it names is not set */
    char *mistake;                    /* not NULL: the job is held with this reason (the first mistake) */
    struct secret_files secret_files; /* of its `file:` secrets */
    char file_hash[65];               /* of the file alone */
    char content_hash[65]; /* of the file, and of what it names: secrets' values, statements; for reload */
    struct column_wish *wish_columns; /* job_wish gives them away to look at; config_columns.c's own */
    size_t wish_count;
    struct owner_requirement *wish_owner; /* NULL: none, or a plain column */
    struct only_wish *wish_only;
};

/* Reads every *.conf of conf_dir in name order. Each file gives one job_config, held when it has mistakes. Two
 * files of one job name are both held, with a reason; of two jobs on one table and credential column whose rows
 * overlap, that of the newer file. The caller frees the list and its items. -ENOENT and similar when conf_dir cannot
 * be read. */
int jobs_load(const struct config *c, struct plugins *plugins, struct conf_mistakes *m, struct secret_uses *uses,
              struct job_config ***ret, size_t *ret_count);
/* One file of conf_dir alone: for a job whose secrets changed. Never NULL. */
struct job_config *job_load(const struct config *c, struct plugins *plugins, const char *file,
                            struct conf_mistakes *m, struct secret_uses *uses);
/* What the store needs from the job's table; its arrays are valid as long as the job. Only for a job without a
 * mistake. */
void job_wish(const struct job_config *j, struct table_requirement *ret);
/* Both keep the same column of the same table fresh. Other notations of one table are found when they are resolved. */
bool jobs_share(const struct config *c, const struct job_config *a, const struct job_config *b);
bool jobs_may_share(const struct job_config *a, const struct job_config *b);
/* The column of `only` that parts the rows of two such jobs; NULL: *ret_overlap, the caller's, says which rows both
 * would take. ta, tb: their tables in the database, or NULL. */
const char *jobs_parted_by(const struct config *c, const struct job_config *a, const struct table *ta,
                           const struct job_config *b, const struct table *tb, char **ret_overlap);
bool job_is_newer(const struct job_config *a, const struct job_config *b); /* its file was changed later */
char *jobs_overlap_text(const struct job_config *newer, const struct job_config *older, const char *overlap);
/* After a job was read alone: what other jobs mean for it is as it was, above all the keys of their `also`. */
void job_also_keys_copy(struct job_config *to, const struct job_config *from);
bool job_also_keys_same(const struct job_config *a, const struct job_config *b);
/* One name for a column, whatever notation the jobs use for its table: "public.users/id/show_token_warning". The
 * caller frees it. */
char *also_target(const char *table, const char *key, const char *column, bool sqlite);
void job_config_free(struct job_config *j);
void jobs_free(struct job_config **list, size_t count);

#endif
