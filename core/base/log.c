/* SPDX-License-Identifier: MIT
 * See log.h. A line is built in one buffer and leaves in one write, so that threads do not mix.
 */
#include "core/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/utf8.h"

#define VALUE_MAX 500
#define LINE_MAX_BYTES ((size_t)16 * 1024)

static _Atomic int max_level = LEVEL_INFO;

void log_setup(enum log_level max)
{
    atomic_store_explicit(&max_level, (int)max, memory_order_relaxed);
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

static void write_all(const char *data, size_t len)
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

void log_line(enum log_level level, const char *message, ...)
{
    if (!log_enabled(level))
        return;
    int saved = errno;
    cleanup(buf_done) struct buf line = {0};
    buf_init(&line, LINE_MAX_BYTES);
    buf_printf(&line, "level=%s msg=", level_name(level));
    add_value(&line, message);
    va_list ap;
    va_start(ap, message);
    for (const char *key; (key = va_arg(ap, const char *)) != NULL;) {
        const char *value = va_arg(ap, const char *);
        if (!value)
            continue;
        buf_printf(&line, " %s=", key);
        add_value(&line, value);
    }
    va_end(ap);
    line.failed = false;
    if (line.len == line.max)
        line.data[--line.len] = '\0';
    buf_char(&line, '\n');
    write_all(line.data, line.len);
    errno = saved;
}
