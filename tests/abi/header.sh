#!/bin/sh
# SPDX-License-Identifier: MIT
# The public header alone: as C99, C11, C17 and C++, pedantic, with every warning fatal; in each it must
# also keep to its own names.
set -u
top=${srcdir:-.}
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
failed=0
printf '#include <renewd/plugin.h>\n#include <renewd/plugin.h>\nint unused_%s;\n' object >"$work/h.c"
cp "$work/h.c" "$work/h.cc"

try() { # NAME COMMAND...
    name=$1; shift
    if "$@" >"$work/out" 2>&1; then
        echo "ok abi: the header as $name"
    else
        echo "not ok abi: the header as $name"; sed 's/^/# /' "$work/out"; failed=1
    fi
}

# $CC may hold flags.
for std in c99 c11 c17; do
    try "$std" ${CC:-cc} -std=$std -pedantic -Wall -Wextra -Wundef -Werror -I"$top/include" -fsyntax-only "$work/h.c"
done
if command -v "${CXX:-c++}" >/dev/null 2>&1; then
    for std in c++98 c++17; do
        try "$std" "${CXX:-c++}" -std=$std -Wall -Wextra -Wno-long-long -Werror -I"$top/include" -fsyntax-only "$work/h.cc"
    done
else
    echo "# no C++ compiler here: the header is not tried as C++"
fi
only_std() { ! grep '^ *# *include' "$top/include/renewd/plugin.h" | grep -v '<stddef.h>\|<stdint.h>'; }
try "user of stddef.h and stdint.h alone" only_std
own_names() { ! grep '^ *# *define' "$top/include/renewd/plugin.h" | grep -v 'define RENEWD_'; }
try "owner of macros that begin with RENEWD_" own_names
exit $failed
