/* SPDX-License-Identifier: MIT
 * `seal_again TABLE KEY SLOT` seals its one line of input in renewd's own form, with the tests' key,
 * RENEWD_TEST_KEY: each time another text of the same value.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/error.h"
#include "core/crypto/keyring.h"

int main(int argc, char **argv)
{
    cleanup(keyring_free_p) struct keyring *ring = NULL;
    cleanup(free_p) char *text = NULL;
    const char *key = getenv("RENEWD_TEST_KEY");
    char line[4096];
    struct error e = {""};

    if (argc != 4 || !key || !fgets(line, sizeof line, stdin)) {
        fprintf(stderr, "usage: RENEWD_TEST_KEY=... seal_again TABLE KEY SLOT < VALUE\n");
        return 2;
    }
    line[strcspn(line, "\n")] = '\0';
    if (keyring_new(&ring) < 0 || keyring_add(ring, "test", key, &e) < 0 ||
        seal(ring, argv[1], argv[2], argv[3], line, strlen(line), &text) < 0) {
        fprintf(stderr, "seal_again: the value is not sealed %s\n", e.text);
        return 1;
    }
    puts(text);
    return 0;
}
