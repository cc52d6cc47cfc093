/* SPDX-License-Identifier: MIT
 * Unit tests of the JSON adapter: what is JSON and what is not, paths, the ways in which numbers
 * come, limits, and the writer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/json/json.h"
#include "core/json/json_mend.h"
#include "tests/unit/runner.h"

static struct json *parse(const char *text)
{
    struct json *doc = NULL;

    CU_ASSERT_EQUAL_FATAL(json_parse(text, strlen(text), &doc, NULL), 0);
    return doc;
}

static void test_valid(void)
{
    static const char *const texts[] = {"null",
                                        "true",
                                        " false ",
                                        "0",
                                        "-0",
                                        "12",
                                        "1.5e+3",
                                        "\"\"",
                                        "[]",
                                        "{}",
                                        "\t\r\n[1 , 2]\n",
                                        "{\"\":1}",
                                        "\"\\u0000\\ud83d\\ude00\\/\"",
                                        "\"\xf0\x9f\x98\x80\"",
                                        "\xef\xbb\xbf{}",
                                        "1E400",
                                        "123456789012345678901234567890",
                                        NULL};

    for (size_t i = 0; texts[i]; i++) {
        cleanup(json_free_p) struct json *doc = NULL;
        CU_ASSERT_EQUAL(json_parse(texts[i], strlen(texts[i]), &doc, NULL), 0);
        CU_ASSERT_PTR_NOT_NULL(doc);
    }
}

static void test_invalid(void)
{
    static const struct {
        const char *text;
        size_t offset;
    } texts[] = {{"", 0},
                 {"  ", 2},
                 {"<html>", 0},
                 {"nul", 0},
                 {"NULL", 0},
                 {"True", 0},
                 {"NaN", 0},
                 {"Infinity", 0},
                 {"-Infinity", 1},
                 {"01", 0},
                 {"-01", 0},
                 {"+1", 0},
                 {".5", 0},
                 {"1.", 2},
                 {"1.e3", 2},
                 {"1e", 2},
                 {"-", 1},
                 {"0x10", 1},
                 {"1 2", 2},
                 {"{} x", 3},
                 {"[1,]", 3},
                 {"[1 2]", 3},
                 {"[", 1},
                 {"{\"a\":1,}", 7},
                 {"{'a':1}", 1},
                 {"{a:1}", 1},
                 {"{\"a\" 1}", 5},
                 {"{\"a\":", 5},
                 {"/**/1", 0},
                 {"\"a\nb\"", 2},
                 {"\"\\x\"", 2},
                 {"\"\\u12g4\"", 5},
                 {"\"abc", 4},
                 {"\"\\", 2},
                 {"{\"a\\u0000b\":1}", 9},
                 {"{\"error\":\"cut", 13}};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct json *doc = NULL;
        size_t offset = 999;
        CU_ASSERT_EQUAL(json_parse(texts[i].text, strlen(texts[i].text), &doc, &offset), -EINVAL);
        CU_ASSERT_EQUAL(offset, texts[i].offset);
        CU_ASSERT_PTR_NULL(doc);
    }
}

/* Strings that hold what is no text, which others turn into U+FFFD. */
static void test_no_text(void)
{
    static const struct {
        const char *text;
        size_t offset;
    } texts[] = {{"\"\xff\"", 1},           {"\"\xc0\x80\"", 1},
                 {"\"\xed\xa0\x80\"", 1},   {"\"\xf4\x90\x80\x80\"", 1},
                 {"\"\\ud800\"", 3},        {"\"ab\\uDFFF\"", 5},
                 {"\"\\udc00\\ud800\"", 3}, {"\"\\ud83d\\u0041\"", 3},
                 {"\"\\ud83d\\n\"", 3},     {"\"\\ud83dx\"", 3},
                 {"{\"a\\ud800\":1}", 5},   {"[1,{\"a\":[\"\\ud800\"]}]", 12}};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct json *doc = NULL;
        size_t offset = 999;
        CU_ASSERT_EQUAL(json_parse(texts[i].text, strlen(texts[i].text), &doc, &offset), -EILSEQ);
        CU_ASSERT_EQUAL(offset, texts[i].offset);
        CU_ASSERT_PTR_NULL(doc);
    }
}

static void mended(const char *text, const char *expected, const char *members)
{
    struct buf names;

    buf_init(&names, 200);
    char *copy = json_mend(text, strlen(text), &names);
    if (!expected) {
        CU_ASSERT_PTR_NULL(copy);
    } else {
        CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
        CU_ASSERT_EQUAL(strncmp(copy, expected, strlen(text)), 0);
        CU_ASSERT_STRING_EQUAL(names.len ? names.data : "", members);
    }
    free(copy);
    buf_done(&names);
}

static void test_mend(void)
{
    mended("{\"a\":\"\\ud83d\\ude00 \\\\ud800\"}", NULL, NULL);
    mended("{\"a\":\"x\\ud800\",\"b\":\"c\"}", "{\"a\":\"x\\u007f\",\"b\":\"c\"}", "a");
    mended("{\"a\" : \"\xff\xfe\", \"b\":{\"c\":[\"\\u0000\",\"\\udc00\"]}}",
           "{\"a\" : \"\x7f\x7f\", \"b\":{\"c\":[\"\\u007f\",\"\\u007f\"]}}", "a, c, c");
    mended("\"\\ud800\"", "\"\\u007f\"", "");
    mended("{\"cut\":\"\\ud8", NULL, NULL);
    struct json_fault f = json_fault("the body", "{\"t\":\"\\ud800\"}", 14, -EILSEQ, 8);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.why, "the body is not text"));
    CU_ASSERT_PTR_NOT_NULL(strstr(f.why, " in t, at offset 8"));
    f = json_fault("the body", "{", 1, -EINVAL, 1);
    CU_ASSERT_STRING_EQUAL(f.why, "the body is not JSON, at offset 1");
}

static void test_nul_in_text(void)
{
    struct json *doc = NULL;

    CU_ASSERT_EQUAL(json_parse("{}\0", 3, &doc, NULL), -EINVAL);
    CU_ASSERT_EQUAL(json_parse("\"a\0b\"", 5, &doc, NULL), -EINVAL);
    CU_ASSERT_EQUAL(json_parse("[1\0]", 4, &doc, NULL), -EINVAL);
    CU_ASSERT_PTR_NULL(doc);
}

static void test_limits(void)
{
    cleanup(json_free_p) struct json *deep = NULL, *large = NULL;
    cleanup(free_p) char *text = xmalloc(JSON_TEXT_MAX + 1);
    struct json *none = NULL;

    memset(text, '[', 33);
    memset(text + 33, ']', 33);
    CU_ASSERT_EQUAL(json_parse(text, 66, &none, NULL), -EFBIG);
    CU_ASSERT_EQUAL(json_parse(text + 1, 64, &deep, NULL), 0);
    memset(text, 'x', JSON_TEXT_MAX + 1);
    text[0] = text[JSON_TEXT_MAX - 1] = text[JSON_TEXT_MAX] = '"';
    CU_ASSERT_EQUAL(json_parse(text, JSON_TEXT_MAX, &large, NULL), 0);
    text[JSON_TEXT_MAX - 1] = 'x';
    CU_ASSERT_EQUAL(json_parse(text, JSON_TEXT_MAX + 1, &none, NULL), -EFBIG);
    memset(text, '[', JSON_TEXT_MAX);
    CU_ASSERT_EQUAL(json_parse(text, JSON_TEXT_MAX, &none, NULL), -EFBIG);
    CU_ASSERT_PTR_NULL(none);
}

static void test_paths(void)
{
    cleanup(json_free_p) struct json *doc =
        parse("{\"a\":{\"b\":[null,true,{\"c\":\"x\"}]},\"d.e\":1,\"0\":2.5,\"\":3,\"f\\\\g\":[],"
              "\"a\\\"\":{}}");
    const char *text = NULL;
    bool value = false;
    size_t length = 9;

    CU_ASSERT_EQUAL(json_kind(doc, ""), JSON_OBJECT);
    CU_ASSERT_EQUAL(json_kind(doc, "a.b"), JSON_ARRAY);
    CU_ASSERT_EQUAL(json_kind(doc, "a.b.0"), JSON_NULL);
    CU_ASSERT_EQUAL(json_kind(doc, "a.b.1"), JSON_BOOL);
    CU_ASSERT_EQUAL(json_kind(doc, "a.b.2.c"), JSON_STRING);
    CU_ASSERT_EQUAL(json_kind(doc, "d\\.e"), JSON_INTEGER);
    CU_ASSERT_EQUAL(json_kind(doc, "0"), JSON_NUMBER);
    CU_ASSERT_EQUAL(json_kind(doc, "f\\\\g"), JSON_ARRAY);
    CU_ASSERT_EQUAL(json_kind(doc, "d.e"), JSON_ABSENT);
    CU_ASSERT_EQUAL(json_kind(doc, "a.b.3"), JSON_ABSENT);
    CU_ASSERT_EQUAL(json_kind(doc, "a.b.00"), JSON_ABSENT);
    CU_ASSERT_EQUAL(json_kind(doc, "a.b.-1"), JSON_ABSENT);
    CU_ASSERT_EQUAL(json_kind(doc, "a.b.99999999999999999999"), JSON_ABSENT);
    CU_ASSERT_EQUAL(json_kind(doc, "a.b.2.c.d"), JSON_ABSENT);
    CU_ASSERT_EQUAL(json_kind(doc, "a.b.0.c"), JSON_ABSENT);
    CU_ASSERT_EQUAL(json_kind(doc, "a."), JSON_ABSENT);
    CU_ASSERT_EQUAL(json_kind(doc, "."), JSON_ABSENT);
    CU_ASSERT_EQUAL(json_text(doc, "a.b.2.c", &text, NULL), 0);
    CU_ASSERT_STRING_EQUAL(text, "x");
    CU_ASSERT_EQUAL(json_text(doc, "a.b.0", &text, NULL), -ENODATA);
    CU_ASSERT_EQUAL(json_text(doc, "nothing", &text, NULL), -ENOENT);
    CU_ASSERT_EQUAL(json_text(doc, "0", &text, NULL), -EINVAL);
    CU_ASSERT_EQUAL(json_boolean(doc, "a.b.1", &value), 0);
    CU_ASSERT(value);
    CU_ASSERT_EQUAL(json_boolean(doc, "a", &value), -EINVAL);
    CU_ASSERT_EQUAL(json_array_length(doc, "a.b", &length), 0);
    CU_ASSERT_EQUAL(length, 3);
    CU_ASSERT_EQUAL(json_array_length(doc, "a", &length), -EINVAL);
}

static void test_root_null(void)
{
    cleanup(json_free_p) struct json *doc = parse("null");
    const char *name;

    CU_ASSERT_EQUAL(json_kind(doc, ""), JSON_NULL);
    CU_ASSERT_EQUAL(json_kind(doc, "a"), JSON_ABSENT);
    CU_ASSERT_FALSE(json_member(doc, "", 0, &name));
}

static void test_text_with_nul(void)
{
    cleanup(json_free_p) struct json *doc = parse("{\"t\":\"a\\u0000b\"}");
    const char *text = NULL;
    size_t len = 0;

    CU_ASSERT_EQUAL(json_text(doc, "t", &text, NULL), -EILSEQ);
    CU_ASSERT_PTR_NULL(text);
    CU_ASSERT_EQUAL(json_text(doc, "t", &text, &len), 0);
    CU_ASSERT_EQUAL(len, 3);
}

static void test_integers(void)
{
    static const struct {
        const char *text;
        int result;
        int64_t value;
    } cases[] = {
        {"3600", JSON_AS_IS, 3600},
        {"0", JSON_AS_IS, 0},
        {"-5", JSON_AS_IS, -5},
        {"9007199254740992", JSON_AS_IS, INT64_C(9007199254740992)},
        {"9007199254740993", JSON_BEYOND_53, INT64_C(9007199254740993)},
        {"-9007199254740993", JSON_BEYOND_53, INT64_C(-9007199254740993)},
        {"9223372036854775807", JSON_BEYOND_53, INT64_MAX},
        {"\"3600\"", JSON_FROM_TEXT, 3600},
        {"\"-1\"", JSON_FROM_TEXT, -1},
        {"\"9007199254740993\"", JSON_FROM_TEXT, INT64_C(9007199254740993)},
        {"3600.0", JSON_TRUNCATED, 3600},
        {"3599.99", JSON_TRUNCATED, 3599},
        {"-1.9", JSON_TRUNCATED, -1},
        {"1e3", JSON_TRUNCATED, 1000},
        {"1e18", JSON_TRUNCATED, INT64_C(1000000000000000000)},
        {"1e-400", JSON_TRUNCATED, 0},
        {"\"1e3\"", JSON_TRUNCATED, 1000},
        {"9223372036854775808", -ERANGE, 0},
        {"18446744073709551615", -ERANGE, 0},
        {"18446744073709551616", -ERANGE, 0},
        {"-9223372036854775809", -ERANGE, 0},
        {"99999999999999999999999", -ERANGE, 0},
        {"1e19", -ERANGE, 0},
        {"9223372036854775808.0", -ERANGE, 0},
        {"1E400", -ERANGE, 0},
        {"-1E400", -ERANGE, 0},
        {"\"9223372036854775808\"", -ERANGE, 0},
        {"\"1e400\"", -ERANGE, 0},
        {"\"\"", -EINVAL, 0},
        {"\" 3600\"", -EINVAL, 0},
        {"\"3600 \"", -EINVAL, 0},
        {"\"0x10\"", -EINVAL, 0},
        {"\"nan\"", -EINVAL, 0},
        {"\"12\\u0000\"", -EINVAL, 0},
        {"true", -EINVAL, 0},
        {"[]", -EINVAL, 0},
        {"null", -ENODATA, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cleanup(json_free_p) struct json *doc = parse(cases[i].text);
        int64_t value = 0;
        CU_ASSERT_EQUAL(json_integer(doc, "", &value), cases[i].result);
        CU_ASSERT_EQUAL(value, cases[i].value);
        CU_ASSERT_EQUAL(json_integer(doc, "absent", &value), -ENOENT);
    }
}

static void test_digits(void)
{
    static const char *const same[] = {"17841400000000000",
                                       "18446744073709551614",
                                       "-42",
                                       "1.50",
                                       "1e18",
                                       "\"123456789012345678901234567890\"",
                                       "-9223372036854775807",
                                       NULL};
    cleanup(json_free_p) struct json *cut = parse("18446744073709551616"), *word = parse("\"12a\"");
    char *none = NULL;

    for (size_t i = 0; same[i]; i++) {
        cleanup(json_free_p) struct json *doc = parse(same[i]);
        cleanup(free_p) char *digits = NULL;
        CU_ASSERT_EQUAL_FATAL(json_digits(doc, "", &digits), 0);
        CU_ASSERT_EQUAL(strncmp(digits, same[i] + (same[i][0] == '"'), strlen(digits)), 0);
        CU_ASSERT_EQUAL(strlen(digits), strlen(same[i]) - (same[i][0] == '"' ? 2 : 0));
    }
    CU_ASSERT_EQUAL(json_digits(cut, "", &none), -ERANGE);
    CU_ASSERT_EQUAL(json_kind(cut, ""), JSON_INTEGER);
    CU_ASSERT_EQUAL(json_digits(word, "", &none), -EINVAL);
    CU_ASSERT_PTR_NULL(none);
}

static void test_members(void)
{
    cleanup(json_free_p) struct json *doc = parse("{\"o\":{\"x\":1,\"y.z\":2,\"x\":3},\"p\":{\"q\":0}}");
    cleanup(free_p) char *escaped = json_path_escape("y.z\\"), *raw = NULL, *null = NULL;
    const char *name = NULL;
    int64_t value = 0;

    CU_ASSERT(json_member(doc, "o", 1, &name));
    CU_ASSERT_STRING_EQUAL(name, "y.z");
    CU_ASSERT(json_member(doc, "o", 0, &name));
    CU_ASSERT_STRING_EQUAL(name, "x");
    CU_ASSERT_FALSE(json_member(doc, "o", 2, &name));
    CU_ASSERT(json_member(doc, "p", 0, &name));
    CU_ASSERT_STRING_EQUAL(name, "q");
    CU_ASSERT_FALSE(json_member(doc, "o.x", 0, &name));
    CU_ASSERT_FALSE(json_member(doc, "none", 0, &name));
    CU_ASSERT_STRING_EQUAL(escaped, "y\\.z\\\\");
    CU_ASSERT_EQUAL(json_integer(doc, "o.x", &value), 0);
    CU_ASSERT_EQUAL(value, 3);
    CU_ASSERT_EQUAL(json_raw(doc, "o", &raw), 0);
    CU_ASSERT_STRING_EQUAL(raw, "{\"x\":3,\"y.z\":2}");
    CU_ASSERT_EQUAL(json_raw(doc, "o.w", &null), -ENOENT);
}

static void test_raw(void)
{
    static const char text[] = "{\"a\":[1,2.50,1e3,null,\"/\\u0000\\\"\xc3\xa9\",true,{}]}";
    cleanup(json_free_p) struct json *doc = parse(text);
    cleanup(free_p) char *whole = NULL, *null = NULL, *again = NULL;

    CU_ASSERT_EQUAL(json_raw(doc, "", &whole), 0);
    CU_ASSERT_STRING_EQUAL(whole, text);
    CU_ASSERT_EQUAL(json_raw(doc, "", &again), 0);
    CU_ASSERT_STRING_EQUAL(again, text);
    CU_ASSERT_EQUAL(json_raw(doc, "a.3", &null), 0);
    CU_ASSERT_STRING_EQUAL(null, "null");
}

/* What json-c did not keep is not told as if it had. */
static void test_raw_big(void)
{
    cleanup(json_free_p) struct json *doc =
        parse("[{\"a\":18446744073709551614},{\"a\":[99999999999999999999999]},-9223372036854775807,1e99]");
    cleanup(free_p) char *kept = NULL, *last = NULL, *none = NULL;

    CU_ASSERT_EQUAL(json_raw(doc, "0", &kept), 0);
    CU_ASSERT_STRING_EQUAL(kept, "{\"a\":18446744073709551614}");
    CU_ASSERT_EQUAL(json_raw(doc, "2", &last), 0);
    CU_ASSERT_STRING_EQUAL(last, "-9223372036854775807");
    CU_ASSERT_EQUAL(json_raw(doc, "1", &none), -ERANGE);
    CU_ASSERT_EQUAL(json_raw(doc, "1.a.0", &none), -ERANGE);
    CU_ASSERT_EQUAL(json_raw(doc, "", &none), -ERANGE);
    CU_ASSERT_PTR_NULL(none);
}

static void test_writer(void)
{
    cleanup(buf_done) struct buf out;
    struct json_writer w;

    buf_init(&out, 4096);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_put_text(&w, "text", "a\"b\\c\n\x01/\x7f\xc3\xa9");
    json_put_text(&w, "none", NULL);
    json_put_text_n(&w, "n\"", "x\0y", 3);
    json_put_text(&w, "bad", "\xff\xc3(\xed\xa0\x80");
    json_begin_array(&w, "list");
    json_put_integer(&w, NULL, INT64_MIN);
    json_put_bool(&w, NULL, true);
    json_begin_object(&w, NULL);
    json_end(&w);
    json_begin_array(&w, NULL);
    json_end(&w);
    json_end(&w);
    json_put_time(&w, "at", 1795269600);
    json_put_time(&w, "never", 0);
    json_put_time(&w, "absurd", INT64_MAX);
    json_put_raw(&w, "raw", "[1]");
    json_end(&w);
    CU_ASSERT_EQUAL(json_finish(&w), 0);
    CU_ASSERT_STRING_EQUAL(out.data, "{\"text\":\"a\\\"b\\\\c\\n\\u0001/\x7f\xc3\xa9\",\"none\":null,"
                                     "\"n\\\"\":\"x\\u0000y\",\"bad\":\"\xef\xbf\xbd\xef\xbf\xbd("
                                     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","
                                     "\"list\":[-9223372036854775808,true,{},[]],"
                                     "\"at\":\"2026-11-21T14:00:00Z\",\"never\":null,\"absurd\":null,\"raw\":[1]}");
    cleanup(json_free_p) struct json *back = parse(out.data);
    CU_ASSERT_PTR_NOT_NULL(back);
}

static void writer_fault(void (*write)(struct json_writer *w), size_t max, int expected)
{
    cleanup(buf_done) struct buf out;
    struct json_writer w;

    buf_init(&out, max);
    json_writer_init(&w, &out);
    write(&w);
    CU_ASSERT_EQUAL(json_finish(&w), expected);
}

static void nothing(struct json_writer *w)
{
    (void)w;
}

static void not_closed(struct json_writer *w)
{
    json_begin_array(w, NULL);
}

static void closed_twice(struct json_writer *w)
{
    json_begin_array(w, NULL);
    json_end(w);
    json_end(w);
}

static void two_values(struct json_writer *w)
{
    json_put_null(w, NULL);
    json_put_null(w, NULL);
}

static void no_name(struct json_writer *w)
{
    json_begin_object(w, NULL);
    json_put_null(w, NULL);
    json_end(w);
}

static void name_in_array(struct json_writer *w)
{
    json_begin_array(w, NULL);
    json_put_null(w, "x");
    json_end(w);
}

static void too_deep(struct json_writer *w)
{
    for (int i = 0; i < 100; i++)
        json_begin_array(w, NULL);
    for (int i = 0; i < 100; i++)
        json_end(w);
}

static void ten_bytes(struct json_writer *w)
{
    json_put_text(w, NULL, "12345678");
}

static void test_writer_faults(void)
{
    writer_fault(nothing, 100, -EINVAL);
    writer_fault(not_closed, 100, -EINVAL);
    writer_fault(closed_twice, 100, -EINVAL);
    writer_fault(two_values, 100, -EINVAL);
    writer_fault(no_name, 100, -EINVAL);
    writer_fault(name_in_array, 100, -EINVAL);
    writer_fault(too_deep, 1000, -EINVAL);
    writer_fault(ten_bytes, 9, -ENOBUFS);
    writer_fault(ten_bytes, 10, 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"valid texts", test_valid},
        {"invalid texts and where they fail", test_invalid},
        {"strings that are no text", test_no_text},
        {"what is no text in JSON of others", test_mend},
        {"a NUL in the text", test_nul_in_text},
        {"limits of length and depth", test_limits},
        {"paths", test_paths},
        {"null as a document", test_root_null},
        {"a text that holds a NUL", test_text_with_nul},
        {"integers in all their forms", test_integers},
        {"digits as written", test_digits},
        {"members", test_members},
        {"a value as JSON text", test_raw},
        {"raw text of integers that were not kept", test_raw_big},
        {"the writer", test_writer},
        {"the writer's mistakes", test_writer_faults},
        {NULL, NULL},
    };

    return run_tests("json", tests);
}
