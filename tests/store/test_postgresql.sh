#!/bin/bash
# SPDX-License-Identifier: MIT
# The storage tests on PostgreSQL alone: those on the other store run beside them.
RENEWD_TEST_ONLY=postgresql exec "$(dirname "$0")/run.sh" "$@"
