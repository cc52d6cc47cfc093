/* SPDX-License-Identifier: MIT
 * What the two files of retention.h share: the entries in memory (retention.c) and the files (retention_files.c).
 */
#ifndef CORE_JOURNAL_RETENTION_INTERNAL_H
#define CORE_JOURNAL_RETENTION_INTERNAL_H

#include <sys/queue.h>

#include "core/journal/retention.h"
#include "core/journal/spool_internal.h"

enum { KEEP_S = 86400, KEEP_FILES = 4, KEEP_SHARE = 64 };

/* Entries are bound to this text instead of an incarnation, and to their time in seconds instead of a sequence,
 * because they may be copied into another file. */
#define KEEP_BOUND "kept"

/* The replaced credentials: "FINGERPRINT SECONDS\n" for each, the latest last. */
struct retained_pair {
    TAILQ_ENTRY(retained_pair) link;
    char attempt_id[ID_SIZE], newest[FINGERPRINT_SIZE];
    char *replaced;
    int64_t at; /* Unix seconds by the real clock */
    struct retention_file *file;
    off_t offset;
    size_t len; /* of the whole entry */
};
TAILQ_HEAD(kept_pairs, retained_pair);

struct retention_file {
    TAILQ_ENTRY(retention_file) link;
    char *path;
    int fd;
    off_t end, reserved;
    size_t pairs; /* retained pairs in it */
};
TAILQ_HEAD(keep_files, retention_file);

struct retention {
    struct retention_setup setup;
    char *dir;
    char installation[ID_SIZE]; /* "" = not known yet: no file can be created */
    unsigned made;              /* files, for their names */
    struct map *by_newest;
    struct kept_pairs pairs;        /* the oldest first */
    struct keep_files files;        /* the oldest first */
    struct retention_file *current; /* the last of them if this process writes to it; NULL = none yet */
    size_t file_count;
    int64_t bytes; /* of what is kept */
    int64_t left_alone;
};

/* Frees the entries in memory; the files stay. */
void retention_leave(struct retention *k);
void retention_forget(struct retention *k, struct retained_pair *p);
void retention_remember(struct retention *k, struct retained_pair *p);
/* Takes ownership of p; drops the pairs that it replaced and any pair with the same name. */
void retention_supersede(struct retention *k, struct retained_pair *p);

int retention_pair_text(const struct retention *k, const struct retained_pair *p, struct secret **ret,
                        struct error *e);
int retention_file_room(struct retention *k, off_t more, struct error *e);
/* There must be room for the entry. */
int retention_append(struct retention *k, const char *bytes, size_t len, off_t *ret_at, struct error *e);
void retention_file_free(struct retention *k, struct retention_file *f, bool remove);
/* Reduces the number of files when much in them is no longer retained. */
void retention_tidy(struct retention *k);

#endif
