/* SPDX-License-Identifier: MIT
 * Whether a row is one of a job's records.
 */
#include <errno.h>

#include "core/engine/rows/rows.h"

int record_stands(struct db *db, const struct job *j, const char *key, struct error *e)
{
    struct row row = {0};
    struct record known = {0};
    bool is_known = false;
    int res = store_row(db, j->table, key, &row, &known, &is_known, e);
    if (res < 0) {
        record_done(&known);
        return res;
    }
    bool left_out = row_is_filtered_out(j, &row, &known);
    row_done(&row);
    record_done(&known);
    return left_out ? error_set(
                          e, -ENODATA,
                          "record %.100s is left out: the row is there, but its status is none of those in `only`; "
                          "nothing is refreshed until its application changes that",
                          key)
                    : 0;
}
