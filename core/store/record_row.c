/* SPDX-License-Identifier: MIT
 * A struct record as a row of renewd's own table: reading and writing share one list of columns, so that neither
 * can miss one.
 */
#include "core/store/record_row.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/digits.h"

enum kind { TEXT, CHARS, NUMBER, SMALL };

struct member {
    const char *column;
    enum kind kind;
    size_t offset;
};

#define MEMBER(name, kind)                         \
    {                                              \
#        name, kind, offsetof(struct record, name) \
    }
#define WINDOW(name)                                                                   \
    {                                                                                  \
#        name, NUMBER, offsetof(struct record, window) + offsetof(struct window, name) \
    }

/* The key's two columns come first. */
static const struct member members[RECORD_COLUMNS] = {
    MEMBER(source, TEXT),
    {"rkey", TEXT, offsetof(struct record, key)},
    MEMBER(job, TEXT),
    MEMBER(account, TEXT),
    MEMBER(owner, TEXT),
    MEMBER(state, SMALL),
    MEMBER(generation, NUMBER),
    MEMBER(hash, CHARS),
    MEMBER(fingerprint, CHARS),
    MEMBER(without_credential, SMALL),
    MEMBER(expires_at, NUMBER),
    MEMBER(refreshed_at, NUMBER),
    MEMBER(first_seen, NUMBER),
    MEMBER(life, NUMBER),
    WINDOW(earliest),
    WINDOW(preferred),
    WINDOW(latest),
    WINDOW(death),
    MEMBER(point, NUMBER),
    MEMBER(due_at, NUMBER),
    MEMBER(not_before, NUMBER),
    MEMBER(ok_at, NUMBER),
    MEMBER(attempts, SMALL),
    MEMBER(strikes, SMALL),
    MEMBER(last_outcome, SMALL),
    MEMBER(last_code, TEXT),
    MEMBER(last_text, TEXT),
    MEMBER(last_at, NUMBER),
    MEMBER(wrote_status, TEXT),
    MEMBER(memo, TEXT),
    MEMBER(ok_under, CHARS),
    MEMBER(wrote_error, TEXT),
};

enum { KEY_COLUMNS = 2 };

void record_columns(const char *prefix, struct buf *sql)
{
    for (size_t i = 0; i < RECORD_COLUMNS; i++)
        buf_printf(sql, "%s%s%s", i ? ", " : "", prefix, members[i].column);
}

const char *record_column(size_t i)
{
    return members[i].column;
}

static int64_t to_number(const char *text)
{
    return text ? strtoll(text, NULL, 10) : 0;
}

void record_set(struct record *rec, size_t i, const char *text)
{
    char *at = (char *)rec + members[i].offset;
    int64_t number = to_number(text);
    int small = (int)number;
    char *copy = NULL;

    switch (members[i].kind) {
    case TEXT:
        copy = xstrdup_or_null(text);
        memcpy(at, &copy, sizeof(copy));
        break;
    case CHARS:
        snprintf(at, FINGERPRINT_SIZE, "%s", text ? text : "");
        break;
    case NUMBER:
        memcpy(at, &number, sizeof(number));
        break;
    case SMALL:
        memcpy(at, &small, sizeof(small));
        break;
    }
}

void record_from_result(const struct db_result *r, size_t row, size_t first_column, struct record *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < RECORD_COLUMNS; i++)
        record_set(ret, i, db_text(r, row, first_column + i));
}

void record_params(const struct record *rec, struct record_params *ret)
{
    for (size_t i = 0; i < RECORD_COLUMNS; i++) {
        const char *at = (const char *)rec + members[i].offset;
        int64_t number = 0;
        int small = 0;
        switch (members[i].kind) {
        case TEXT:
            memcpy(&ret->texts[i], at, sizeof(ret->texts[i]));
            continue;
        case CHARS:
            ret->texts[i] = at;
            continue;
        case NUMBER:
            memcpy(&number, at, sizeof(number));
            break;
        case SMALL:
            memcpy(&small, at, sizeof(small));
            number = small;
            break;
        }
        digits_of(number, ret->numbers[i]);
        ret->texts[i] = ret->numbers[i];
    }
}

void record_assignments(const char *prefix, struct buf *sql)
{
    for (size_t i = KEY_COLUMNS; i < RECORD_COLUMNS; i++) {
        buf_printf(sql, "%s%s = ", i > KEY_COLUMNS ? ", " : "", members[i].column);
        if (prefix)
            buf_printf(sql, "%s%s", prefix, members[i].column);
        else
            buf_printf(sql, "$%zu", i + 1);
    }
}

void record_many_columns(struct many_column ret[RECORD_COLUMNS])
{
    for (size_t i = 0; i < RECORD_COLUMNS; i++) {
        snprintf(ret[i].name, sizeof(ret[i].name), "%s", members[i].column);
        ret[i].number = members[i].kind == NUMBER || members[i].kind == SMALL;
    }
}

void record_many_values(const struct record *rec, struct many *m)
{
    struct record_params p;

    record_params(rec, &p);
    for (size_t i = 0; i < RECORD_COLUMNS; i++) {
        if (p.texts[i] == p.numbers[i])
            many_number(m, strtoll(p.numbers[i], NULL, 10));
        else
            many_text(m, p.texts[i]);
    }
}
