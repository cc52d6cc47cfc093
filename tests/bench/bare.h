/* SPDX-License-Identifier: MIT
 * The bare loop of the bench: what its two databases do for it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BATCH_MAX = 500 };

struct bare_options {
    bool rotates;  /* a new refresh token with each answer */
    bool promises; /* also writes the rows that the promises need */
};

struct bare_row {
    int64_t id;
    char *refresh_token;
};

struct bare_result {
    int64_t id;
    char *spent, *access_token, *refresh_token; /* the last is NULL where the answer has none */
    int64_t expires_at;
};

/* A database behind the loop. All end the program with a message when the database refuses. */
struct bare_store {
    void *(*open)(const char *where, const struct bare_options *o);
    /* The due rows, soonest end first. */
    size_t (*due)(void *s, int64_t **ret_ids);
    /* The rows with these ids; ret_rows has room for them. */
    size_t (*read)(void *s, const int64_t *ids, size_t count, struct bare_row *ret_rows);
    /* One row for a batch that is about to be sent; its number. */
    int64_t (*claim)(void *s, const struct bare_row *rows, size_t count);
    void (*release)(void *s, int64_t claim);
    /* Begins to write the batch; the results are free again when this returns. */
    void (*write)(void *s, const struct bare_result *results, size_t count);
    /* Whether a batch is being written; -1 or the descriptor to wait for. */
    bool (*writing)(void *s, int *ret_fd);
    size_t (*written)(const void *s); /* rows that were updated */
    void (*close)(void *s);
};

extern const struct bare_store bare_postgresql, bare_sqlite;

void bare_fail(const char *what, const char *why) __attribute__((noreturn));
