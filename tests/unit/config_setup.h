/* SPDX-License-Identifier: MIT
 * A folder of configuration files for one test, with two made-up plugins: "fake" has a setting of
 * each type and a credential, "stated" a named statement and none. For test_config.c.
 */
#ifndef TESTS_CONFIG_SETUP_H
#define TESTS_CONFIG_SETUP_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config/config.h"

/* What RENEWD_TEST_SECRET is set to: must be in no sentence. */
#define VALUE "s3cret-value-that-nobody-sees"

#define KEY "env:RENEWD_TEST_KEY"
#define MAIN "keys = ( { id = \"k1\"; secret = \"" KEY "\"; } );\n"
#define SETTINGS "settings = { client_id = \"me\"; client_secret = \"env:RENEWD_TEST_SECRET\"; };\n"
#define JOB "job = \"a\"; plugin = \"fake\";\n"
#define COLUMNS "columns = { access_token = \"at\"; refresh_token = \"rt\"; };"
#define RECORDS "records = { table = \"t\"; key = \"id\"; " COLUMNS " };\n"

extern char dir[]; /* made by main() */

void put(const char *name, const char *text);
void make_folder(const char *name);
void empty(const char *name);

struct loaded {
    struct conf_mistakes *m;
    struct secret_uses uses;
    struct config *c;
    struct job_config **jobs;
    size_t count;
};

/* The files as they are now, ended by loaded_done. */
struct loaded load(void);
void loaded_done(struct loaded *l);
/* The mistake that begins at place ("renewd.conf:3:") and holds these words. */
bool said(const struct loaded *l, const char *place, const char *words);

/* The warning that holds both. */
bool warned(const struct loaded *l, const char *place, const char *words);

/* A text of which one mistake alone is expected. */
struct broken {
    const char *text, *place, *words;
};

/* Each of the list in turn as that file; ended by a NULL text. */
void check_all(const struct broken *list, const char *file);

/* config_jobs_cases.c */
void test_between_jobs(void);
void test_parted(void);
void test_also_between_jobs(void);

#endif
