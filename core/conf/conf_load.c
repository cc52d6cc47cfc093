/* SPDX-License-Identifier: MIT
 * Loads a configuration file with libconfig and copies it into renewd's own tree. Only this file includes
 * libconfig's header; all of libconfig's memory is freed before conf_load returns.
 */
#include <errno.h>
#include <libconfig.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/utf8.h"
#include "core/conf/conf_tree.h"

#ifdef __SANITIZE_ADDRESS__
#    include <sanitizer/lsan_interface.h>
#endif

struct loading {
    const char *file;
    struct error *error;
};

static int copy_item(const struct loading *l, const config_setting_t *from, unsigned depth, unsigned parent_line,
                     struct conf_item *to);

static int copy_items(const struct loading *l, const config_setting_t *from, unsigned depth, struct conf_item *to)
{
    int count = config_setting_length(from);

    if (depth == CONF_DEPTH_MAX)
        return error_set(l->error, -EINVAL, "%s:%u: settings are nested deeper than %d levels", l->file, to->line,
                         CONF_DEPTH_MAX);
    if (count <= 0)
        return 0;
    to->items = xcalloc((size_t)count, sizeof *to->items);
    for (int i = 0; i < count; i++) {
        /* The count is set first, so that a partly copied item is freed with the rest. */
        to->count++;
        int r = copy_item(l, config_setting_get_elem(from, (unsigned)i), depth + 1, to->line, &to->items[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int copy_item(const struct loading *l, const config_setting_t *from, unsigned depth, unsigned parent_line,
                     struct conf_item *to)
{
    const char *name = config_setting_name(from), *text;

    to->file = l->file;
    to->name = name != NULL ? xstrdup(name) : NULL;
    to->line = config_setting_source_line(from);
    if (to->line == 0)
        to->line = parent_line;
    switch (config_setting_type(from)) {
    case CONFIG_TYPE_STRING:
        to->kind = CONF_TEXT;
        text = config_setting_get_string(from);
        to->text = xstrdup(text != NULL ? text : "");
        if (!utf8_valid(to->text, strlen(to->text)))
            return error_set(l->error, -EINVAL,
                             "%s:%u: this text is not UTF-8; save the file as UTF-8, and look at "
                             "its \\x escapes",
                             l->file, to->line);
        return 0;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        to->kind = CONF_INTEGER;
        to->integer = config_setting_get_int64(from);
        return 0;
    case CONFIG_TYPE_FLOAT:
        to->kind = CONF_FLOAT;
        to->real = config_setting_get_float(from);
        if (!isfinite(to->real))
            return error_set(l->error, -EINVAL, "%s:%u: this number is too large", l->file, to->line);
        return 0;
    case CONFIG_TYPE_BOOL:
        to->kind = CONF_BOOL;
        to->truth = config_setting_get_bool(from) != 0;
        return 0;
    case CONFIG_TYPE_GROUP:
        to->kind = CONF_GROUP;
        return copy_items(l, from, depth, to);
    case CONFIG_TYPE_ARRAY:
        to->kind = CONF_ARRAY;
        return copy_items(l, from, depth, to);
    default:
        to->kind = CONF_LIST;
        return copy_items(l, from, depth, to);
    }
}

static int conf_load_refuse_file(const char *path, int code, struct error *e)
{
    switch (code) {
    case -EFBIG:
        return error_set(e, code, "%s: the file is larger than %d bytes", path, CONF_FILE_MAX);
    case -EISDIR:
    case -EINVAL:
        return error_set(e, code, "%s: this is not a regular file", path);
    default:
        return error_set(e, code, "%s: the file cannot be read: %s", path, strerror(-code));
    }
}

/* Clearer texts for the most frequent errors of libconfig. */
static const char *conf_load_say(const char *text)
{
    if (text == NULL || strcmp(text, "syntax error") == 0)
        return "syntax error at or before this line; a setting is NAME = VALUE; and a text stands "
               "in \"quotes\"";
    if (strcmp(text, "duplicate setting name") == 0)
        return "this setting is given twice in the same group";
    if (strcmp(text, "mismatched element type in array") == 0)
        return "all elements of an array [ ] must be of one kind; use a list ( ) otherwise";
    if (strcmp(text, "memory exhausted") == 0)
        return "settings are nested too deep";
    return text;
}

/* If the grammar fails at a text, libconfig 1.5 leaks the text: a few bytes for each faulty file. Leak checkers
 * are told to ignore it. */
static bool conf_load_parse(config_t *config, const char *text)
{
#ifdef __SANITIZE_ADDRESS__
    __lsan_disable();
#endif
    int r = config_read_string(config, text);
#ifdef __SANITIZE_ADDRESS__
    __lsan_enable();
#endif
    return r == CONFIG_TRUE;
}

static int read_text(const char *text, struct conf *conf, struct error *e)
{
    cleanup(config_destroy) config_t config;
    struct loading l = {conf->file, e};

    config_init(&config);
    if (!conf_load_parse(&config, text))
        return error_set(e, -EINVAL, "%s:%d: %s", conf->file, config_error_line(&config),
                         conf_load_say(config_error_text(&config)));
    return copy_item(&l, config_root_setting(&config), 0, 1, &conf->root);
}

int conf_load(const char *path, struct conf **ret_conf, struct error *e)
{
    cleanup(buf_done) struct buf text = {0};
    unsigned line;

    int r = file_read(path, CONF_FILE_MAX, &text);
    if (r < 0)
        return conf_load_refuse_file(path, r, e);
    const char *data = text.data != NULL ? text.data : "";
    const char *mistake = conf_scan(data, text.len, &line);
    if (mistake != NULL)
        return error_set(e, -EINVAL, "%s:%u: %s", path, line, mistake);
    cleanup(conf_free_p) struct conf *conf = xcalloc(1, sizeof *conf);
    conf->file = xstrdup(path);
    r = read_text(data, conf, e);
    if (r < 0)
        return r;
    *ret_conf = conf;
    conf = NULL;
    return 0;
}
