/* SPDX-License-Identifier: MIT
 * What the readers of renewd.conf and conf.d share. Only core/config includes it.
 */
#ifndef CORE_CONFIG_CONFIG_INTERNAL_H
#define CORE_CONFIG_CONFIG_INTERNAL_H

#include "core/config/config.h"

#define SECOND_MS INT64_C(1000)
#define DAY_MS (86400 * SECOND_MS)

struct reading {
    struct conf_mistakes *m;
    struct secret_uses *uses;
    const char *dir;            /* of renewd.conf: what relative paths start at */
    bool secrets_needed;        /* one that is not set is a mistake */
    bool secret_missing;        /* there was one */
    struct secret_files *files; /* NULL, or where the files that secrets are read from are noted */
};

struct job_reading {
    struct reading r;
    const struct config *c;
    struct plugins *plugins;
    const struct conf_item *root;
    struct job_config *j;
};

/* config_util.c */
char *path_in(const char *dir, const char *path); /* path itself when it is absolute */
char **texts_copy(const struct conf_item *list);  /* NULL-terminated */
void texts_free(char **list);
/* The text of the reference at item. -EINVAL with a mistake when the item is not a text or not a reference,
 * -ENOENT and similar when it is not set (a mistake only if secrets are needed). */
int secret_read(struct reading *r, const struct conf_item *item, const char *setting, struct secret **ret);
/* Optional texts that are copied: *to stays as it is when the setting is absent or wrong. */
void text_take(struct reading *r, const struct conf_item *group, const char *name, char **to);
void path_take(struct reading *r, const struct conf_item *group, const char *name, char **to);
/* Checks for http(s) with a host, no blanks, no user; http:// only to loopback unless insecure. NULL, or the
 * fault as a half sentence that does not repeat the URL. */
const char *url_wrong(const char *url, bool insecure);
bool host_is_loopback(const char *host);
/* Scalars as text, NULL for the others; the caller's. */
char *scalar_text(const struct conf_item *item);
/* ".. 'a', 'b' ..": a list of names for sentences, appended up to the buffer's limit. */
void names_append(struct buf *to, const char *name);

/* config_modes.c: warnings for files that users other than the owner may write or read; item NULL: the warning
 * is for `path` itself. */
void modes_look(struct conf_mistakes *m, const struct conf_item *item, const char *what, const char *path);
void modes_look_secret(struct conf_mistakes *m, const struct conf_item *item, const char *reference,
                       const char *path);

/* config_api.c */
void api_read(struct reading *r, const struct conf_item *root, struct config *c);
/* Warns of clients' jobs that are not among these. */
void api_jobs_check(const struct config *c, struct job_config *const *jobs, size_t count, struct conf_mistakes *m);

/* config_job.c and what it consists of */
void job_read(struct job_reading *r);
void job_schedule_read(struct job_reading *r);
void job_records_read(struct job_reading *r);
/* An optional duration in whole seconds; *to stays as it is when it is absent or wrong. */
bool seconds_take(struct job_reading *r, const struct conf_item *group, const char *name, int64_t min_s,
                  int64_t max_s, int64_t *to);
void job_columns_read(struct job_reading *r, const struct conf_item *records);
void job_columns_own(struct job_config *j);
void job_also_read(struct job_reading *r);
bool store_is_sqlite(const struct config *c);
/* For all jobs: by which other keys the columns of their `also` are written. */
void jobs_also_meet(const struct config *c, struct job_config *const *list, size_t count);
/* Refuses an `also` of j that writes a column which the other job maps and writes. */
void also_check_mapped(const struct config *c, const struct conf_item *root, const struct job_config *j,
                       const struct job_config *other, struct conf_mistakes *m);
void job_settings_read(struct job_reading *r);
void job_statements_read(struct job_reading *r);
void job_door_read(struct job_reading *r);
void job_wish_make(struct job_config *j);

#endif
