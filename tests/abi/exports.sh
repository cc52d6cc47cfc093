#!/bin/sh
# SPDX-License-Identifier: MIT
# Each plugin exports one symbol and nothing else. Runs in the build's top folder.
set -u
failed=0
for so in plugins/.libs/*.so; do
    found=$(nm -D --defined-only "$so" | awk '{ print $NF }' | sort | tr '\n' ' ')
    if [ "$found" = "renewd_plugin_v1 " ]; then
        echo "ok abi: $(basename "$so") exports renewd_plugin_v1 alone"
    else
        echo "not ok abi: $(basename "$so") exports $found"; failed=1
    fi
done
exit $failed
