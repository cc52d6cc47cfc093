/* SPDX-License-Identifier: MIT
 * Text or bytes that are wiped when freed: tokens, keys, client secrets.
 */
#ifndef CORE_BASE_SECRET_H
#define CORE_BASE_SECRET_H

#include <stddef.h>

struct secret;

/* A copy of len bytes (the caller wipes its own). Freed by secret_free. */
struct secret *secret_new(const void *data, size_t len);
/* The same in separate pages, kept out of core dumps and swap (vault.h): for keys and secrets of the
 * configuration. */
struct secret *secret_keep(const void *data, size_t len);
/* NULL for NULL. */
struct secret *secret_from_text(const char *text);
void secret_free(struct secret *s);
void secret_free_p(struct secret **s);

/* NUL-terminated, valid until secret_free; NULL for NULL. */
const char *secret_text(const struct secret *s);
/* Without the NUL; 0 for NULL. */
size_t secret_len(const struct secret *s);

/* Wipes strlen bytes and frees; accepts NULL. wipe_free_p is for cleanup(). */
void wipe_free(char *text);
void wipe_free_p(char **text);

#endif
