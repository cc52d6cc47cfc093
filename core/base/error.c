/* SPDX-License-Identifier: MIT
 * See error.h.
 */
#include "core/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/utf8.h"

int error_set(struct error *e, int code, const char *fmt, ...)
{
    if (!e)
        return code;
    char text[sizeof(e->text) + 8];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    utf8_clean(text, sizeof(e->text) - 1);
    memcpy(e->text, text, strlen(text) + 1);
    return code;
}
