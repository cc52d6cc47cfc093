/* SPDX-License-Identifier: MIT
 * Configuration files in libconfig syntax as a tree in which each setting knows its file and line. Used by the
 * readers of renewd.conf and conf.d/; it knows no names of settings. @include is refused; a file has at most 1 MiB
 * and 32 levels.
 */
#ifndef CORE_CONF_CONF_H
#define CORE_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/conf/conf_check.h"

struct conf;
struct conf_item;
struct error;

enum { CONF_FILE_MAX = 1024 * 1024, CONF_DEPTH_MAX = 32 };

enum conf_kind {
    CONF_TEXT,
    CONF_INTEGER,
    CONF_FLOAT,
    CONF_BOOL,
    CONF_GROUP, /* { name = value; } */
    CONF_LIST,  /* ( anything, ... ) */
    CONF_ARRAY, /* [ scalars of one kind, ... ] */
};

/* The sentence is "FILE:LINE: what" or, without a line, "FILE: what". -ENOENT, -EACCES and similar when the file
 * cannot be read, -EINVAL for a mistake in it, -EFBIG. */
int conf_load(const char *path, struct conf **ret_conf, struct error *e);
void conf_free(struct conf *conf);
void conf_free_p(struct conf **conf);

/* Items are valid as long as their conf. In every function below NULL is an empty item. */
const struct conf_item *conf_root(const struct conf *conf); /* a CONF_GROUP without a name */
const struct conf_item *conf_child(const struct conf_item *group, const char *name);
/* Of a group, a list or an array. */
const struct conf_item *conf_at(const struct conf_item *item, size_t index);
size_t conf_count(const struct conf_item *item);
const char *conf_name(const struct conf_item *item);      /* NULL for the root and for elements */
enum conf_kind conf_kind(const struct conf_item *item);   /* a NULL item is an empty CONF_GROUP */
const char *conf_kind_name(const struct conf_item *item); /* "a text", "a group { }", ... */
unsigned conf_line(const struct conf_item *item);
const char *conf_file(const struct conf_item *item);

/* Values; NULL, 0, false for another kind (ask conf_kind, or use conf_get_... of conf_check.h). */
const char *conf_text(const struct conf_item *item);
int64_t conf_integer(const struct conf_item *item);
bool conf_bool(const struct conf_item *item);
double conf_float(const struct conf_item *item);

#endif
