/* SPDX-License-Identifier: MIT
 * Unit tests of the crypto adapter: known answers of NIST and the RFCs, sealing and every way to
 * tamper with it, the key ring, fingerprints.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/error.h"
#include "core/base/secret.h"
#include "core/crypto/crypto.h"
#include "tests/unit/runner.h"

static const char key_a[] = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";
static const char key_b[] = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

static bool is_hex(const void *data, size_t len, const char *hex)
{
    cleanup(buf_done) struct buf text;

    buf_init(&text, 4096);
    return hex_encode(&text, data, len) == 0 && strcmp(text.data, hex) == 0;
}

static struct keyring *ring_of(const char *id, const char *hex)
{
    struct keyring *ring = NULL;

    CU_ASSERT_EQUAL_FATAL(keyring_new(&ring), 0);
    CU_ASSERT_EQUAL_FATAL(keyring_add(ring, id, hex, NULL), 0);
    return ring;
}

static void test_sha256(void)
{
    static const char long_text[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    unsigned char hash[CRYPTO_HASH];

    CU_ASSERT_EQUAL(crypto_sha256("", 0, hash), 0);
    CU_ASSERT(is_hex(hash, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    CU_ASSERT_EQUAL(crypto_sha256("abc", 3, hash), 0);
    CU_ASSERT(is_hex(hash, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    CU_ASSERT_EQUAL(crypto_sha256(long_text, strlen(long_text), hash), 0);
    CU_ASSERT(is_hex(hash, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
}

static void test_hmac(void)
{
    static const char text2[] = "what do ya want for nothing?";
    static const char text6[] = "Test Using Larger Than Block-Size Key - Hash Key First";
    unsigned char key[131], data[50], hash[CRYPTO_HASH];

    memset(key, 0x0b, 20);
    crypto_hmac_sha256(key, 20, "Hi There", 8, hash);
    CU_ASSERT(is_hex(hash, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"));
    crypto_hmac_sha256("Jefe", 4, text2, strlen(text2), hash);
    CU_ASSERT(is_hex(hash, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
    memset(key, 0xaa, sizeof key);
    memset(data, 0xdd, sizeof data);
    crypto_hmac_sha256(key, 20, data, sizeof data, hash);
    CU_ASSERT(is_hex(hash, 32, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"));
    crypto_hmac_sha256(key, sizeof key, text6, strlen(text6), hash);
    CU_ASSERT(is_hex(hash, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
    CU_ASSERT_EQUAL(crypto_hmac_sha256(NULL, 0, "", 0, hash), 0);
    CU_ASSERT(is_hex(hash, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"));
}

struct gcm_case {
    const char *key, *nonce, *aad, *plain, *cipher, *tag;
};

static void unhex(struct buf *to, const char *hex)
{
    buf_init(to, 4096);
    buf_text(to, "");
    CU_ASSERT_EQUAL_FATAL(hex_decode(to, hex, strlen(hex)), 0);
}

static void check_gcm(const struct gcm_case *c)
{
    cleanup(buf_done) struct buf key, nonce, aad, plain;
    unsigned char cipher[64], back[64], tag[CRYPTO_TAG];

    unhex(&key, c->key);
    unhex(&nonce, c->nonce);
    unhex(&aad, c->aad);
    unhex(&plain, c->plain);
    struct crypto_gcm how = {(const unsigned char *)key.data, (const unsigned char *)nonce.data, nonce.len,
                             aad.data, aad.len};
    CU_ASSERT_EQUAL(crypto_gcm_seal(&how, plain.data, plain.len, cipher, tag), 0);
    CU_ASSERT(is_hex(cipher, plain.len, c->cipher) || plain.len == 0);
    CU_ASSERT(is_hex(tag, sizeof tag, c->tag));
    CU_ASSERT_EQUAL(crypto_gcm_open(&how, cipher, plain.len, tag, back), 0);
    CU_ASSERT(crypto_equal(back, plain.data, plain.len));
    tag[15] ^= 1;
    CU_ASSERT_EQUAL(crypto_gcm_open(&how, cipher, plain.len, tag, back), -EBADMSG);
    for (size_t i = 0; i < plain.len; i++)
        CU_ASSERT_EQUAL(back[i], 0);
}

static void test_gcm(void)
{
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    static const struct gcm_case cases[] = {
        {zeros, "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
        {zeros, "000000000000000000000000", "", "00000000000000000000000000000000",
         "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
        {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
         "feedfacedeadbeeffeedfacedeadbeefabaddad2",
         "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
         "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
         "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
         "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
         "76fc6ece0f4e1768cddf8853bb2d551b"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_gcm(&cases[i]);
}

static void check_encodings(const char *plain, const char *hex, const char *base64, const char *base64url)
{
    cleanup(buf_done) struct buf out;

    buf_init(&out, 64);
    CU_ASSERT_EQUAL(hex_encode(&out, plain, strlen(plain)), 0);
    CU_ASSERT_STRING_EQUAL(out.data, hex);
    buf_clear(&out);
    CU_ASSERT_EQUAL(base64_encode(&out, plain, strlen(plain)), 0);
    CU_ASSERT_STRING_EQUAL(out.data, base64);
    buf_clear(&out);
    CU_ASSERT_EQUAL(base64url_encode(&out, plain, strlen(plain)), 0);
    CU_ASSERT_STRING_EQUAL(out.data, base64url);
    buf_clear(&out);
    CU_ASSERT_EQUAL(hex_decode(&out, hex, strlen(hex)), 0);
    CU_ASSERT_EQUAL(base64_decode(&out, base64, strlen(base64)), 0);
    CU_ASSERT_EQUAL(base64url_decode(&out, base64url, strlen(base64url)), 0);
    cleanup(free_p) char *thrice = xasprintf("%s%s%s", plain, plain, plain);
    CU_ASSERT_STRING_EQUAL(out.data, thrice);
}

static void test_encodings(void)
{
    check_encodings("", "", "", "");
    check_encodings("f", "66", "Zg==", "Zg");
    check_encodings("fo", "666f", "Zm8=", "Zm8");
    check_encodings("foo", "666f6f", "Zm9v", "Zm9v");
    check_encodings("foob", "666f6f62", "Zm9vYg==", "Zm9vYg");
    check_encodings("fooba", "666f6f6261", "Zm9vYmE=", "Zm9vYmE");
    check_encodings("foobar", "666f6f626172", "Zm9vYmFy", "Zm9vYmFy");
    check_encodings("\xfb\xff\xfe", "fbfffe", "+//+", "-__-");
}

static void test_strict_decoders(void)
{
    static const char *const bad_hex[] = {"6", "6g", "66 ", " 66", "0x66", NULL};
    static const char *const bad_base64[] = {"Zg",   "Zg=",  "Zh==",     "Zm9=", "Zm8==", "Zg==\n",
                                             "Z g=", "====", "Zg==Zg==", "-__-", "=Zg=",  NULL};
    static const char *const bad_url[] = {"Z", "Zh", "Zm9", "Zg==", "+//+", "Zg\n", "Zm9v ", NULL};
    cleanup(buf_done) struct buf out;

    buf_init(&out, 4);
    buf_text(&out, "x");
    for (size_t i = 0; bad_hex[i]; i++)
        CU_ASSERT_EQUAL(hex_decode(&out, bad_hex[i], strlen(bad_hex[i])), -EINVAL);
    for (size_t i = 0; bad_base64[i]; i++)
        CU_ASSERT_EQUAL(base64_decode(&out, bad_base64[i], strlen(bad_base64[i])), -EINVAL);
    for (size_t i = 0; bad_url[i]; i++)
        CU_ASSERT_EQUAL(base64url_decode(&out, bad_url[i], strlen(bad_url[i])), -EINVAL);
    CU_ASSERT_STRING_EQUAL(out.data, "x");
    CU_ASSERT_EQUAL(base64_decode(&out, "Zm9vYmFy", 8), -ENOBUFS);
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, CRYPTO_NONCE);
}

enum { NONCES = 3000 }; /* more than one filling of the pool */

/* Each is new, also in a child process, which has the parent's memory. */
static void test_nonces(void)
{
    static unsigned char seen[NONCES][CRYPTO_NONCE];
    unsigned char big[2048], theirs[CRYPTO_NONCE] = {0}, ours[CRYPTO_NONCE];
    int ends[2], status = 1;

    for (size_t i = 0; i < NONCES; i++)
        CU_ASSERT_EQUAL(crypto_nonce(seen[i], sizeof seen[i]), 0);
    qsort(seen, NONCES, sizeof seen[0], by_bytes);
    for (size_t i = 1; i < NONCES; i++)
        CU_ASSERT_TRUE(memcmp(seen[i - 1], seen[i], sizeof seen[0]) != 0);
    CU_ASSERT_EQUAL(crypto_nonce(big, sizeof big), -EINVAL);

    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        bool fine =
            crypto_nonce(theirs, sizeof theirs) == 0 && write(ends[1], theirs, sizeof theirs) == sizeof theirs;
        _exit(fine ? 0 : 1);
    }
    CU_ASSERT_TRUE(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    CU_ASSERT_EQUAL(read(ends[0], theirs, sizeof theirs), (ssize_t)sizeof theirs);
    CU_ASSERT_EQUAL(crypto_nonce(ours, sizeof ours), 0);
    CU_ASSERT_TRUE(memcmp(ours, theirs, sizeof ours) != 0);
    close(ends[0]);
    close(ends[1]);
}

static void test_random(void)
{
    char a[33], b[33], key[65];

    CU_ASSERT_EQUAL(crypto_id(a), 0);
    CU_ASSERT_EQUAL(crypto_id(b), 0);
    CU_ASSERT_EQUAL(strspn(a, "0123456789abcdef"), 32);
    CU_ASSERT_STRING_NOT_EQUAL(a, b);
    CU_ASSERT_EQUAL(crypto_keygen(key), 0);
    CU_ASSERT_EQUAL(strspn(key, "0123456789abcdef"), 64);
    CU_ASSERT_EQUAL(strlen(key), 64);
}

static void test_equal(void)
{
    CU_ASSERT(crypto_equal("abc", "abd", 2));
    CU_ASSERT_FALSE(crypto_equal("abc", "abd", 3));
    CU_ASSERT(crypto_equal("", "", 0));
    CU_ASSERT(crypto_equal_text("secret", "secret"));
    CU_ASSERT_FALSE(crypto_equal_text("secret", "secre"));
    CU_ASSERT_FALSE(crypto_equal_text(NULL, NULL));
}

static void test_keyring(void)
{
    static const char *const bad_ids[] =
        {"", "a.b", "a b", "\xc3\xa9", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL};
    static const char *const bad_keys[] = {"",
                                           "00",
                                           "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1",
                                           "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0",
                                           "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eXY",
                                           NULL};
    cleanup(keyring_free_p) struct keyring *ring = NULL;
    struct error e;

    CU_ASSERT_EQUAL_FATAL(keyring_new(&ring), 0);
    CU_ASSERT_PTR_NULL(keyring_first(ring));
    for (size_t i = 0; bad_ids[i]; i++)
        CU_ASSERT_EQUAL(keyring_add(ring, bad_ids[i], key_a, &e), -EINVAL);
    for (size_t i = 0; bad_keys[i]; i++) {
        CU_ASSERT_EQUAL(keyring_add(ring, "k", bad_keys[i], &e), -EINVAL);
        CU_ASSERT(bad_keys[i][0] == '\0' || strstr(e.text, bad_keys[i]) == NULL || strlen(bad_keys[i]) < 3);
    }
    CU_ASSERT_EQUAL(keyring_add(ring, "2026-11", key_a, &e), 0);
    CU_ASSERT_EQUAL(keyring_add(ring, "2026-11", key_b, &e), -EEXIST);
    CU_ASSERT_EQUAL(keyring_add(ring, "old_1", key_b, &e), 0);
    CU_ASSERT_STRING_EQUAL(keyring_first(ring), "2026-11");
    CU_ASSERT_EQUAL(keyring_count(ring), 2);
    CU_ASSERT_STRING_EQUAL(keyring_id_at(ring, 1), "old_1");
    CU_ASSERT_PTR_NULL(keyring_id_at(ring, 2));
    CU_ASSERT(keyring_has(ring, "old_1") && !keyring_has(ring, "old"));
    CU_ASSERT_EQUAL(keyring_key(ring, "old_1")[0], 0xff);
}

static void test_seal(void)
{
    cleanup(keyring_free_p) struct keyring *ring = ring_of("2026-11", key_a);
    cleanup(free_p) char *text = NULL, *again = NULL, *id = NULL, *empty = NULL;
    cleanup(secret_free_p) struct secret *plain = NULL, *nothing = NULL;

    CU_ASSERT_EQUAL_FATAL(seal(ring, "t", "5", "access_token", "to\0ken", 6, &text), 0);
    CU_ASSERT_EQUAL(strncmp(text, "r1.2026-11.", 11), 0);
    CU_ASSERT_EQUAL(strlen(text), 11 + (12 + 6 + 16) / 3 * 4 + 2);
    CU_ASSERT(seal_is_sealed(text));
    CU_ASSERT_EQUAL(seal_key_id(text, &id), 0);
    CU_ASSERT_STRING_EQUAL(id, "2026-11");
    CU_ASSERT_EQUAL(seal(ring, "t", "5", "access_token", "to\0ken", 6, &again), 0);
    CU_ASSERT_STRING_NOT_EQUAL(text, again);
    CU_ASSERT_EQUAL_FATAL(seal_open(ring, "t", "5", "access_token", text, &plain, NULL), 0);
    CU_ASSERT_EQUAL(secret_len(plain), 6);
    CU_ASSERT_EQUAL(memcmp(secret_text(plain), "to\0ken", 7), 0);
    CU_ASSERT_EQUAL(seal(ring, "t", "5", "s", "", 0, &empty), 0);
    CU_ASSERT_EQUAL_FATAL(seal_open(ring, "t", "5", "s", empty, &nothing, NULL), 0);
    CU_ASSERT_EQUAL(secret_len(nothing), 0);
}

static void test_seal_place(void)
{
    static const char *const places[][3] = {{"u", "5", "slot"}, {"t", "6", "slot"}, {"t", "5", "slo"},
                                            {"t5", "", "slot"}, {"", "t5", "slot"}, {"t", "5s", "lot"},
                                            {"t", "", "5slot"}};
    cleanup(keyring_free_p) struct keyring *ring = ring_of("k", key_a), *same_id = ring_of("k", key_b);
    cleanup(keyring_free_p) struct keyring *other = ring_of("k2", key_a), *empty = NULL;
    cleanup(free_p) char *text = NULL, *none = NULL;
    struct secret *plain = NULL;
    const char *why = NULL;

    CU_ASSERT_EQUAL_FATAL(keyring_new(&empty), 0);
    CU_ASSERT_EQUAL(seal(empty, "t", "5", "slot", "x", 1, &none), -ENOKEY);
    CU_ASSERT_EQUAL_FATAL(seal(ring, "t", "5", "slot", "token", 5, &text), 0);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        int r = seal_open(ring, places[i][0], places[i][1], places[i][2], text, &plain, &why);
        CU_ASSERT_EQUAL(r, -EBADMSG);
    }
    CU_ASSERT_PTR_NOT_NULL(why);
    CU_ASSERT_EQUAL(seal_open(same_id, "t", "5", "slot", text, &plain, &why), -EBADMSG);
    CU_ASSERT_EQUAL(seal_open(other, "t", "5", "slot", text, &plain, &why), -ENOKEY);
    CU_ASSERT_PTR_NULL(plain);
}

static void test_seal_tampered(void)
{
    cleanup(keyring_free_p) struct keyring *ring = ring_of("k", key_a);
    cleanup(free_p) char *text = NULL;
    struct secret *plain = NULL;

    CU_ASSERT_EQUAL_FATAL(seal(ring, "t", "5", "slot", "ya29.token", 10, &text), 0);
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            cleanup(free_p) char *bad = xstrdup(text);
            bad[i] = (char)(bad[i] ^ (1 << bit));
            CU_ASSERT(seal_open(ring, "t", "5", "slot", bad, &plain, NULL) < 0);
        }
        cleanup(free_p) char *cut = xstrndup(text, i);
        CU_ASSERT(seal_open(ring, "t", "5", "slot", cut, &plain, NULL) < 0);
    }
    cleanup(free_p) char *longer = xasprintf("%sAAAA", text);
    CU_ASSERT_EQUAL(seal_open(ring, "t", "5", "slot", longer, &plain, NULL), -EBADMSG);
    CU_ASSERT_PTR_NULL(plain);
}

static void test_seal_form(void)
{
    static const char body[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"; /* 28 zero bytes: an empty plain text */
    static const char *const foreign[] = {"",          "ya29.a0AfH6S", "r1",
                                          "r1.",       "r1.k",         "r1.k.",
                                          "r1..AAAA",  "r1.k.AAAA",    "r1.k k.AAAA",
                                          "R1.k.AAAA", "r2.k.AAAA",    NULL};
    cleanup(keyring_free_p) struct keyring *ring = ring_of("k", key_a);
    cleanup(free_p) char *whole = xasprintf("r1.k.%s", body), *padded = xasprintf("r1.k.%s=", body);
    struct secret *plain = NULL;

    CU_ASSERT(seal_is_sealed(whole));
    CU_ASSERT_EQUAL(seal_open(ring, "t", "5", "slot", whole, &plain, NULL), -EBADMSG);
    CU_ASSERT_FALSE(seal_is_sealed(padded));
    CU_ASSERT_FALSE(seal_is_sealed(NULL));
    for (size_t i = 0; foreign[i]; i++) {
        CU_ASSERT_FALSE(seal_is_sealed(foreign[i]));
        CU_ASSERT_EQUAL(seal_open(ring, "t", "5", "slot", foreign[i], &plain, NULL), -EINVAL);
    }
}

static void test_check_value(void)
{
    cleanup(keyring_free_p) struct keyring *ring = ring_of("a", key_a), *wrong = ring_of("b", key_a);
    cleanup(free_p) char *a = NULL, *b = NULL;

    CU_ASSERT_EQUAL(keyring_add(ring, "b", key_b, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(keyring_check_value(ring, "a", &a), 0);
    CU_ASSERT_EQUAL_FATAL(keyring_check_value(ring, "b", &b), 0);
    CU_ASSERT_EQUAL(strncmp(b, "r1.b.", 5), 0);
    CU_ASSERT_EQUAL(keyring_check_verify(ring, "a", a), 0);
    CU_ASSERT_EQUAL(keyring_check_verify(ring, "b", b), 0);
    CU_ASSERT_EQUAL(keyring_check_verify(ring, "a", b), -EBADMSG);
    CU_ASSERT_EQUAL(keyring_check_verify(wrong, "b", b), -EBADMSG);
    CU_ASSERT_EQUAL(keyring_check_verify(wrong, "a", a), -ENOKEY);
    CU_ASSERT_EQUAL(keyring_check_verify(ring, "a", "nonsense"), -EINVAL);
    CU_ASSERT_EQUAL(keyring_check_value(ring, "c", &a), -ENOKEY);
}

static void test_fingerprint(void)
{
    unsigned char key[32] = {1}, other[32] = {2};
    char a[65], b[65];

    CU_ASSERT_EQUAL(fingerprint(key, "youtube", "refresh_token", "1//x", 4, a), 0);
    CU_ASSERT_EQUAL(strspn(a, "0123456789abcdef"), 64);
    fingerprint(key, "youtube", "refresh_token", "1//x", 4, b);
    CU_ASSERT_STRING_EQUAL(a, b);
    fingerprint(other, "youtube", "refresh_token", "1//x", 4, b);
    CU_ASSERT_STRING_NOT_EQUAL(a, b);
    fingerprint(key, "youtuber", "efresh_token", "1//x", 4, b);
    CU_ASSERT_STRING_NOT_EQUAL(a, b);
    fingerprint(key, "youtube", "refresh_token1", "//x", 3, b);
    CU_ASSERT_STRING_NOT_EQUAL(a, b);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"SHA-256 known answers", test_sha256},
        {"HMAC-SHA256 known answers (RFC 4231)", test_hmac},
        {"AES-256-GCM known answers", test_gcm},
        {"hex, base64, base64url (RFC 4648)", test_encodings},
        {"decoders are strict", test_strict_decoders},
        {"random ids and keys", test_random},
        {"nonces are new, also in a child process", test_nonces},
        {"constant-time comparison", test_equal},
        {"key ring takes good keys alone", test_keyring},
        {"seal and open", test_seal},
        {"a sealed value opens at its place and key alone", test_seal_place},
        {"a sealed value changed in any bit or cut does not open", test_seal_tampered},
        {"the sealed form is recognised", test_seal_form},
        {"check values", test_check_value},
        {"fingerprints", test_fingerprint},
        {NULL, NULL},
    };

    return run_tests("crypto", tests);
}
