/* SPDX-License-Identifier: MIT
 * Freeing a job's configuration.
 */
#include <stdlib.h>

#include "core/config/config_internal.h"

static void also_done(struct also *a)
{
    for (size_t i = 0; i < a->on_reconnect_count; i++) {
        free(a->on_reconnect[i].column);
        free(a->on_reconnect[i].value);
    }
    for (size_t i = 0; i < a->on_ok_count; i++) {
        free(a->on_ok[i].column);
        free(a->on_ok[i].value);
    }
    for (size_t i = 0; i < a->other_key_count; i++) {
        free(a->other_keys[i]);
        free(a->other_jobs[i]);
    }
    free(a->other_keys);
    free(a->other_jobs);
    free(a->on_reconnect);
    free(a->on_ok);
    free(a->table);
    free(a->key);
    free(a->from);
}

static void config_owner_done(struct owner_map *o)
{
    free(o->column);
    free(o->via);
    free(o->table);
    free(o->key);
    free(o->table_column);
    free(o->email);
    free(o->name);
    free(o->language);
}

static void config_records_done(struct job_config *j)
{
    for (size_t i = 0; i < j->column_count; i++) {
        free(j->columns[i].slot);
        free(j->columns[i].column);
    }
    for (size_t i = 0; i < j->only_count; i++) {
        free(j->only[i].column);
        texts_free(j->only[i].values);
    }
    for (size_t i = 0; i < j->status_value_count; i++)
        free(j->status_values[i].value);
    for (size_t i = 0; i < j->also_count; i++)
        also_done(&j->also[i]);
    config_owner_done(&j->owner);
    free(j->columns);
    free(j->only);
    free(j->status_values);
    free(j->also);
    free(j->wish_columns);
    free(j->wish_owner);
    free(j->wish_only);
    secret_files_done(&j->secret_files);
    free(j->table);
    free(j->key);
    free(j->times);
    free(j->times_zone);
    free(j->sealed);
    free(j->sealed_key);
}

void job_config_free(struct job_config *j)
{
    if (j == NULL)
        return;
    config_records_done(j);
    for (size_t i = 0; i < j->statement_count; i++) {
        free(j->statements[i].name);
        free(j->statements[i].sql);
    }
    free(j->statements);
    free(j->ready_sql);
    settings_free(j->settings);
    texts_free(j->functions);
    texts_free(j->forward_allow);
    free(j->forward_name);
    for (size_t i = 0; i < j->webhook_secret_count; i++)
        secret_free(j->webhook_secrets[i]);
    free(j->webhook_secrets);
    zone_free(j->zone);
    free(j->crons);
    free(j->file);
    free(j->job);
    free(j->plugin_name);
    free(j->schedule_text);
    free(j->timezone);
    free(j->reconnect_url);
    free(j->ca_file);
    free(j->legacy_name);
    free(j->mistake);
    free(j);
}
