/* SPDX-License-Identifier: MIT
 * Reading answers.txt: cases and what stands before them.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/rules/outcome.h"
#include "core/time/duration.h"
#include "tests/plugins/answers.h"

static int digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* \xHH in place; JSON has no such escape. */
static char *unescape(char *text)
{
    char *to = text;

    for (const char *p = text; *p;) {
        if (p[0] == '\\' && p[1] == 'x' && digit(p[2]) >= 0 && digit(p[3]) >= 0) {
            *to++ = (char)(digit(p[2]) * 16 + digit(p[3]));
            p += 4;
        } else {
            *to++ = *p++;
        }
    }
    *to = '\0';
    return text;
}

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t len = strlen(text);
    while (len && strchr(" \t\r\n", text[len - 1]))
        text[--len] = '\0';
    return text;
}

/* Cuts text at the first mark; what follows it, or NULL. */
static char *cut(char *text, const char *mark)
{
    char *at = strstr(text, mark);

    if (!at)
        return NULL;
    *at = '\0';
    return at + strlen(mark);
}

/* STATUS (Name: value)... BODY */
static bool read_step(char *text, struct answer_step *step)
{
    char *rest;

    step->status = (int32_t)strtol(text, &rest, 10);
    if (rest == text)
        return false;
    for (rest = trim(rest); *rest == '(' && step->header_count < FAKE_LIST; rest = trim(rest)) {
        char *name = rest + 1, *value;
        rest = cut(name, ")");
        value = rest ? cut(name, ":") : NULL;
        if (!value)
            return false;
        step->headers[step->header_count++] =
            (struct fake_header){.name = trim(name), .value = unescape(trim(value))};
    }
    step->body = strcmp(rest, "-") == 0 ? "" : unescape(rest);
    return *rest || step->body == rest;
}

static bool starts(const char *text, const char *with, const char **ret_rest)
{
    size_t len = strlen(with);
    *ret_rest = text + len;
    return strncmp(text, with, len) == 0;
}

static bool read_wanted(char *word, struct answer_case *c, const char **ret_why)
{
    const char *rest;

    if (starts(word, "next=", &rest))
        c->next = strtoll(rest, NULL, 10);
    else if (starts(word, "slow=", &rest))
        c->slow = strtoll(rest, NULL, 10);
    else if (starts(word, "strike=", &rest))
        c->strike = strtoll(rest, NULL, 10);
    else if (starts(word, "notify=", &rest))
        c->notify = strtoll(rest, NULL, 10);
    else if (starts(word, "text=", &rest))
        c->text = unescape(word) + strlen("text=");
    else if (strchr(word, '=') || strstr(word, "\\x20"))
        c->effects[c->effect_count++] = unescape(word);
    else if (!*c->code)
        c->code = word;
    else
        *ret_why = "two codes";
    if (c->effect_count == WANTED_MAX)
        *ret_why = "too many effects";
    return !*ret_why;
}

static bool read_expected(char *text, struct answer_case *c, const char **ret_why)
{
    char *save, *word = strtok_r(text, " \t", &save);

    c->refused = word && strcmp(word, "refused") == 0;
    c->call = c->refused || (word && strcmp(word, "fine") == 0);
    c->outcome = word && !c->call ? outcome_from_name(word) : c->call ? 0 : -1;
    if (c->outcome < 0 || (c->call && c->step_count != 1))
        *ret_why = "no such outcome";
    while (!*ret_why && (word = strtok_r(NULL, " \t", &save)))
        read_wanted(word, c, ret_why);
    return !*ret_why;
}

bool answer_read(char *line, struct answer_case *ret_case, const char **ret_why)
{
    char *expected = cut(line, " => "), *step = trim(line);

    *ret_case = (struct answer_case){.code = "", .next = -1, .slow = -1, .strike = -1, .notify = -1};
    *ret_why = NULL;
    if (!expected) {
        *ret_why = "a case has \" => \" in it";
        return false;
    }
    while (step && strcmp(step, "ask") != 0) {
        char *following = cut(step, " ;; ");
        if (ret_case->step_count == STEPS_MAX || !read_step(trim(step), &ret_case->steps[ret_case->step_count++])) {
            *ret_why = "a reply is STATUS (Name: value)... BODY, an empty body is -";
            return false;
        }
        step = following ? trim(following) : NULL;
    }
    return read_expected(trim(expected), ret_case, ret_why);
}

void setup_forget(struct setup *setup)
{
    while (setup->count)
        free(setup->lines[--setup->count]);
    setup->now = 1000;
}

void setup_add(struct setup *setup, const char *line)
{
    size_t len = strcspn(line, "=");

    for (size_t i = 0; i < setup->count; i++)
        if (strncmp(setup->lines[i], line, len) == 0 && setup->lines[i][len] == line[len]) {
            free(setup->lines[i]);
            setup->lines[i] = xstrdup(line);
            return;
        }
    if (setup->count < SETUP_MAX)
        setup->lines[setup->count++] = xstrdup(line);
}

static const struct renewd_setting *declared(const struct fake *f, const char *name)
{
    for (size_t i = 0; f->plugin->settings && f->plugin->settings[i]; i++)
        if (strcmp(f->plugin->settings[i]->name, name) == 0)
            return f->plugin->settings[i];
    return NULL;
}

static bool set_setting(struct fake *f, const char *name, const char *value)
{
    const struct renewd_setting *s = declared(f, name);
    int64_t number = 0;

    if (s && s->type == RENEWD_DURATION && duration_parse(value, &number) == 0)
        number /= 1000;
    else if (s && s->type == RENEWD_BOOLEAN)
        number = strcmp(value, "true") == 0;
    else
        number = strtoll(value, NULL, 10);
    if (s)
        fake_setting(f, s->name, value, number);
    return s;
}

static bool is_time(const struct fake *f, const char *name, bool *ret_known)
{
    for (size_t i = 0; f->value_list[i]; i++)
        if (strcmp(f->values[i].name, name) == 0) {
            *ret_known = true;
            return f->values[i].type == RENEWD_TIME || f->values[i].type == RENEWD_INTEGER;
        }
    *ret_known = false;
    return false;
}

static bool set_slot(struct fake *f, const char *name, const char *value)
{
    bool known, time = is_time(f, name, &known);

    if (known && time)
        fake_time(f, name, strtoll(value, NULL, 10));
    else if (known)
        fake_slot(f, name, *value ? value : NULL);
    return known;
}

static bool set_record(struct fake *f, const char *name, const char *value)
{
    int64_t number = strtoll(value, NULL, 10);

    if (strcmp(name, "refreshed_at") == 0)
        f->record.refreshed_at = number;
    else if (strcmp(name, "first_seen") == 0)
        f->record.first_seen = number;
    else if (strcmp(name, "life") == 0)
        f->record.life = number;
    else if (strcmp(name, "attempts") == 0)
        f->record.attempts = (int32_t)number;
    else if (strcmp(name, "strikes") == 0)
        f->record.strikes = (int32_t)number;
    else if (strcmp(name, "memo") == 0) {
        f->record.memo = value;
        f->record.memo_length = strlen(value);
    } else
        return false;
    return true;
}

/* "KIND NAME = VALUE"; the texts that the fake keeps stay in the setup's own line. */
static bool apply_line(char *line, struct fake *f)
{
    char *value = strchr(line, '='), *name = strchr(line, ' ');
    bool good = false;

    if (!value || !name || name > value)
        return false;
    cleanup(free_p) char *copy = xstrndup(name + 1, (size_t)(value - name - 1));
    const char *slot = trim(copy);
    value += 1 + strspn(value + 1, " ");
    if (strncmp(line, "setting ", 8) == 0)
        good = set_setting(f, slot, value);
    else if (strncmp(line, "slot ", 5) == 0)
        good = set_slot(f, slot, value);
    else if (strncmp(line, "record ", 7) == 0)
        good = set_record(f, slot, value);
    return good;
}

bool setup_apply(const struct setup *setup, struct fake *f)
{
    for (size_t i = 0; i < setup->count; i++)
        if (!apply_line(setup->lines[i], f))
            return false;
    for (size_t i = 0; f->plugin->settings && f->plugin->settings[i]; i++) {
        const struct renewd_setting *s = f->plugin->settings[i];
        bool set = false;
        for (size_t k = 0; k < f->host.setting_count; k++)
            set = set || strcmp(f->host.settings[k].name, s->name) == 0;
        if (!set && s->default_value)
            set_setting(f, s->name, s->default_value);
    }
    return true;
}
