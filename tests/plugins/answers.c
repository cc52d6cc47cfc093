/* SPDX-License-Identifier: MIT
 * Holds the plugins against answers.txt and calls.txt: each recorded answer of a provider has to lead
 * to the outcome, code, time and effects, or to the verdict on the token, that stand beside it. The
 * plugins are loaded as renewd does it; there is no network and no core. A new case is a line in those
 * files, not here.
 *
 *     answers [FILE [PLUGIN_DIR]]
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/rules/outcome.h"
#include "tests/plugins/answers.h"

enum { BACKOFF = 777, DAY = 86400 }; /* BACKOFF stands for whatever renewd would wait */

static const char *file, *plugin_dir;
static unsigned cases, wrong, all_wrong;

static void complain(int line, const char *what, const struct fake *f)
{
    wrong++;
    printf("# %s:%d: %s\n", file, line, what);
    if (f)
        printf("#   outcome %s, code \"%s\", text \"%s\", next %lld, slow %lld\n#   effects: %s\n",
               f->outcome ? outcome_name(f->outcome) : "ok", f->code, f->text,
               (long long)(f->decision.next_at ? f->decision.next_at - f->host.now : 0), (long long)f->slow_for,
               f->effects);
}

static const struct renewd_plugin *load(const char *name)
{
    cleanup(free_p) char *path = xasprintf("%s/%s.so", plugin_dir, name);
    const struct renewd_plugin *(*entry)(void) = NULL;
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (object)
        *(void **)&entry = dlsym(object, "renewd_plugin_v1");
    if (!entry)
        printf("# %s: %s\n", path, dlerror());
    return entry ? entry() : NULL;
}

/* What renewd decides by itself, before the plugin is asked. */
static void decide(struct fake *f, int64_t now)
{
    f->decision = (struct renewd_on_failure_out){.size = sizeof(f->decision), .outcome = f->outcome};
    f->decision.notify = f->outcome == RENEWD_RECONNECT;
    if (f->outcome == RENEWD_MISCONFIGURED)
        f->decision.next_at = now + DAY;
    else if (f->outcome != RENEWD_RECONNECT)
        f->decision.next_at = now + BACKOFF;
}

/* Runs the steps; false when the plugin wanted more or fewer of them. */
static bool run_steps(struct fake *f, const struct answer_case *c, int64_t now, int32_t *ret_last)
{
    int32_t r = fake_ask(f, now);

    for (size_t i = 0; i < c->step_count; i++) {
        const struct answer_step *step = &c->steps[i];
        if (r != RENEWD_WAIT)
            return false;
        f->header_count = 0;
        for (size_t k = 0; k < step->header_count; k++)
            fake_header(f, step->headers[k].name, step->headers[k].value);
        r = fake_answer(f, step->status, step->body, now);
    }
    if (r == RENEWD_FAILED) {
        const struct answer_step *last = c->step_count ? &c->steps[c->step_count - 1] : NULL;
        decide(f, now);
        if (fake_failed_with(f, last ? last->status : 0, f->code, last ? last->body : NULL, now))
            return false;
        f->outcome = f->decision.outcome;
    }
    *ret_last = r;
    return r != RENEWD_WAIT;
}

static bool has_line(const char *lines, const char *line)
{
    size_t len = strlen(line);

    for (const char *p = lines; p && *p;) {
        if (strncmp(p, line, len) == 0 && p[len] == '\n')
            return true;
        p = strchr(p, '\n');
        p = p ? p + 1 : NULL;
    }
    return false;
}

static bool effects_are(const struct fake *f, const struct answer_case *c)
{
    size_t lines = 0;

    for (const char *p = f->effects; *p; p++)
        lines += *p == '\n';
    for (size_t i = 0; i < c->effect_count; i++)
        if (!has_line(f->effects, c->effects[i]))
            return false;
    return lines == c->effect_count;
}

/* What holds for every answer of every provider. */
static const char *rules_broken(const struct fake *f)
{
    if (strstr(f->text, "LEAK") || strstr(f->code, "LEAK") || strstr(f->host.logged, "LEAK"))
        return "free text of the answer is repeated";
    if (f->outcome && !f->text[0])
        return "a failure without a sentence";
    if (f->outcome == RENEWD_MISCONFIGURED &&
        (f->decision.strike || f->decision.notify || f->decision.next_at == 0))
        return "misconfigured condemns the record";
    return NULL;
}

static const char *not_as_wanted(const struct fake *f, const struct answer_case *c, int32_t last)
{
    int32_t outcome = last == RENEWD_DONE ? RENEWD_OK : f->outcome;

    if (outcome != c->outcome)
        return "another outcome";
    if (outcome != RENEWD_OK && strcmp(f->code, c->code) != 0)
        return "another code";
    if (!effects_are(f, c))
        return "other effects";
    if (c->next >= 0 && f->decision.next_at != (c->next ? f->host.now + c->next : 0))
        return "another time";
    if (c->slow >= 0 && f->slow_for != c->slow)
        return "another slow_for";
    if ((c->strike >= 0 && !!f->decision.strike != c->strike) ||
        (c->notify >= 0 && !!f->decision.notify != c->notify))
        return "another strike or notify";
    if (c->text && !strstr(f->text, c->text))
        return "another text";
    return NULL;
}

static const char *call_broken(struct fake *f, const struct answer_step *step, int64_t now,
                               struct renewd_on_answer_out *ret)
{
    f->header_count = 0;
    for (size_t k = 0; k < step->header_count; k++)
        fake_header(f, step->headers[k].name, step->headers[k].value);
    if (fake_call(f, step->status, step->body, now, ret) != 0)
        return "on_answer failed";
    f->slow_for = ret->slow_for;
    return f->effects[0] || f->request[0] || f->host.logged[0] ? "on_answer did more than answer" : NULL;
}

static const char *call_not_as_wanted(struct fake *f, const struct answer_case *c, int64_t now)
{
    struct renewd_on_answer_out out;
    const char *broken = call_broken(f, &c->steps[0], now, &out);

    if (broken)
        return broken;
    if ((out.token_refused != 0) != c->refused)
        return out.token_refused ? "the token counts as refused" : "the token does not count as refused";
    return out.slow_for != (c->slow > 0 ? c->slow : 0) ? "another slow" : NULL;
}

/* A plugin with its settings and a record, ready to be asked. */
static bool make_ready(struct fake *f, const struct renewd_plugin *plugin, const struct setup *setup, int line)
{
    fake_init_with(f, plugin);
    f->host.now = setup->now;
    if (!setup_apply(setup, f))
        complain(line, "a setting, slot or member of the record that is none", NULL);
    else if (fake_open(f) != 0)
        complain(line, f->text, NULL);
    else
        return true;
    return false;
}

static void run_case(const struct renewd_plugin *plugin, const struct setup *setup, int line, char *text)
{
    struct fake f;
    struct answer_case c;
    const char *why;
    int32_t last = 0;

    cases++;
    if (!answer_read(text, &c, &why)) {
        complain(line, why, NULL);
        return;
    }
    if (!make_ready(&f, plugin, setup, line))
        return;
    if (c.call)
        why = call_not_as_wanted(&f, &c, setup->now);
    else if (!run_steps(&f, &c, setup->now, &last))
        why = "not as many replies as the plugin asks for";
    else if (!(why = rules_broken(&f)))
        why = not_as_wanted(&f, &c, last);
    if (why)
        complain(line, why, &f);
    fake_close(&f);
}

/* A body that says nothing: 401 alone can mean the token then, 429 alone a limit. */
static void sweep_call(struct fake *f, int32_t status, const char *body, int64_t now, int line)
{
    const struct answer_step step = {.status = status, .body = body};
    struct renewd_on_answer_out out;
    const char *broken = call_broken(f, &step, now, &out);

    if (!broken && ((out.token_refused && status != 401) || (out.slow_for && status != 429)))
        broken = "a status alone decided about a call";
    if (!broken)
        return;
    printf("# HTTP %d, body \"%s\":\n", (int)status, body);
    complain(line, broken, f);
}

/* Every status with bodies that say nothing: none of them may end a grant. */
static void sweep(const struct renewd_plugin *plugin, const struct setup *setup, int line)
{
    static const char *const bodies[] = {"", "<html>LEAK</html>", "{}", "[]", "null", "{\"message\":\"LEAK\"}"};
    struct fake f;

    if (!make_ready(&f, plugin, setup, line))
        return;
    for (int32_t status = 100; status < 600; status++)
        for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
            struct answer_case c = {.step_count = 1, .steps = {{.status = status, .body = bodies[i]}}};
            int32_t last = 0;
            const char *broken = run_steps(&f, &c, setup->now, &last) ? rules_broken(&f) : NULL;
            if (broken || last != RENEWD_FAILED || f.outcome == RENEWD_RECONNECT) {
                printf("# HTTP %d, body \"%s\":\n", (int)status, bodies[i]);
                complain(line, broken ? broken : "a status alone decided", &f);
            }
            f.host.logged[0] = '\0';
            sweep_call(&f, status, bodies[i], setup->now, line);
        }
    fake_close(&f);
}

static void report(const char *plugin)
{
    if (*plugin)
        printf("%s plugins/answers: %s, %u answers\n", wrong ? "not ok" : "ok", plugin, cases);
    all_wrong += wrong;
    wrong = cases = 0;
}

/* One line of the file. */
static void take(struct setup *setup, const struct renewd_plugin **plugin, int number, char *line)
{
    line[strcspn(line, "\r\n")] = '\0';
    if (!*line || *line == '#')
        return;
    if (strncmp(line, "plugin ", 7) == 0) {
        report(setup->plugin);
        setup_forget(setup);
        snprintf(setup->plugin, sizeof(setup->plugin), "%s", line + 7);
        *plugin = load(setup->plugin);
        if (!*plugin)
            complain(number, "the plugin cannot be loaded", NULL);
    } else if (strncmp(line, "now = ", 6) == 0) {
        setup->now = strtoll(line + 6, NULL, 10);
    } else if (strncmp(line, "setting ", 8) == 0 || strncmp(line, "slot ", 5) == 0 ||
               strncmp(line, "record ", 7) == 0) {
        setup_add(setup, line);
    } else if (*plugin && strcmp(line, "sweep") == 0) {
        sweep(*plugin, setup, number);
    } else if (*plugin) {
        run_case(*plugin, setup, number, line);
    }
}

static const char *from_environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

/* False when there is no such file. */
static bool run_file(const char *path)
{
    struct setup setup = {.now = 1000};
    const struct renewd_plugin *plugin = NULL;
    char *line = NULL;
    size_t size = 0;

    file = path;
    FILE *in = fopen(file, "r");
    if (!in) {
        perror(file);
        return false;
    }
    for (int number = 1; getline(&line, &size, in) > 0; number++)
        take(&setup, &plugin, number, line);
    report(setup.plugin);
    setup_forget(&setup);
    free(line);
    fclose(in);
    return true;
}

int main(int argc, char **argv)
{
    static const char *const standard[] = {"answers.txt", "calls.txt"};
    size_t count = argc > 1 ? 1 : sizeof(standard) / sizeof(standard[0]);

    plugin_dir = argc > 2 ? argv[2] : from_environment("PLUGIN_DIR", "plugins/.libs");
    for (size_t i = 0; i < count; i++) {
        cleanup(free_p) char *path =
            argc > 1 ? xstrdup(argv[1])
                     : xasprintf("%s/tests/plugins/%s", from_environment("srcdir", "."), standard[i]);
        if (!run_file(path))
            return 99;
    }
    return all_wrong ? 1 : 0;
}
