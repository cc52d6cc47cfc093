/* SPDX-License-Identifier: MIT
 * A service table for tests of plugins: no host, no network, no database. What a plugin asks for
 * and records is kept as text that a test can compare. JSON is read by the project's own JSON
 * adapter.
 */
#ifndef TESTS_FAKE_SERVICES_H
#define TESTS_FAKE_SERVICES_H

#include "renewd/plugin.h"

enum { FAKE_EVENT = 65536, FAKE_TEXT = 8192, FAKE_LIST = 16 };

struct fake_setting {
    const char *group, *name, *text;
    int64_t number;
};

struct fake_header {
    const char *name, *value;
};

struct renewd_host {
    int64_t now; /* of the last callback */
    struct fake_setting settings[FAKE_LIST];
    size_t setting_count;
    char logged[FAKE_TEXT]; /* a line each */
};

struct fake {
    const struct renewd_plugin *plugin;
    struct renewd_host host;
    void *instance;
    struct renewd_record record; /* attempts, life and so on: set them as the test needs */
    struct renewd_value values[FAKE_LIST];
    const struct renewd_value *value_list[FAKE_LIST + 1];
    const struct renewd_record *records[2];
    unsigned char scratch[4096];
    int step;
    struct fake_header headers[FAKE_LIST]; /* of the next replies */
    size_t header_count;
    int32_t replay; /* after fake_open */
    int64_t replay_grace;
    /* After a callback: */
    char request[FAKE_TEXT]; /* "POST url\nName: value\n\nbody"; "" = none */
    char effects[FAKE_TEXT]; /* "access_token=a\nexpires_at=5\nscope=NULL\n" */
    int outcome;             /* of fail(); 0 = not called */
    char code[128], text[1024];
    int64_t slow_for;
    int64_t retry_after; /* as given to on_failure */
    struct renewd_on_failure_out decision;
    /* After fake_take and fake_send: */
    char event[FAKE_EVENT], event_id[256], event_name[256];
    char same[FAKE_TEXT]; /* a line each */
    char dropped[256];
    const char *beside; /* of the body that brings events; NULL = nothing */
    size_t first;       /* of a batch: how many events its request carries, 0 = all */
    int64_t event_time, last_at, wait;
    int32_t became;
};

/* Slots are empty, settings unset. */
void fake_init_with(struct fake *f, const struct renewd_plugin *plugin);
/* The plugin under test is the one that is linked in. */
static inline void fake_init(struct fake *f)
{
    fake_init_with(f, renewd_plugin_v1());
}

void fake_setting(struct fake *f, const char *name, const char *text, int64_t number);
void fake_member(struct fake *f, const char *group, const char *name, const char *value);
/* text NULL empties the slot. */
void fake_slot(struct fake *f, const char *name, const char *text);
void fake_time(struct fake *f, const char *name, int64_t time);

int32_t fake_open(struct fake *f);
void fake_close(struct fake *f);
int32_t fake_window(struct fake *f, int64_t now, int64_t refresh_before, struct renewd_needs_refresh_out *ret);
/* Step 0 of a new attempt, and the next step with a reply. */
int32_t fake_ask(struct fake *f, int64_t now);
int32_t fake_answer(struct fake *f, int32_t status, const char *body, int64_t now);
/* A header of all replies that follow; the texts are not copied. */
void fake_header(struct fake *f, const char *name, const char *value);
/* on_answer, beginning with what renewd fills in; the record shows no slot. A plugin without it leaves
 * that as it is. */
int32_t fake_call(struct fake *f, int32_t status, const char *body, int64_t now, struct renewd_on_answer_out *ret);
/* on_failure with f->decision as the host's own. */
int32_t fake_failed(struct fake *f, int32_t status, const char *code, int64_t now);
/* The same with a reply, whose Retry-After goes into the decision as renewd would put it. */
int32_t fake_failed_with(struct fake *f, int32_t status, const char *code, const char *body, int64_t now);

/* take_event; message need not end with NUL. secrets NULL: none. */
int32_t fake_take(struct fake *f, const char *source, const char *const *secrets, const void *message,
                  size_t length, int64_t now);
/* send_events of at most FAKE_LIST texts; reply NULL asks, status 0 with "" = no answer came. */
int32_t fake_send(struct fake *f, const char *const *texts, int32_t status, const char *reply, int64_t now);

#endif
