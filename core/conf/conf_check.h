/* SPDX-License-Identifier: MIT
 * Reads settings and collects their mistakes: each getter notes file, line, setting, what was found and what is
 * expected, so that `renewd --check` can list all mistakes of all files at once. A mistake never repeats a value
 * that may be a secret: the getters do not quote texts.
 */
#ifndef CORE_CONF_CONF_CHECK_H
#define CORE_CONF_CONF_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf_item;
struct conf_mistakes;

enum { CONF_MISTAKES_MAX = 200 };

struct conf_mistakes *conf_mistakes_new(void);
void conf_mistakes_free(struct conf_mistakes *m);
void conf_mistakes_free_p(struct conf_mistakes **m);
size_t conf_mistakes_count(const struct conf_mistakes *m); /* all, including those past the limit */
/* The sentence "FILE:LINE: what"; NULL past the end. Past CONF_MISTAKES_MAX only the count grows.
 */
const char *conf_mistakes_at(const struct conf_mistakes *m, size_t index);

/* Note a mistake at item or, with item NULL, in file (which may be NULL too). */
void conf_mistake(struct conf_mistakes *m, const struct conf_item *item, const char *file, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Warnings: something suspicious that may be intended. A warning does not hold a job; --check lists it and exits
 * with 0. */
void conf_warning(struct conf_mistakes *m, const struct conf_item *item, const char *file, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
const char *conf_warnings_at(const struct conf_mistakes *m, size_t index); /* NULL past the end */

/* How often a setting must be present. */
enum conf_need { CONF_OPTIONAL = 0, CONF_REQUIRED = 1 };

/* Each returns true with a value. False: the output is unchanged, and the setting was absent and optional (no
 * mistake) or wrong (one mistake). An empty text is a mistake if the setting is required. */
bool conf_get_text(const struct conf_item *group, const char *name, enum conf_need need, struct conf_mistakes *m,
                   const char **ret_text);
bool conf_get_bool(const struct conf_item *group, const char *name, enum conf_need need, struct conf_mistakes *m,
                   bool *ret_value);
bool conf_get_integer(const struct conf_item *group, const char *name, enum conf_need need, int64_t min,
                      int64_t max, struct conf_mistakes *m, int64_t *ret_value);
/* A text such as "10m" within [min_ms, max_ms]. */
bool conf_get_duration(const struct conf_item *group, const char *name, enum conf_need need, int64_t min_ms,
                       int64_t max_ms, struct conf_mistakes *m, int64_t *ret_ms);
/* One of the NULL-terminated choices; ret_index is its index. */
bool conf_get_choice(const struct conf_item *group, const char *name, enum conf_need need,
                     const char *const *choices, struct conf_mistakes *m, size_t *ret_index);
/* One text, or an array or list of texts (then all are texts). Returns the item for conf_text_list_count and
 * conf_text_list_at, which accept both forms. */
bool conf_get_text_list(const struct conf_item *group, const char *name, enum conf_need need,
                        struct conf_mistakes *m, const struct conf_item **ret_list);
size_t conf_text_list_count(const struct conf_item *list);
const char *conf_text_list_at(const struct conf_item *list, size_t index);
bool conf_get_group(const struct conf_item *group, const char *name, enum conf_need need, struct conf_mistakes *m,
                    const struct conf_item **ret_group);
/* ( {...}, {...} ): all elements are groups. */
bool conf_get_group_list(const struct conf_item *group, const char *name, enum conf_need need,
                         struct conf_mistakes *m, const struct conf_item **ret_list);

/* Every setting of the group that is not in the NULL-terminated list is a mistake, with the nearest
 * known name suggested. */
void conf_refuse_unknown(const struct conf_item *group, const char *const *known, struct conf_mistakes *m);
/* The name in the list that is most similar to `name`, NULL when none is similar enough. */
const char *conf_nearest(const char *name, const char *const *known);

#endif
