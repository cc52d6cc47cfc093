/* SPDX-License-Identifier: MIT
 * A sentence for people beside a negative errno: what was being done, to what, what happened,
 * what to do. Never holds a secret.
 */
#ifndef CORE_BASE_ERROR_H
#define CORE_BASE_ERROR_H

struct error {
    char text[1024];
};

/* Writes the sentence when e is not NULL (one line of valid UTF-8, cut to fit). Returns code.
 * The arguments may point into e->text, so that a caller can put its own words around it. */
int error_set(struct error *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
