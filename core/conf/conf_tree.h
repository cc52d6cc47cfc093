/* SPDX-License-Identifier: MIT
 * The structs of a configuration tree. conf.c reads it and conf_load.c builds it; no other file includes this.
 */
#ifndef CORE_CONF_CONF_TREE_H
#define CORE_CONF_CONF_TREE_H

#include "core/conf/conf.h"

struct conf_item {
    enum conf_kind kind;
    unsigned line;
    const char *file; /* the conf's own copy */
    char *name;       /* NULL for the root and for elements */
    char *text;       /* of CONF_TEXT */
    int64_t integer;
    double real;
    bool truth;
    size_t count;
    struct conf_item *items; /* of groups, lists and arrays */
};

struct conf {
    char *file;
    struct conf_item root;
};

/* Finds what libconfig accepts silently although it is dangerous: @include, NUL (also written \x00), integers
 * that it would wrap. NULL when there is nothing, else the sentence and its line. */
const char *conf_scan(const char *text, size_t len, unsigned *ret_line);

#endif
