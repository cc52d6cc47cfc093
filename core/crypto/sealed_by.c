/* SPDX-License-Identifier: MIT
 * See sealed_by.h.
 */
#include "core/crypto/sealed_by.h"

#include <stdbool.h>
#include <string.h>

#include "core/crypto/keyring.h"

enum {
    UUID_LEN = 36,
    HEX_MIN = 2 * (24 + 16 + 20),   /* XChaCha20-Poly1305: nonce, tag, and the shortest token */
    HEX_MAX = 2 * (24 + 16 + 8192), /* and the longest */
};

static bool sealed_by_all_of(const char *text, size_t len, const char *letters)
{
    for (size_t i = 0; i < len; i++)
        if (!text[i] || !strchr(letters, text[i]))
            return false;
    return true;
}

static bool is_uuid(const char *text, size_t len)
{
    if (len != UUID_LEN || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-')
        return false;
    return sealed_by_all_of(text, len, "0123456789abcdef-");
}

/* iv:tag:data in hexadecimal, as renewd's sealed = "hex-iv-tag-data" reads it. */
static bool is_hex_triple(const char *text, size_t len)
{
    const char *first = memchr(text, ':', len), *end = text + len;
    const char *second = first ? memchr(first + 1, ':', (size_t)(end - first - 1)) : NULL;
    if (!second || first - text < 16 || first - text > 64 || second - first != 33 || end - second < 3)
        return false;
    return sealed_by_all_of(text, len, "0123456789abcdefABCDEF:") &&
           !memchr(second + 1, ':', (size_t)(end - second - 1));
}

const char *sealed_by_other(const char *text, size_t len)
{
    static const struct {
        const char *begin, *by;
    } looks[] = {
        {"eyJpdiI6", "Laravel's Crypt"},
        {"{\"p\":", "Rails' ActiveRecord encryption"},
        {"gAAAA", "Fernet (Python's cryptography)"},
    };
    for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++)
        if (len > strlen(looks[i].begin) && memcmp(text, looks[i].begin, strlen(looks[i].begin)) == 0)
            return looks[i].by;
    if (is_uuid(text, len))
        return "Supabase Vault (the id of a secret)";
    if (len >= HEX_MIN && len <= HEX_MAX && len % 2 == 0 && sealed_by_all_of(text, len, "0123456789abcdef"))
        return "better-auth (encryptOAuthTokens)";
    if (seal_is_sealed(text))
        return "renewd itself (this job says sealed = \"none\")";
    return is_hex_triple(text, len) ? "an application with iv:tag:data (sealed = \"hex-iv-tag-data\" reads it)"
                                    : NULL;
}
