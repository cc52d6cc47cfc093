#!/bin/bash
# SPDX-License-Identifier: MIT
# The storage tests on SQLite alone: those on the other store run beside them.
RENEWD_TEST_ONLY=sqlite exec "$(dirname "$0")/run.sh" "$@"
