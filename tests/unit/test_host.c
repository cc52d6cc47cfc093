/* SPDX-License-Identifier: MIT
 * Unit tests of loading: what a bad file, a foreign one and a bad descriptor are told, and that an
 * older plugin runs. Uses the modules of the build: plugins/.libs and tests/plugins/.libs.
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/json/json.h"
#include "core/plugin/check.h"
#include "core/plugin/load.h"
#include "tests/plugins/bad_common.h"
#include "tests/unit/runner.h"

#define OURS "plugins/.libs"
#define BAD "tests/plugins/.libs"

static void free_plugins_p(struct plugins **p)
{
    plugins_free(*p);
}

/* Loading fails with a sentence that holds both. */
static void refused(const char *dir, const char *name, const char *part, const char *other)
{
    cleanup(free_plugins_p) struct plugins *all = NULL;
    const struct plugin *p = NULL;
    struct error e = {""};

    CU_ASSERT_EQUAL_FATAL(plugins_new(dir, &all), 0);
    CU_ASSERT(plugins_get(all, name, &p, &e) < 0);
    CU_ASSERT_PTR_NULL(p);
    if (!strstr(e.text, part) || !strstr(e.text, other))
        printf("# %s: %s\n", name, e.text);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, part));
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, other));
}

static void test_load(void)
{
    static const char *const names[] = {"youtube", "oauth2", "skeleton"};
    cleanup(free_plugins_p) struct plugins *all = NULL;
    const struct plugin *p, *again;
    struct error e = {""};

    CU_ASSERT_EQUAL_FATAL(plugins_new(OURS, &all), 0);
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL_FATAL(plugins_get(all, names[i], &p, &e), 0);
        CU_ASSERT_STRING_EQUAL(plugin_name(p), names[i]);
        CU_ASSERT_EQUAL(plugins_get(all, names[i], &again, &e), 0);
        CU_ASSERT_PTR_EQUAL(p, again);
        CU_ASSERT_EQUAL(plugin_credential(p), plugin_slot(p, "refresh_token"));
        CU_ASSERT_EQUAL(plugin_slot(p, "no_such"), -1);
    }
    CU_ASSERT_EQUAL(plugin_descriptor(p)->replay, RENEWD_REPLAY_SINGLE_USE);
}

static void test_describe(void)
{
    cleanup(free_plugins_p) struct plugins *all = NULL;
    cleanup(json_free_p) struct json *doc = NULL;
    cleanup(buf_done) struct buf text;
    const struct plugin *p;
    struct json_writer w;
    const char *value;
    struct error e;
    bool flag;

    buf_init(&text, 65536);
    CU_ASSERT_EQUAL_FATAL(plugins_new(OURS, &all), 0);
    CU_ASSERT_EQUAL_FATAL(plugins_get(all, "oauth2", &p, &e), 0);
    json_writer_init(&w, &text);
    plugin_describe(p, &w);
    CU_ASSERT_EQUAL_FATAL(json_finish(&w), 0);
    CU_ASSERT_EQUAL_FATAL(json_parse(text.data, text.len, &doc, NULL), 0);
    CU_ASSERT(json_text(doc, "replay", &value, NULL) >= 0 && strcmp(value, "single_use") == 0);
    CU_ASSERT(json_text(doc, "settings.3.choices", &value, NULL) >= 0);
    CU_ASSERT_STRING_EQUAL(value, "post|basic");
    CU_ASSERT(json_boolean(doc, "slots.1.credential", &flag) == 0 && flag);
}

static void test_bad_names(void)
{
    static const char *const names[] = {"", "../youtube", "You", "a.b", "a/b", "a-b", "\xff"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        refused(OURS, names[i], "cannot be a plugin's name", "small letters");
    refused(OURS, "no_such", "there is no plugin no_such", "plugin_dir");
}

static void test_bad_modules(void)
{
    refused(BAD, "bad_symbol", "bad_symbol.so", "does not export renewd_plugin_v1");
    refused(BAD, "bad_later", "built for a later renewd", "renewd_plugin_v2");
    refused(BAD, "bad_name", "calls itself other", "other.so");
    refused(BAD, "bad_callback", "bad_callback.so", "lacks the callback refresh");
    refused(BAD, "bad_size", "bad_size.so", "wrong size");
    refused(BAD, "bad_null", "bad_null.so", "no descriptor");
}

static void test_old_header(void)
{
    cleanup(free_plugins_p) struct plugins *all = NULL;
    const struct plugin *p;
    struct error e = {""};

    CU_ASSERT_EQUAL_FATAL(plugins_new(BAD, &all), 0);
    CU_ASSERT_EQUAL_FATAL(plugins_get(all, "old_header", &p, &e), 0);
    CU_ASSERT_PTR_NULL(plugin_descriptor(p)->on_failure);
    CU_ASSERT_PTR_NOT_NULL(plugin_descriptor(p)->refresh);
}

/* Built with the header of minor 0: everything later is absent, and it is described and runs. */
static void test_old_minor(void)
{
    cleanup(free_plugins_p) struct plugins *all = NULL;
    cleanup(buf_done) struct buf text;
    struct json_writer w;
    const struct plugin *p;
    struct error e;

    CU_ASSERT_EQUAL_FATAL(plugins_new(BAD, &all), 0);
    CU_ASSERT_EQUAL_FATAL(plugins_get(all, "old_minor", &p, &e), 0);
    CU_ASSERT_EQUAL(plugin_descriptor(p)->minor, 0);
    CU_ASSERT_PTR_NULL(plugin_descriptor(p)->on_answer);
    CU_ASSERT_PTR_NULL(plugin_descriptor(p)->take_event);
    CU_ASSERT_PTR_NULL(plugin_descriptor(p)->send_events);
    CU_ASSERT_EQUAL(plugin_descriptor(p)->event_batch, 0);
    CU_ASSERT_PTR_NOT_NULL(plugin_descriptor(p)->on_failure);
    for (size_t i = 0; i < p->slot_count; i++)
        CU_ASSERT_EQUAL(p->slots[i].destination, 0);
    buf_init(&text, 65536);
    json_writer_init(&w, &text);
    plugin_describe(p, &w);
    CU_ASSERT_EQUAL_FATAL(json_finish(&w), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "\"events\":false"));
    CU_ASSERT_PTR_NULL(strstr(text.data, "\"destination\":true"));
}

/* ---- Files ------------------------------------------------------------------------------- */

static char folder[64];

static void put_file(const void *data, size_t len)
{
    cleanup(free_p) char *path = xasprintf("%s/cut.so", folder);
    FILE *f = fopen(path, "wb");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fwrite(data, 1, len, f), len);
    fclose(f);
}

static void with_copy(void (*run)(struct buf *so))
{
    cleanup(buf_done) struct buf so;
    cleanup(free_p) char *path = NULL;

    snprintf(folder, sizeof(folder), "test_host.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    CU_ASSERT_EQUAL_FATAL(file_read(OURS "/youtube.so", 16 * 1024 * 1024, &so), 0);
    path = xasprintf("%s/cut.so", folder);
    run(&so);
    unlink(path);
    rmdir(path);
    rmdir(folder);
}

static void cut(struct buf *so)
{
    for (size_t i = 1; i < 41; i++) {
        put_file(so->data, so->len * i / 41);
        refused(folder, "cut", "cut.so is cut off", "install");
    }
    put_file(so->data, so->len - 1);
    refused(folder, "cut", "cut.so is cut off", "install");
    for (size_t i = 1; i < 70; i++) {
        put_file(so->data, i);
        refused(folder, "cut", "cut.so is cut off", "install");
    }
    put_file("", 0);
    refused(folder, "cut", "cut.so is empty", "install");
}

static void test_cut(void)
{
    with_copy(cut);
}

static void foreign(struct buf *so)
{
    unsigned char *head = (unsigned char *)so->data, saved[64];

    memcpy(saved, head, sizeof(saved));
    put_file("#!/bin/sh\n", 10);
    refused(folder, "cut", "is not an ELF file", "cut.so");
    int machine = (head[18] | head[19] << 8) == EM_AARCH64 ? EM_X86_64 : EM_AARCH64;
    head[18] = (unsigned char)machine;
    head[19] = (unsigned char)(machine >> 8);
    put_file(so->data, so->len);
    refused(folder, "cut", "is for another machine", machine == EM_AARCH64 ? "aarch64" : "x86_64");
    memcpy(head, saved, sizeof(saved));
    head[EI_CLASS] = head[EI_CLASS] == ELFCLASS64 ? ELFCLASS32 : ELFCLASS64;
    put_file(so->data, so->len);
    refused(folder, "cut", "is built for", "bits");
    memcpy(head, saved, sizeof(saved));
    head[16] = ET_REL;
    put_file(so->data, so->len);
    refused(folder, "cut", "is not a shared object", "-shared");
    memcpy(head, saved, sizeof(saved));
    memset(head + 32, 0xff, 16); /* where its headers are */
    put_file(so->data, so->len);
    refused(folder, "cut", "is cut off", "cut.so");
    memcpy(head, saved, sizeof(saved));
    put_file(so->data, so->len);
    refused(folder, "cut", "calls itself youtube", "name it youtube.so");
}

static void test_foreign(void)
{
    with_copy(foreign);
}

static void no_file(struct buf *so)
{
    cleanup(free_p) char *path = xasprintf("%s/cut.so", folder);

    (void)so;
    CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
    refused(folder, "cut", "is not a regular file", "cut.so");
}

static void test_no_file(void)
{
    with_copy(no_file);
}

/* ---- Descriptors ------------------------------------------------------------------------- */

#define SLOT(...)                                       \
    &(const struct renewd_slot)                         \
    {                                                   \
        .size = sizeof(struct renewd_slot), __VA_ARGS__ \
    }
#define SETTING(...)                                       \
    &(const struct renewd_setting)                         \
    {                                                      \
        .size = sizeof(struct renewd_setting), __VA_ARGS__ \
    }
#define STATEMENT(...)                                       \
    &(const struct renewd_statement)                         \
    {                                                        \
        .size = sizeof(struct renewd_statement), __VA_ARGS__ \
    }

static struct renewd_plugin good(void)
{
    return (struct renewd_plugin){.size = sizeof(struct renewd_plugin),
                                  .replay = RENEWD_REPLAY_SAFE,
                                  .name = "p",
                                  .version = "1",
                                  .open = stub_open,
                                  .needs_refresh = stub_needs_refresh,
                                  .refresh = stub_refresh};
}

static void mistake(const struct renewd_plugin *d, const char *part)
{
    cleanup(plugin_free_p) struct plugin *p = NULL;
    struct error e = {""};

    CU_ASSERT_EQUAL(plugin_check(d, "p", "/x/p.so", &p, &e), part ? -EINVAL : 0);
    if (part && !strstr(e.text, part))
        printf("# expected \"%s\", got \"%s\"\n", part, e.text);
    CU_ASSERT(!part || (strstr(e.text, part) && strncmp(e.text, "/x/p.so ", 8) == 0));
}

static void slots_are(const struct renewd_slot *a, const struct renewd_slot *b, const char *part)
{
    const struct renewd_slot *const list[] = {a, b, NULL};
    struct renewd_plugin d = good();

    d.slots = list;
    mistake(&d, part);
}

static void test_slots(void)
{
    const struct renewd_slot *token =
        SLOT(.name = "a", .type = RENEWD_SECRET, .direction = RENEWD_INOUT, .credential = 1);

    slots_are(token, NULL, NULL);
    slots_are(token, SLOT(.name = "b", .type = RENEWD_SECRET, .direction = RENEWD_IN, .credential = 1),
              "more than one slot");
    slots_are(token, SLOT(.name = "a", .type = RENEWD_TEXT, .direction = RENEWD_IN), "two slots named a");
    slots_are(SLOT(.name = "B", .type = RENEWD_TEXT, .direction = RENEWD_IN), NULL, "not [a-z0-9_]+");
    slots_are(SLOT(.type = RENEWD_TEXT, .direction = RENEWD_IN), NULL, "not [a-z0-9_]+");
    slots_are(SLOT(.name = "b", .type = RENEWD_BOOLEAN, .direction = RENEWD_IN), NULL, "unknown type");
    slots_are(SLOT(.name = "b", .type = RENEWD_TEXT), NULL, "unknown direction");
    slots_are(SLOT(.name = "b", .type = RENEWD_TEXT, .direction = RENEWD_IN, .credential = 1), NULL,
              "not a secret");
    slots_are(SLOT(.name = "b", .type = RENEWD_SECRET, .direction = RENEWD_OUT, .credential = 1), NULL,
              "read from the record");
    slots_are(SLOT(.name = "status", .type = RENEWD_TEXT, .direction = RENEWD_IN), NULL, "of its own");
    slots_are(SLOT(.name = "expires_at", .type = RENEWD_TEXT, .direction = RENEWD_IN), NULL,
              "another type than all plugins");
    slots_are(token, SLOT(.name = "b", .type = RENEWD_INTEGER, .direction = RENEWD_IN, .destination = 1), NULL);
    slots_are(token, SLOT(.name = "b", .type = RENEWD_TEXT, .direction = RENEWD_OUT, .destination = 1),
              "marks a destination that is not");
    slots_are(token, SLOT(.name = "b", .type = RENEWD_SECRET, .direction = RENEWD_IN, .destination = 1),
              "marks a destination that is not");
    slots_are(token, SLOT(.name = "b", .type = RENEWD_TIME, .direction = RENEWD_IN, .destination = 1),
              "marks a destination that is not");
    slots_are(&(const struct renewd_slot){.name = "b"}, NULL, "wrong size");
    slots_are(&(const struct renewd_slot){.size = SIZE_MAX, .name = "b"}, NULL, "wrong size");
}

static void test_settings(void)
{
    const struct renewd_setting *list[] = {SETTING(.name = "a", .type = RENEWD_SECRET), NULL, NULL};
    cleanup(plugin_free_p) struct plugin *p = NULL;
    struct renewd_plugin d = good();
    struct error e;

    d.settings = list;
    CU_ASSERT_EQUAL_FATAL(plugin_check(&d, "p", "/x/p.so", &p, &e), 0);
    CU_ASSERT_EQUAL(p->descriptor.settings[0]->secret, 1);
    list[1] = SETTING(.name = "a", .type = RENEWD_TEXT);
    mistake(&d, "two settings named a");
    list[1] = SETTING(.name = "b", .type = RENEWD_AS_READ);
    mistake(&d, "unknown type");
    list[1] = SETTING(.name = "b c", .type = RENEWD_TEXT);
    mistake(&d, "not [a-z0-9_]+");
}

static void test_statements(void)
{
    static const int32_t fine[] = {RENEWD_TEXT, RENEWD_AS_READ, 0}, wrong[] = {RENEWD_URL, 0};
    const struct renewd_statement *list[] = {STATEMENT(.name = "add", .parameters = fine, .rows = RENEWD_ROWS_ONE),
                                             NULL, NULL};
    struct renewd_plugin d = good();

    d.statements = list;
    mistake(&d, NULL);
    list[1] = STATEMENT(.name = "add", .rows = RENEWD_ROWS_ONE);
    mistake(&d, "two statements named add");
    list[1] = STATEMENT(.name = "b");
    mistake(&d, "unknown row count");
    list[1] = STATEMENT(.name = "b", .parameters = wrong, .rows = RENEWD_ROWS_ANY);
    mistake(&d, "unknown type to a parameter");
    list[1] = STATEMENT(.name = "ready", .rows = RENEWD_ROWS_ONE);
    mistake(&d, "\"ready\"");
}

/* One member at a time. */
static void test_head(void)
{
    struct renewd_plugin d = good();

    mistake(&d, NULL);
    mistake(NULL, "no descriptor");
    d.size = 8;
    mistake(&d, "wrong size");
    d.size = SIZE_MAX;
    mistake(&d, "wrong size");
    d = good(), d.name = NULL;
    mistake(&d, "not [a-z0-9_]+");
    d.name = "P";
    mistake(&d, "not [a-z0-9_]+");
    d.name = "q";
    mistake(&d, "calls itself q");
    d = good(), d.version = "";
    mistake(&d, "no version");
    d = good(), d.replay = 0;
    mistake(&d, "repeating a credential");
    d = good(), d.replay_grace = 5;
    mistake(&d, "replay_grace");
    d = good(), d.scratch_size = 1 << 21;
    mistake(&d, "scratch");
    d = good(), d.open = NULL;
    mistake(&d, "lacks the callback open");
    d = good(), d.needs_refresh = NULL;
    mistake(&d, "lacks the callback needs_refresh");
    d = good(), d.refresh = NULL;
    mistake(&d, "lacks the callback refresh");
}

static int32_t take_nothing(void *instance, const struct renewd_take_event_in *in,
                            struct renewd_take_event_out *out)
{
    (void)instance;
    (void)in;
    (void)out;
    return RENEWD_EVENT_IGNORE;
}

static int32_t send_nothing(void *instance, const struct renewd_send_events_in *in,
                            struct renewd_send_events_out *out)
{
    (void)instance;
    (void)in;
    (void)out;
    return RENEWD_FAILED;
}

static void test_events(void)
{
    struct renewd_plugin d = good();

    d.take_event = take_nothing;
    mistake(&d, "lacks the callback send_events");
    d.send_events = send_nothing;
    mistake(&d, NULL);
    d.event_batch = 10000;
    mistake(&d, NULL);
    d.event_batch = 10001;
    mistake(&d, "event_batch");
    d.event_batch = -1;
    mistake(&d, "event_batch");
    d = good(), d.send_events = send_nothing;
    mistake(&d, "lacks the callback take_event");
    /* What lies behind the end that the plugin names is not read. */
    d.size = offsetof(struct renewd_plugin, on_answer);
    mistake(&d, NULL);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"our plugins load", test_load},
        {"describe", test_describe},
        {"bad names", test_bad_names},
        {"bad modules", test_bad_modules},
        {"an older header", test_old_header},
        {"the header of minor 0", test_old_minor},
        {"a file cut off anywhere", test_cut},
        {"foreign files", test_foreign},
        {"not a file", test_no_file},
        {"the descriptor's head", test_head},
        {"events: both callbacks or none", test_events},
        {"slots", test_slots},
        {"settings", test_settings},
        {"statements", test_statements},
        {NULL, NULL},
    };
    return run_tests("host", tests);
}
