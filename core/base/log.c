/* SPDX-License-Identifier: MIT
 * See log.h. A line is built in one buffer and written by one call, so that lines of threads do not mix.
 */
#include "core/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/utf8.h"

#define VALUE_MAX 500
#define LINE_MAX_BYTES ((size_t)16 * 1024)

static _Atomic int max_level = LEVEL_INFO;
static _Atomic bool to_journal;

/* JOURNAL_STREAM is inherited, so stderr may be another file now. */
static bool is_journal(const char *stream)
{
    char *end;
    struct stat st;

    if (!stream)
        return false;
    errno = 0;
    unsigned long long device = strtoull(stream, &end, 10), inode = *end == ':' ? strtoull(end + 1, &end, 10) : 0;
    return !errno && *end == '\0' && inode && fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
           st.st_ino == inode;
}

void log_setup(enum log_level max)
{
    atomic_store_explicit(&max_level, (int)max, memory_order_relaxed);
    atomic_store_explicit(&to_journal, is_journal(getenv("JOURNAL_STREAM")), memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LEVEL_ERROR:
        return "error";
    case LEVEL_WARNING:
        return "warning";
    case LEVEL_INFO:
        return "info";
    case LEVEL_DEBUG:
        break;
    }
    return "debug";
}

static bool needs_quotes(const char *value)
{
    return *value == '\0' || strpbrk(value, " \"\\=\t\r\n") != NULL;
}

static void add_value(struct buf *line, const char *value)
{
    char text[VALUE_MAX + 8];
    size_t len = strnlen(value, sizeof(text) - 1);
    memcpy(text, value, len);
    text[len] = '\0';
    utf8_clean(text, VALUE_MAX);
    if (!needs_quotes(text)) {
        buf_text(line, text);
        return;
    }
    buf_char(line, '"');
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\')
            buf_char(line, '\\');
        buf_char(line, *p);
    }
    buf_char(line, '"');
}

static void log_write_all(const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        data += n;
        len -= (size_t)n;
    }
}

/* The priorities of syslog(3). */
static int priority(enum log_level level)
{
    return level == LEVEL_ERROR ? 3 : level == LEVEL_WARNING ? 4 : level == LEVEL_INFO ? 6 : 7;
}

static void begin_line(struct buf *line, enum log_level level)
{
    if (atomic_load_explicit(&to_journal, memory_order_relaxed)) {
        buf_printf(line, "<%d>", priority(level));
        return;
    }
    int64_t ms = clock_real_ms();
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc;
    char text[32];
    if (gmtime_r(&seconds, &utc) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc))
        buf_printf(line, "time=%s.%03dZ ", text, (int)(ms % 1000));
}

void log_line(enum log_level level, const char *message, ...)
{
    if (!log_enabled(level))
        return;
    int saved = errno;
    cleanup(buf_done) struct buf line = {0};
    buf_init(&line, LINE_MAX_BYTES);
    begin_line(&line, level);
    buf_printf(&line, "level=%s msg=", level_name(level));
    add_value(&line, message);
    va_list ap;
    va_start(ap, message);
    for (const char *key; (key = va_arg(ap, const char *)) != NULL;) {
        const char *value = va_arg(ap, const char *);
        if (!value || !value[0])
            continue;
        buf_printf(&line, " %s=", key);
        add_value(&line, value);
    }
    va_end(ap);
    line.failed = false;
    if (line.len == line.max)
        line.data[--line.len] = '\0';
    buf_char(&line, '\n');
    log_write_all(line.data, line.len);
    errno = saved;
}
