/* SPDX-License-Identifier: MIT
 * What the redact*.c files share.
 */
#ifndef CORE_BASE_REDACT_INTERNAL_H
#define CORE_BASE_REDACT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/redact.h"

/* A text, or what it is when something in it is decoded: byte i stands for [from[i], to[i]) of the text. */
struct redact_layer {
    unsigned char *data;
    uint32_t *from, *to;
    size_t len;
    bool decoded;
};

/* redact_layers.c */
typedef void redact_layer_fn(void *ctx, const struct redact_layer *l);
/* Calls see for the text itself and for everything that can be read from it by decoding, so many steps deep; of
 * base64 those runs that are at least so long. */
void redact_layers(const char *text, size_t len, int depth, size_t run, redact_layer_fn *see, void *ctx);

/* redact_names.c */
typedef void redact_found_fn(void *ctx, size_t at, size_t len);
/* The values in l that by their name, or by their look, are secrets. */
void redact_named(const struct redact_layer *l, redact_found_fn *found, void *ctx);

#endif
