/* SPDX-License-Identifier: MIT
 * What the tests of files in the state directory share: key rings, and a directory that goes away.
 */
#ifndef TESTS_UNIT_STATE_KIT_H
#define TESTS_UNIT_STATE_KIT_H

#include "core/crypto/keyring.h"

/* A ring whose one key, "k1", is this digit again and again. */
struct keyring *ring_of(char digit);
void remove_tree(const char *path);

#endif
