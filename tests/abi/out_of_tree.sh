#!/bin/sh
# SPDX-License-Identifier: MIT
# A plugin built as strangers build theirs: renewd installed into a folder, a copy of the skeleton under
# another name compiled with what pkg-config says and nothing else, then loaded by renewd's own loader.
# Runs in the build's top folder.
set -u
top=$(cd "${srcdir:-.}" && pwd)
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
say() { if [ "$1" = 0 ]; then echo "ok abi: $2"; else echo "not ok abi: $2"; sed 's/^/# /' "$work/out"; exit 1; fi; }

env -u MAKEFLAGS -u MFLAGS ${MAKE:-make} -s install DESTDIR="$work/root" >"$work/out" 2>&1
say $? "make install DESTDIR"
pc=$(find "$work/root" -name renewd.pc)
PKG_CONFIG_PATH=$(dirname "$pc") PKG_CONFIG_SYSROOT_DIR=$work/root PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_ALLOW_SYSTEM_CFLAGS
flags=$(pkg-config --cflags renewd 2>"$work/out")
say $? "pkg-config knows renewd"
build=$PWD
mkdir "$work/mine" "$work/plugins" && cd "$work/mine" || exit 1
sed 's/\.name = "skeleton"/.name = "stranger"/' "$top/plugins/skeleton.c" >stranger.c
loads() { # NAME
    (cd "$build" && tests/plugins/load_check "$work/plugins" "$1") >"$work/out" 2>&1 && grep -q "\"name\":\"$1\"" "$work/out"
}
strict="-pedantic -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden -Wl,-z,defs"
for std in c99 c11; do
    ${CC:-cc} -std=$std $strict $flags -o "$work/plugins/stranger.so" stranger.c >"$work/out" 2>&1
    say $? "a plugin builds outside the tree with pkg-config --cflags renewd, as $std"
    loads stranger
    say $? "it loads"
done
if command -v "${CXX:-c++}" >/dev/null 2>&1; then
    "${CXX:-c++}" -std=c++11 $strict $flags -o "$work/plugins/stranger_cc.so" "$top/tests/abi/stranger.cc" >"$work/out" 2>&1
    say $? "one in C++ builds too"
    loads stranger_cc && grep -q '"events":true,"event_batch":50' "$work/out"
    say $? "it loads, with its events"
else
    echo "# no C++ compiler here: no plugin is built in C++"
fi
cd "$build" || exit 1
plugindir=$(PKG_CONFIG_SYSROOT_DIR= pkg-config --variable=plugindir renewd)
tests/plugins/load_check "$work/root$plugindir" youtube >"$work/out" 2>&1
say $? "an installed plugin loads from the plugindir that pkg-config names"
! ls "$work/root$plugindir" | grep -v '\.so$' >"$work/out"
say $? "that folder holds plugins alone"
