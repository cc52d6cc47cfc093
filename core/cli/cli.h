/* SPDX-License-Identifier: MIT
 * Shared by the parts of renewctl: its options, the call to the daemon, output. One command is one function that
 * returns the exit status. Used by core/renewctl.c and core/cli alone.
 */
#ifndef CORE_CLI_CLI_H
#define CORE_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/json/json.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NO_DAEMON = 69 };

struct ctl {
    const char *socket;
    bool json;
    /* options of single commands; NULL when not given */
    const char *owner, *state, *timezone, *from, *count, *min_valid;
    bool believe, replace, now;
    char **args; /* the command's operands */
    int arg_count;
};

/* ---- the commands ---- */
int ctl_status(const struct ctl *c);
int ctl_jobs(const struct ctl *c);
int ctl_run(const struct ctl *c);
int ctl_pause(const struct ctl *c);
int ctl_resume(const struct ctl *c);
int ctl_runs(const struct ctl *c);
int ctl_records(const struct ctl *c);
int ctl_show(const struct ctl *c);
int ctl_events(const struct ctl *c);
int ctl_retry(const struct ctl *c);
int ctl_explain(const struct ctl *c);
int ctl_refresh(const struct ctl *c);
int ctl_token(const struct ctl *c);
int ctl_import(const struct ctl *c);
int ctl_reload(const struct ctl *c);
int ctl_adopt(const struct ctl *c);
int ctl_forget_host(const struct ctl *c);
int ctl_parked(const struct ctl *c);
int ctl_next(const struct ctl *c);
int ctl_keygen(const struct ctl *c);
int ctl_describe(const struct ctl *c);

/* ---- call.c: asking the daemon ---- */
struct answer_doc {
    int status;          /* of HTTP */
    int64_t retry_after; /* seconds; 0 = the answer says none */
    struct buf body;
    struct json *json;
};
/* 0: any answer that is JSON. Otherwise a negative errno with a sentence; -ENOENT and -ECONNREFUSED: no daemon.
 * content_type and body may be NULL. Freed by answer_doc_done, also after a failure. */
int ctl_ask(const struct ctl *c, const char *method, const char *path, const char *content_type,
            const struct buf *body, struct answer_doc *ret, struct error *e);
/* The same for commands: 0 and a 2xx answer, or an exit status after the error was printed. */
int ctl_call(const struct ctl *c, const char *method, const char *path, struct answer_doc *ret);
/* ctl_call(), and with --json the answer is printed as it came. True: the command is over, with *ret_status. */
bool ctl_is_over(const struct ctl *c, const char *method, const char *path, struct answer_doc *ret, int *ret_status);
/* Prints why ctl_ask failed, or the message of a refusal; returns the exit status. */
int ctl_no_answer(const struct ctl *c, int result, const struct error *e);
int ctl_refused(const struct ctl *c, const struct answer_doc *d);
void answer_doc_done(struct answer_doc *d);
/* A path from a format whose every %s is one segment, which gets percent-encoded; malloc'd. */
char *ctl_path(const char *format, const char *first, const char *second);
void ctl_encode(struct buf *to, const char *text);

/* ---- print.c: output ---- */
/* A sentence on stderr; with --json also {"error":{...}} on stdout. Returns status. */
int ctl_fail(const struct ctl *c, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Text from outside without control characters. NULL prints "-". */
void print_text(const char *text);
/* "name:   value" with the value in one column. */
void print_pair(const char *name, const char *value);
/* The document's member as text: numbers unchanged, true as yes, absent and null as "-". malloc'd. print_time:
 * "2026-11-21T14:00:00Z" as "2026-11-21 14:00:00 UTC". */
char *print_member(const struct json *doc, const char *path);
char *print_time(const struct json *doc, const char *path);
int64_t print_integer(const struct json *doc, const char *path); /* 0 when it is none */
/* Flushes stdout: EXIT_FAILED with a sentence when it could not be written, else status. */
int print_end(int status);

/* ---- terminal_text.c: text from outside ---- */
/* Escapes what could control a terminal (\u202e), and cuts the text after about max bytes with an ellipsis.
 * malloc'd. */
char *shown_text(const char *text, size_t max);
size_t shown_width(const char *text); /* in columns */
/* Cuts the text to so many columns, the last an ellipsis, when it needs more. */
void shown_cut(char *io_text, size_t columns);

/* ---- table_output.c: aligned columns ---- */
enum { SHEET_COLUMNS = 12 };
struct table_output {
    const char *const *titles; /* NULL-terminated */
    size_t columns, rows, cap;
    char **cells; /* rows x columns of the table */
    size_t width[SHEET_COLUMNS];
    bool times[SHEET_COLUMNS]; /* the column holds a time */
    bool printed;              /* the titles were printed: the widths are fixed */
    size_t terminal;           /* the terminal's columns; 0: no terminal */
};
void table_output_begin(struct table_output *s, const char *const *titles);
/* Takes the cells over: malloc'd texts, one for each column; NULL is "-". */
void table_output_row(struct table_output *s, char *const cells[]);
/* Prints the rows so far; from then on the widths are fixed. */
void table_output_flush(struct table_output *s);
void table_output_done(struct table_output *s);

/* ---- pagination.c: lists in pages ---- */
struct pages {
    const struct ctl *c;
    const char *name, *path; /* "records"; of a page, with %s for the job and a query that may be extended */
    void (*row)(struct table_output *s, const struct json *doc, const char *at); /* at: "records.7." */
    struct table_output sheet;                                                   /* begun by the caller */
    bool begun, comma; /* a page has come; --json: output was printed */
};
int pagination_of_job(struct pages *p, const char *job);
/* Prints the end of the list and returns the status. Frees the table. */
int pagination_end(struct pages *p, int status);
/* A member of the document's part `prefix` as a cell; times are recognised by their name. malloc'd. */
char *pagination_cell(const struct json *doc, const char *prefix, const char *name);

#endif
