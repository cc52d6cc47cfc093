/* SPDX-License-Identifier: MIT
 * The sentence for people that accompanies a negative errno: what was done, to what, what failed, and what to do.
 * It never holds a secret.
 */
#ifndef CORE_BASE_ERROR_H
#define CORE_BASE_ERROR_H

struct error {
    char text[1024];
};

/* Writes the sentence when e is not NULL (one line of valid UTF-8, cut to fit). Returns code. The arguments may
 * point into e->text, so that a caller can add its own words to it. */
int error_set(struct error *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
