/* SPDX-License-Identifier: MIT
 * Allocation that never returns NULL: out of memory ends the process with a message. Used everywhere; sizes that a
 * peer controls are limited before they get here.
 */
#ifndef CORE_BASE_ALLOC_H
#define CORE_BASE_ALLOC_H

#include <stddef.h>

/* The caller frees what these return with free(). */
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull, nonnull));
char *xstrdup_or_null(const char *text); /* NULL stays NULL */
char *xstrndup(const char *text, size_t max) __attribute__((malloc, returns_nonnull, nonnull));
void *xmemdup(const void *data, size_t len) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((malloc, returns_nonnull, format(printf, 1, 2)));

#endif
