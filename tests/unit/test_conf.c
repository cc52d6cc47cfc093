/* SPDX-License-Identifier: MIT
 * Unit tests of the configuration adapter: loading, what is refused with file and line, typed
 * getters and their mistakes, unknown names, references to secrets.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/error.h"
#include "core/base/secret.h"
#include "core/conf/conf.h"
#include "core/conf/secretref.h"
#include "tests/unit/runner.h"

static char directory[] = "/tmp/renewd-test-conf-XXXXXX";

static char *path_of(const char *name)
{
    return xasprintf("%s/%s", directory, name);
}

static void write_file(const char *name, const char *data, size_t len)
{
    cleanup(free_p) char *path = path_of(name);
    FILE *f = fopen(path, "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fwrite(data, 1, len, f), len);
    CU_ASSERT_EQUAL(fclose(f), 0);
}

static int load_n(const char *text, size_t len, struct conf **ret_conf, struct error *e)
{
    cleanup(free_p) char *path = path_of("a.conf");

    write_file("a.conf", text, len);
    return conf_load(path, ret_conf, e);
}

static struct conf *load(const char *text)
{
    struct conf *conf = NULL;
    struct error e = {""};
    int r = load_n(text, strlen(text), &conf, &e);

    if (r < 0)
        printf("# %s\n", e.text);
    CU_ASSERT_EQUAL_FATAL(r, 0);
    return conf;
}

/* True when the text is refused with "PATH<rest>" where rest begins with the expected words. */
static bool refused(const char *text, size_t len, const char *expected)
{
    struct conf *conf = NULL;
    struct error e = {""};
    int r = load_n(text, len, &conf, &e);
    cleanup(free_p) char *path = path_of("a.conf");
    size_t path_len = strlen(path);
    bool good = r < 0 && conf == NULL && strncmp(e.text, path, path_len) == 0 &&
                strncmp(e.text + path_len, expected, strlen(expected)) == 0;

    if (!good)
        printf("# %d %s, not %s\n", r, e.text, expected);
    return good;
}

static void test_load(void)
{
    cleanup(conf_free_p) struct conf *conf =
        load("# @include \"x\"\n// 99999999999999\n/* \n */ job = \"a\\\"b\";\nlimit = -5\n"
             "big : 17841400000000000L;\nf = 0.12345678901;\ng = .99999999999;\non = TRUE;\n"
             "records = {\n  table = \"t\" \"u\";\n  only = { status = [ \"a\",\n \"b\" ]; };\n};\n"
             "keys = ( { id = \"1\"; }, 7 );\nnone = [];\na-b = 0x7fffffff;");
    const struct conf_item *root = conf_root(conf);
    const struct conf_item *records = conf_child(root, "records");
    const struct conf_item *status = conf_child(conf_child(records, "only"), "status");

    CU_ASSERT_EQUAL(conf_kind(root), CONF_GROUP);
    CU_ASSERT_PTR_NULL(conf_name(root));
    CU_ASSERT_EQUAL(conf_count(root), 10);
    CU_ASSERT_STRING_EQUAL(conf_text(conf_child(root, "job")), "a\"b");
    CU_ASSERT_EQUAL(conf_line(conf_child(root, "job")), 4);
    CU_ASSERT_EQUAL(conf_integer(conf_child(root, "limit")), -5);
    CU_ASSERT_EQUAL(conf_integer(conf_child(root, "big")), INT64_C(17841400000000000));
    CU_ASSERT_EQUAL(conf_kind(conf_child(root, "f")), CONF_FLOAT);
    CU_ASSERT(conf_float(conf_child(root, "f")) > 0.1);
    CU_ASSERT(conf_bool(conf_child(root, "on")));
    CU_ASSERT_STRING_EQUAL(conf_text(conf_child(records, "table")), "tu");
    CU_ASSERT_EQUAL(conf_line(conf_child(records, "only")), 12);
    CU_ASSERT_EQUAL(conf_kind(status), CONF_ARRAY);
    CU_ASSERT_EQUAL(conf_count(status), 2);
    CU_ASSERT_STRING_EQUAL(conf_text(conf_at(status, 1)), "b");
    CU_ASSERT(conf_line(conf_at(status, 1)) >= 12);
    CU_ASSERT_PTR_NULL(conf_at(status, 2));
    CU_ASSERT_EQUAL(conf_kind(conf_at(conf_child(root, "keys"), 0)), CONF_GROUP);
    CU_ASSERT_EQUAL(conf_integer(conf_at(conf_child(root, "keys"), 1)), 7);
    CU_ASSERT_EQUAL(conf_count(conf_child(root, "none")), 0);
    CU_ASSERT_EQUAL(conf_integer(conf_child(root, "a-b")), 0x7fffffff);
    CU_ASSERT_PTR_NULL(conf_child(root, "nothing"));
    CU_ASSERT_PTR_NULL(conf_child(conf_child(root, "nothing"), "x"));
    CU_ASSERT_PTR_NULL(conf_text(conf_child(root, "limit")));
    CU_ASSERT_PTR_NOT_NULL(strstr(conf_file(status), "/a.conf"));
}

static void test_empty(void)
{
    cleanup(conf_free_p) struct conf *conf = load("");

    CU_ASSERT_EQUAL(conf_count(conf_root(conf)), 0);
}

static void test_refused(void)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"a = 1;\nb = nope;\n", ":2: syntax error"},
        {"a = \"x\n", ":"},
        {"a = 1;\n\na = 2;\n", ":3: this setting is given twice"},
        {"g = {\n a = 1;\n a = 2; };\n", ":3: this setting is given twice"},
        {"a = 1;\n@include \"b.conf\"\n", ":2: @include is not supported"},
        {"  @include \"/etc/passwd\"\n", ":1: @include is not supported"},
        {"a = 1;\nb = 3000000000;\n", ":2: this integer is larger than 32 bits"},
        {"b = -3000000000;\n", ":1: this integer is larger than 32 bits"},
        {"b = 0xFFFFFFFF;\n", ":1: this integer is larger than 32 bits"},
        {"b = 99999999999999999999L;\n", ":1: this integer does not fit into 64 bits"},
        {"b = 99999999999999999999;\n", ":1: this integer does not fit into 64 bits"},
        {"b = 1e400;\n", ":1: this number is too large"},
        {"a = 1;\nb = \"x\\x00y\";\n", ":2: a text must not hold a NUL"},
        {"b = [ 1,\n\"x\" ];\n", ":2: all elements of an array"},
        {"\xef\xbb\xbf"
         "a = 1;",
         ":1: syntax error"},
    };
    char deep[200];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CU_ASSERT(refused(cases[i].text, strlen(cases[i].text), cases[i].expected));
    static const char *const bad[] = {"caf\xe9", "\xed\xa0\x80", "\\xed\\xa0\\x80",
                                      "a\\xff",  "\\xc0\\xaf",   "\xf0\x9f\x92"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[80];
        snprintf(text, sizeof text, "# caf\xe9\na = \"caf\xc3\xa9 \\xc3\\xa9\";\nb = ( { c = [\n\"%s\"]; } );",
                 bad[i]);
        CU_ASSERT(refused(text, strlen(text), ":4: this text is not UTF-8"));
    }
    CU_ASSERT(refused("a = 1;\nb\0 = 2;", 15, ":2: there is a NUL byte"));
    CU_ASSERT(refused("a = 1;\nb = \"\0\";", 15, ":2: there is a NUL byte"));
    CU_ASSERT(refused("a = 1;\n# \0\nb = 1;", 17, ":2: there is a NUL byte"));
    memcpy(deep, "a = ", 4);
    memset(deep + 4, '(', 40);
    memset(deep + 44, ')', 40);
    CU_ASSERT(refused(deep, 84, ":1: settings are nested deeper"));
}

static void test_unreadable(void)
{
    cleanup(free_p) char *missing = path_of("missing.conf"), *large = path_of("large.conf");
    cleanup(free_p) char *spaces = xmalloc(CONF_FILE_MAX + 1);
    struct conf *conf = NULL;
    struct error e;

    CU_ASSERT_EQUAL(conf_load(missing, &conf, &e), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "missing.conf: the file cannot be read: No such file"));
    CU_ASSERT_EQUAL(conf_load(directory, &conf, &e), -EISDIR);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "not a regular file"));
    memset(spaces, ' ', CONF_FILE_MAX + 1);
    write_file("large.conf", spaces, CONF_FILE_MAX + 1);
    CU_ASSERT_EQUAL(conf_load(large, &conf, &e), -EFBIG);
    CU_ASSERT_PTR_NULL(conf);
}

/* True when the index-th mistake ends with the expected "LINE: sentence". */
static bool mistake_is(const struct conf_mistakes *m, size_t index, const char *expected)
{
    const char *text = conf_mistakes_at(m, index);
    cleanup(free_p) char *whole = xasprintf("%s/a.conf:%s", directory, expected);
    bool good = text != NULL && strcmp(text, whole) == 0;

    if (!good)
        printf("# %s\n", text != NULL ? text : "no mistake");
    return good;
}

static void test_getters(void)
{
    static const char *const choices[] = {"sqlite", "postgresql", NULL};
    cleanup(conf_mistakes_free_p) struct conf_mistakes *m = conf_mistakes_new();
    cleanup(conf_free_p) struct conf *conf =
        load("text = \"x\"; flag = false; number = 7; wait = \"10m\"; driver = \"postgresql\";\n"
             "one = \"a\"; several = [ \"a\", \"b\" ]; mixed = ( \"c\" ); group = { x = 1; };\n"
             "groups = ( { x = 1; }, { x = 2; } ); empty = \"\"; none = [];");
    const struct conf_item *root = conf_root(conf), *list = NULL, *group = NULL;
    const char *text = NULL;
    bool flag = true;
    int64_t number = 0, wait = 0;
    size_t index = 9;

    CU_ASSERT(conf_get_text(root, "text", CONF_REQUIRED, m, &text));
    CU_ASSERT_STRING_EQUAL(text, "x");
    CU_ASSERT(conf_get_text(root, "empty", CONF_OPTIONAL, m, &text));
    CU_ASSERT_FALSE(conf_get_text(root, "absent", CONF_OPTIONAL, m, &text));
    CU_ASSERT(conf_get_bool(root, "flag", CONF_REQUIRED, m, &flag));
    CU_ASSERT_FALSE(flag);
    CU_ASSERT(conf_get_integer(root, "number", CONF_REQUIRED, 0, 7, m, &number));
    CU_ASSERT_EQUAL(number, 7);
    CU_ASSERT(conf_get_duration(root, "wait", CONF_REQUIRED, 0, 600000, m, &wait));
    CU_ASSERT_EQUAL(wait, 600000);
    CU_ASSERT(conf_get_choice(root, "driver", CONF_REQUIRED, choices, m, &index));
    CU_ASSERT_EQUAL(index, 1);
    CU_ASSERT(conf_get_text_list(root, "one", CONF_REQUIRED, m, &list));
    CU_ASSERT_EQUAL(conf_text_list_count(list), 1);
    CU_ASSERT_STRING_EQUAL(conf_text_list_at(list, 0), "a");
    CU_ASSERT_PTR_NULL(conf_text_list_at(list, 1));
    CU_ASSERT(conf_get_text_list(root, "several", CONF_REQUIRED, m, &list));
    CU_ASSERT_EQUAL(conf_text_list_count(list), 2);
    CU_ASSERT_STRING_EQUAL(conf_text_list_at(list, 1), "b");
    CU_ASSERT(conf_get_text_list(root, "mixed", CONF_REQUIRED, m, &list));
    CU_ASSERT(conf_get_text_list(root, "none", CONF_OPTIONAL, m, &list));
    CU_ASSERT(conf_get_group(root, "group", CONF_REQUIRED, m, &group));
    CU_ASSERT(conf_get_group_list(root, "groups", CONF_REQUIRED, m, &list));
    CU_ASSERT_EQUAL(conf_count(list), 2);
    CU_ASSERT_EQUAL(conf_mistakes_count(m), 0);
}

static void test_mistakes(void)
{
    static const char *const choices[] = {"a", "b", "c", NULL};
    cleanup(conf_mistakes_free_p) struct conf_mistakes *m = conf_mistakes_new();
    cleanup(conf_free_p) struct conf *conf =
        load("text = 5;\nflag = \"true\";\nnumber = 1001;\nreal = 1.5;\nwait = \"10 parsecs\";\n"
             "pace = \"2h\";\nlist = ( \"a\",\n 5 );\ngroup = {\n};\nempty = \"\";\nbare = "
             "5;\nnone = ();");
    const struct conf_item *root = conf_root(conf), *item = NULL;
    const char *text = NULL;
    bool flag;
    int64_t n;
    size_t index;

    CU_ASSERT_FALSE(conf_get_text(root, "text", CONF_OPTIONAL, m, &text));
    CU_ASSERT(mistake_is(m, 0, "1: setting 'text' must be a text in quotes, but is an integer"));
    CU_ASSERT_FALSE(conf_get_bool(root, "flag", CONF_OPTIONAL, m, &flag));
    CU_ASSERT(mistake_is(m, 1, "2: setting 'flag' must be true or false (without quotes), but is a text"));
    CU_ASSERT_FALSE(conf_get_integer(root, "number", CONF_OPTIONAL, 0, 1000, m, &n));
    CU_ASSERT(mistake_is(m, 2, "3: setting 'number' is 1001, but must be from 0 to 1000"));
    CU_ASSERT_FALSE(conf_get_integer(root, "real", CONF_OPTIONAL, 0, 1000, m, &n));
    CU_ASSERT(mistake_is(m, 3,
                         "4: setting 'real' must be an integer (without quotes), "
                         "but is a number with a fraction"));
    CU_ASSERT_FALSE(conf_get_duration(root, "wait", CONF_OPTIONAL, 0, 1000, m, &n));
    CU_ASSERT(mistake_is(m, 4,
                         "5: setting 'wait' must be a duration in quotes such as \"200ms\", "
                         "\"10m\" or \"7d\""));
    CU_ASSERT_FALSE(conf_get_duration(root, "pace", CONF_OPTIONAL, 1000, 3600000, m, &n));
    CU_ASSERT(mistake_is(m, 5, "6: setting 'pace' must be from 1s to 1h"));
    CU_ASSERT_FALSE(conf_get_text_list(root, "list", CONF_OPTIONAL, m, &item));
    CU_ASSERT_PTR_NOT_NULL(strstr(conf_mistakes_at(m, 6), ": element 2 of 'list' must be a text in quotes"));
    CU_ASSERT_FALSE(conf_get_text(conf_child(root, "group"), "key", CONF_REQUIRED, m, &text));
    CU_ASSERT(mistake_is(m, 7, "9: setting 'key' is missing in 'group'"));
    CU_ASSERT_FALSE(conf_get_text(root, "plugin", CONF_REQUIRED, m, &text));
    CU_ASSERT_PTR_NOT_NULL(strstr(conf_mistakes_at(m, 8), "setting 'plugin' is missing"));
    CU_ASSERT_FALSE(conf_get_text(root, "empty", CONF_REQUIRED, m, &text));
    CU_ASSERT(mistake_is(m, 9, "11: setting 'empty' is empty"));
    CU_ASSERT_FALSE(conf_get_text_list(root, "bare", CONF_OPTIONAL, m, &item));
    CU_ASSERT(mistake_is(m, 10, "12: setting 'bare' must be a text or an array of texts, but is an integer"));
    CU_ASSERT_FALSE(conf_get_choice(root, "empty", CONF_OPTIONAL, choices, m, &index));
    CU_ASSERT(mistake_is(m, 11, "11: setting 'empty' must be \"a\", \"b\" or \"c\""));
    CU_ASSERT_FALSE(conf_get_group_list(root, "list", CONF_OPTIONAL, m, &item));
    CU_ASSERT_FALSE(conf_get_group_list(root, "none", CONF_REQUIRED, m, &item));
    CU_ASSERT_EQUAL(conf_mistakes_count(m), 14);
    CU_ASSERT_PTR_NULL(text);
}

static void test_collector(void)
{
    cleanup(conf_mistakes_free_p) struct conf_mistakes *m = conf_mistakes_new();
    char large[2000];

    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    conf_mistake(m, NULL, "/etc/x.conf", "no %s", "good");
    conf_mistake(m, NULL, NULL, "a\nb\xff %s", large);
    CU_ASSERT_STRING_EQUAL(conf_mistakes_at(m, 0), "/etc/x.conf: no good");
    CU_ASSERT_EQUAL(strncmp(conf_mistakes_at(m, 1), "a b? x", 6), 0);
    for (int i = 2; i < 300; i++)
        conf_mistake(m, NULL, "f", "mistake %d", i);
    CU_ASSERT_EQUAL(conf_mistakes_count(m), 300);
    CU_ASSERT_STRING_EQUAL(conf_mistakes_at(m, 199), "f: mistake 199");
    CU_ASSERT_PTR_NULL(conf_mistakes_at(m, 200));
}

static void test_unknown(void)
{
    static const char *const known[] = {"schedule", "plugin", "limit", "job", "records", NULL};
    cleanup(conf_mistakes_free_p) struct conf_mistakes *m = conf_mistakes_new();
    cleanup(conf_free_p) struct conf *conf = load("shedule = \"auto\";\njob = \"x\";\nxyzzy = 1;\n"
                                                  "records = { limti = 1; };\n");
    const struct conf_item *root = conf_root(conf);

    conf_refuse_unknown(root, known, m);
    conf_refuse_unknown(conf_child(root, "records"), known, m);
    conf_refuse_unknown(conf_child(root, "nothing"), known, m);
    CU_ASSERT_EQUAL(conf_mistakes_count(m), 3);
    CU_ASSERT(mistake_is(m, 0, "1: unknown setting 'shedule'; did you mean 'schedule'?"));
    CU_ASSERT(mistake_is(m, 1, "3: unknown setting 'xyzzy'"));
    CU_ASSERT(mistake_is(m, 2, "4: unknown setting 'limti' in 'records'; did you mean 'limit'?"));
    CU_ASSERT_STRING_EQUAL(conf_nearest("Plugin", known), "plugin");
    CU_ASSERT_PTR_NULL(conf_nearest("", known));
    CU_ASSERT_PTR_NULL(conf_nearest("ab", known));
}

static void test_secretref_form(void)
{
    static const char *const good[] = {"env:A", "env:_a9", "file:x", "file:/run/s", "credential:token", NULL};
    static const char *const bad[] =
        {"",       "A",           "env:",           "env:9",         "env:A B", "env:A=1",
         "file:",  "credential:", "credential:a/b", "credential:..", "ENV:A",   "hunter2",
         " env:A", NULL};
    struct secret *secret = NULL;
    struct error e;

    for (size_t i = 0; good[i]; i++)
        CU_ASSERT_EQUAL(secretref_check(good[i]), 0);
    for (size_t i = 0; bad[i]; i++)
        CU_ASSERT_EQUAL(secretref_check(bad[i]), -EINVAL);
    CU_ASSERT_EQUAL(secretref_check(NULL), -EINVAL);
    CU_ASSERT_EQUAL(secretref_read("hunter2", NULL, &secret, &e), -EINVAL);
    CU_ASSERT_PTR_NULL(strstr(e.text, "hunter2"));
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "env:NAME, file:PATH or credential:NAME"));
    CU_ASSERT_PTR_NULL(secret);
}

static void expect_secret(const char *ref, const char *value)
{
    cleanup(secret_free_p) struct secret *secret = NULL;
    struct error e = {""};

    CU_ASSERT_EQUAL_FATAL(secretref_read(ref, directory, &secret, &e), 0);
    CU_ASSERT_STRING_EQUAL(secret_text(secret), value);
}

static void expect_refused(const char *ref, int code)
{
    struct secret *secret = NULL;
    struct error e = {""};

    CU_ASSERT_EQUAL(secretref_read(ref, directory, &secret, &e), code);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, ref));
    CU_ASSERT_PTR_NULL(strstr(e.text, "hunter2"));
    CU_ASSERT_PTR_NULL(secret);
}

static void test_secretref_read(void)
{
    cleanup(free_p) char *absolute = xasprintf("file:%s/secret", directory);
    cleanup(free_p) char *large = xmalloc(SECRET_FILE_MAX + 1);

    setenv("RENEWD_TEST_SECRET", "hunter2", 1);
    setenv("RENEWD_TEST_EMPTY", "", 1);
    unsetenv("CREDENTIALS_DIRECTORY");
    write_file("secret", "hunter2\n", 8);
    write_file("twice", "hunter2\n\n", 9);
    write_file("empty", "\n", 1);
    write_file("crlf", "hunter2\r\n", 9);
    write_file("crlf2", "hunter2\r\n\r\n", 11);
    write_file("crlf0", "\r\n", 2);
    write_file("nul", "hunter2\0x", 9);
    memset(large, 'x', SECRET_FILE_MAX + 1);
    write_file("large", large, SECRET_FILE_MAX + 1);
    write_file("full", large, SECRET_FILE_MAX);
    expect_secret("env:RENEWD_TEST_SECRET", "hunter2");
    expect_refused("env:RENEWD_TEST_EMPTY", -ENOENT);
    expect_refused("env:RENEWD_TEST_ABSENT", -ENOENT);
    expect_secret("file:secret", "hunter2");
    expect_secret(absolute, "hunter2");
    expect_secret("file:twice", "hunter2\n");
    expect_secret("file:crlf", "hunter2");
    expect_secret("file:crlf2", "hunter2\r\n");
    expect_refused("file:crlf0", -ENOENT);
    expect_refused("file:empty", -ENOENT);
    expect_refused("file:nul", -EILSEQ);
    expect_refused("file:large", -EFBIG);
    expect_refused("file:absent", -ENOENT);
    expect_refused("file:.", -EISDIR);
    expect_refused("credential:secret", -ENOENT);
    setenv("CREDENTIALS_DIRECTORY", directory, 1);
    expect_secret("credential:secret", "hunter2");
    expect_refused("credential:absent", -ENOENT);
}

/* Read once, it is in the environment no more, and can be read again; a value that is set anew counts. */
static void test_env_taken(void)
{
    setenv("RENEWD_TEST_TAKEN", "hunter2", 1);
    const char *there = getenv("RENEWD_TEST_TAKEN");
    expect_secret("env:RENEWD_TEST_TAKEN", "hunter2");
    CU_ASSERT_STRING_EQUAL(there, "");
    CU_ASSERT_EQUAL(memcmp(there, "\0\0\0\0\0\0\0", 7), 0);
    expect_secret("env:RENEWD_TEST_TAKEN", "hunter2");
    setenv("RENEWD_TEST_TAKEN", "hunter3", 1);
    expect_secret("env:RENEWD_TEST_TAKEN", "hunter3");
    expect_secret("env:RENEWD_TEST_TAKEN", "hunter3");
}

/* What is odd about a value is told, the value is not. */
static void test_secretref_odd(void)
{
    static const struct {
        const char *value, *words;
    } list[] = {
        {"hunter2", NULL},
        {"two words", NULL},
        {"it's \"so\"", NULL},
        {"'", NULL},
        {"-----BEGIN KEY-----\r\nhunter2\n-----END KEY-----", NULL},
        {"\"hunter2\"", "in quotes"},
        {"'hunter2'", "in quotes"},
        {"\xe2\x80\x9chunter2\xe2\x80\x9d", "in quotes"},
        {"hunter2 ", "ends with a blank"},
        {"\thunter2", "begins with a blank"},
        {"hunter2\r", "ends with a carriage return"},
        {"hunter2\n", "ends with a line end"},
        {"\nhunter2", "begins with a line end"},
        {"\xef\xbb\xbfhunter2", "byte order mark"},
        {"\xff\xfeh", "UTF-16"},
        {"hun\x1bter2", "control character"},
    };

    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        cleanup(secret_free_p) struct secret *secret = secret_from_text(list[i].value);
        const char *odd = secretref_odd(secret);
        CU_ASSERT_EQUAL(odd == NULL, list[i].words == NULL);
        if (odd != NULL && list[i].words != NULL)
            CU_ASSERT_PTR_NOT_NULL(strstr(odd, list[i].words));
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a file becomes a tree with lines", test_load},
        {"an empty file", test_empty},
        {"what is refused, with file and line", test_refused},
        {"files that cannot be read", test_unreadable},
        {"getters", test_getters},
        {"getters' mistakes", test_mistakes},
        {"the collector of mistakes", test_collector},
        {"unknown settings and what was meant", test_unknown},
        {"the form of references to secrets", test_secretref_form},
        {"reading secrets", test_secretref_read},
        {"the environment is emptied of what was read", test_env_taken},
        {"what is odd about a secret's value", test_secretref_odd},
        {NULL, NULL},
    };
    static const char *const files[] = {"a.conf", "large.conf", "secret", "twice", "empty", "nul",
                                        "large",  "full",       "crlf",   "crlf2", "crlf0", NULL};

    if (mkdtemp(directory) == NULL)
        return 99;
    int status = run_tests("conf", tests);
    for (size_t i = 0; files[i]; i++) {
        cleanup(free_p) char *path = path_of(files[i]);
        unlink(path);
    }
    rmdir(directory);
    return status;
}
