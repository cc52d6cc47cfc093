/* SPDX-License-Identifier: MIT
 * The documents of json.h over json-c. Only this file includes json-c's headers. json_scan checks the text first.
 * Freeing a document wipes all its strings and the parser's last working buffer. Names, digits and what json-c
 * freed when that buffer grew are not wiped.
 */
#include "core/json/json.h"

#include <errno.h>
#include <json-c/json.h>
#include <json-c/printbuf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/json/json_scan.h"

/* The position of json_member, so that iterating over a large object is not quadratic. */
struct cursor {
    struct json_object *object;
    struct lh_entry *entry;
    size_t index;
};

struct json {
    struct json_object *root;
    bool oversized; /* integers at the limits of the 64-bit range may be clamped ones */
    struct cursor *cursor;
};

static void wipe_tree(struct json_object *o)
{
    switch (json_object_get_type(o)) {
    case json_type_string:
        explicit_bzero((void *)(uintptr_t)json_object_get_string(o), (size_t)json_object_get_string_len(o));
        break;
    case json_type_array:
        for (size_t i = 0; i < json_object_array_length(o); i++)
            wipe_tree(json_object_array_get_idx(o, i));
        break;
    case json_type_object:
        for (struct lh_entry *e = json_object_get_object(o)->head; e != NULL; e = e->next)
            wipe_tree((struct json_object *)(uintptr_t)lh_entry_v(e));
        break;
    default:
        break;
    }
}

static struct json_object *build(const char *text, size_t len, enum json_tokener_error *ret_error)
{
    /* Two levels more than the scan allows: json-c counts scalars too. */
    struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH_MAX + 2);

    if (tok == NULL) {
        *ret_error = json_tokener_error_size;
        return NULL;
    }
    struct json_object *root = json_tokener_parse_ex(tok, text, (int)len);
    /* The parser ends a bare number only at a following byte. */
    if (json_tokener_get_error(tok) == json_tokener_continue)
        root = json_tokener_parse_ex(tok, "", 1);
    *ret_error = json_tokener_get_error(tok);
    explicit_bzero(tok->pb->buf, (size_t)tok->pb->size);
    json_tokener_free(tok);
    return root;
}

int json_parse(const char *text, size_t len, struct json **ret_doc, size_t *ret_offset)
{
    return json_parse_up_to(text, len, JSON_TEXT_MAX, ret_doc, ret_offset);
}

int json_parse_up_to(const char *text, size_t len, size_t max, struct json **ret_doc, size_t *ret_offset)
{
    static const char mark[] = "\xef\xbb\xbf"; /* a byte order mark at the start is accepted */
    size_t skip = len >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;
    struct json_scan s = {.text = text, .len = len, .at = skip};
    enum json_tokener_error error;

    int r = len > max ? -EFBIG : json_scan(&s);
    if (r < 0) {
        if (ret_offset != NULL)
            *ret_offset = s.at;
        return r;
    }
    struct json_object *root = build(text + skip, len - skip, &error);
    if (error != json_tokener_success) {
        json_object_put(root);
        if (ret_offset != NULL)
            *ret_offset = 0;
        return -EINVAL;
    }
    struct json *doc = xcalloc(1, sizeof *doc);
    doc->root = root;
    doc->oversized = s.oversized;
    doc->cursor = xcalloc(1, sizeof *doc->cursor);
    *ret_doc = doc;
    return 0;
}

void json_free(struct json *doc)
{
    if (doc == NULL)
        return;
    wipe_tree(doc->root);
    json_object_put(doc->root);
    free(doc->cursor);
    free(doc);
}

void json_free_p(struct json **doc)
{
    json_free(*doc);
}

/* Removes one segment from the path, unescaped in place. */
static char *next_segment(char **path)
{
    char *segment = *path, *to = *path, *from = *path;

    while (*from != '\0' && *from != '.') {
        if (*from == '\\' && from[1] != '\0')
            from++;
        *to++ = *from++;
    }
    *path = *from == '.' ? from + 1 : NULL;
    *to = '\0';
    return segment;
}

static bool read_index(const char *text, size_t *ret_index)
{
    size_t len = strlen(text), index = 0;

    if (len == 0 || len > 7 || strspn(text, "0123456789") != len || (text[0] == '0' && len > 1))
        return false;
    for (size_t i = 0; i < len; i++)
        index = index * 10 + (size_t)(text[i] - '0');
    *ret_index = index;
    return true;
}

/* -ENOENT, or 0 and the value, which is NULL for null. */
static int json_find(const struct json *doc, const char *path, struct json_object **ret_value)
{
    struct json_object *o = doc->root;
    size_t index;

    if (path[0] != '\0') {
        cleanup(free_p) char *copy = xstrdup(path);
        for (char *rest = copy; rest != NULL;) {
            const char *segment = next_segment(&rest);
            if (json_object_is_type(o, json_type_array)) {
                if (!read_index(segment, &index) || index >= json_object_array_length(o))
                    return -ENOENT;
                o = json_object_array_get_idx(o, index);
            } else if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, segment, &o)) {
                return -ENOENT;
            }
        }
    }
    *ret_value = o;
    return 0;
}

static int find_set(const struct json *doc, const char *path, struct json_object **ret_value)
{
    struct json_object *o = NULL;

    if (json_find(doc, path, &o) < 0)
        return -ENOENT;
    if (o == NULL)
        return -ENODATA;
    *ret_value = o;
    return 0;
}

enum json_kind json_kind(const struct json *doc, const char *path)
{
    static const enum json_kind kinds[] = {
        [json_type_null] = JSON_NULL,     [json_type_boolean] = JSON_BOOL,  [json_type_double] = JSON_NUMBER,
        [json_type_int] = JSON_INTEGER,   [json_type_object] = JSON_OBJECT, [json_type_array] = JSON_ARRAY,
        [json_type_string] = JSON_STRING,
    };
    struct json_object *o = NULL;

    return json_find(doc, path, &o) < 0 ? JSON_ABSENT : kinds[json_object_get_type(o)];
}

int json_text(const struct json *doc, const char *path, const char **ret_text, size_t *ret_len)
{
    struct json_object *o;
    int r = find_set(doc, path, &o);

    if (r < 0)
        return r;
    if (!json_object_is_type(o, json_type_string))
        return -EINVAL;
    const char *text = json_object_get_string(o);
    size_t len = (size_t)json_object_get_string_len(o);
    if (ret_len == NULL && memchr(text, '\0', len) != NULL)
        return -EILSEQ;
    *ret_text = text;
    if (ret_len != NULL)
        *ret_len = len;
    return 0;
}

static int from_double(double d, int64_t *ret_value)
{
    /* 2^63 itself is the first double past the range. */
    if (!isfinite(d) || d >= 0x1p63 || d < -0x1p63)
        return -ERANGE;
    *ret_value = (int64_t)d;
    return JSON_TRUNCATED;
}

static int from_digits(const char *text, size_t len, int64_t *ret_value)
{
    bool whole;

    if (!json_is_number(text, len, &whole))
        return -EINVAL;
    if (!whole)
        return from_double(strtod(text, NULL), ret_value);
    errno = 0;
    int64_t value = strtoll(text, NULL, 10);
    if (errno == ERANGE)
        return -ERANGE;
    *ret_value = value;
    return JSON_FROM_TEXT;
}

/* json-c clamps silently at the limits of its range. */
static bool is_cut(const struct json *doc, struct json_object *o)
{
    return doc->oversized && (json_object_get_uint64(o) == UINT64_MAX || json_object_get_int64(o) == INT64_MIN);
}

int json_integer(const struct json *doc, const char *path, int64_t *ret_value)
{
    struct json_object *o;
    int r = find_set(doc, path, &o);

    if (r < 0)
        return r;
    if (json_object_is_type(o, json_type_double))
        return from_double(json_object_get_double(o), ret_value);
    if (json_object_is_type(o, json_type_string))
        return from_digits(json_object_get_string(o), (size_t)json_object_get_string_len(o), ret_value);
    if (!json_object_is_type(o, json_type_int))
        return -EINVAL;
    int64_t value = json_object_get_int64(o);
    if (is_cut(doc, o) || (value == INT64_MAX && json_object_get_uint64(o) > INT64_MAX))
        return -ERANGE;
    *ret_value = value;
    return value > (INT64_C(1) << 53) || value < -(INT64_C(1) << 53) ? JSON_BEYOND_53 : JSON_AS_IS;
}

int json_digits(const struct json *doc, const char *path, char **ret_digits)
{
    struct json_object *o;
    bool whole;
    int r = find_set(doc, path, &o);

    if (r < 0)
        return r;
    if (json_object_is_type(o, json_type_int)) {
        if (is_cut(doc, o))
            return -ERANGE;
        int64_t value = json_object_get_int64(o);
        *ret_digits = value < 0 ? xasprintf("%lld", (long long)value)
                                : xasprintf("%llu", (unsigned long long)json_object_get_uint64(o));
        return 0;
    }
    const char *text = json_object_get_string(o);
    if (json_object_is_type(o, json_type_string)) {
        if (!json_is_number(text, (size_t)json_object_get_string_len(o), &whole))
            return -EINVAL;
    } else if (!json_object_is_type(o, json_type_double)) {
        return -EINVAL;
    }
    *ret_digits = xstrdup(text);
    return 0;
}

int json_boolean(const struct json *doc, const char *path, bool *ret_value)
{
    struct json_object *o;
    int r = find_set(doc, path, &o);

    if (r < 0)
        return r;
    if (!json_object_is_type(o, json_type_boolean))
        return -EINVAL;
    *ret_value = json_object_get_boolean(o);
    return 0;
}

int json_array_length(const struct json *doc, const char *path, size_t *ret_length)
{
    struct json_object *o;
    int r = find_set(doc, path, &o);

    if (r < 0)
        return r;
    if (!json_object_is_type(o, json_type_array))
        return -EINVAL;
    *ret_length = json_object_array_length(o);
    return 0;
}

bool json_member(const struct json *doc, const char *path, size_t index, const char **ret_name)
{
    struct cursor *c = doc->cursor;
    struct json_object *o;

    if (find_set(doc, path, &o) < 0 || !json_object_is_type(o, json_type_object))
        return false;
    if (c->object != o || c->entry == NULL || index < c->index)
        *c = (struct cursor){o, json_object_get_object(o)->head, 0};
    while (c->entry != NULL && c->index < index) {
        c->entry = c->entry->next;
        c->index++;
    }
    if (c->entry == NULL)
        return false;
    *ret_name = lh_entry_k(c->entry);
    return true;
}

static bool holds_cut(const struct json *doc, struct json_object *o)
{
    switch (json_object_get_type(o)) {
    case json_type_int:
        return is_cut(doc, o);
    case json_type_array:
        for (size_t i = 0; i < json_object_array_length(o); i++)
            if (holds_cut(doc, json_object_array_get_idx(o, i)))
                return true;
        return false;
    case json_type_object:
        for (struct lh_entry *e = json_object_get_object(o)->head; e != NULL; e = e->next)
            if (holds_cut(doc, (struct json_object *)(uintptr_t)lh_entry_v(e)))
                return true;
        return false;
    default:
        return false;
    }
}

int json_raw(const struct json *doc, const char *path, char **ret_text)
{
    struct json_object *o = NULL;
    size_t len = 0;

    if (json_find(doc, path, &o) < 0)
        return -ENOENT;
    if (o == NULL) {
        *ret_text = xstrdup("null");
        return 0;
    }
    if (doc->oversized && holds_cut(doc, o))
        return -ERANGE;
    const char *text =
        json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
    if (text == NULL)
        return -ENOMEM;
    *ret_text = xstrndup(text, len);
    /* For a string this is json-c's rendering, not its value. */
    explicit_bzero((void *)(uintptr_t)text, len);
    return 0;
}

char *json_path_escape(const char *name)
{
    char *escaped = xmalloc(2 * strlen(name) + 1), *to = escaped;

    for (; *name != '\0'; name++) {
        if (*name == '.' || *name == '\\')
            *to++ = '\\';
        *to++ = *name;
    }
    *to = '\0';
    return escaped;
}
