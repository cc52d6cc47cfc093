/* SPDX-License-Identifier: MIT
 * What the redact*.c files share.
 */
#ifndef CORE_BASE_REDACT_INTERNAL_H
#define CORE_BASE_REDACT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/redact.h"

/* A text, or a decoded form of it: byte i was decoded from [from[i], to[i]) of the text. */
struct redact_layer {
    unsigned char *data;
    uint32_t *from, *to;
    size_t len;
    bool decoded;
};

/* redact_layers.c */
typedef void redact_layer_fn(void *ctx, const struct redact_layer *l);
/* Calls see for the text itself and for all its decoded forms, up to the given depth; runs of base64 must have
 * at least the given length. */
void redact_layers(const char *text, size_t len, int depth, size_t run, redact_layer_fn *see, void *ctx);

/* redact_names.c */
typedef void redact_found_fn(void *ctx, size_t at, size_t len);
/* The values in l that are secrets by their name or their form. */
void redact_named(const struct redact_layer *l, redact_found_fn *found, void *ctx);

/* redact_looks.c */
/* The values in l, which is of a reply, that look like tokens. */
void redact_looking(const struct redact_layer *l, redact_found_fn *found, void *ctx);

#endif
