/* SPDX-License-Identifier: MIT
 * A page of a job's table as discovery reads it, on the store's thread. For discovery.c alone.
 */
#ifndef CORE_ENGINE_DISCOVER_READ_PAGE_H
#define CORE_ENGINE_DISCOVER_READ_PAGE_H

#include "core/engine/state/state.h"

struct page_task {
    struct job *job;
    char *after;
    size_t limit;
    bool full, looked;
    char *hidden;  /* row security that shows no row */
    int64_t about; /* of a full round's first page */
    bool ask_only, only_asked;
    struct only_unheld unheld;
    struct page page;
    bool *spent, *dead; /* which of its records hold a credential that has a successor, or is dead */
    bool *untold;       /* which of them need their owner, though `also` columns were never written */
    enum { AHEAD_NO, AHEAD_ASKED, AHEAD_THERE, AHEAD_DROPPED } ahead;
    int result; /* of one that is there before its turn */
    struct error why;
};

int page_work(struct db *db, void *arg, struct error *e);
void page_task_free(struct page_task *t);

#endif
