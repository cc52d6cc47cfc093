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
mkdir "$work/mine" "$work/plugins" && cd "$work/mine" || exit 1
sed 's/\.name = "skeleton"/.name = "stranger"/' "$top/plugins/skeleton.c" >stranger.c
${CC:-cc} -std=c99 -pedantic -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden -Wl,-z,defs $flags \
    -o "$work/plugins/stranger.so" stranger.c >"$work/out" 2>&1
say $? "a plugin builds outside the tree with pkg-config --cflags renewd"
cd "$OLDPWD" && tests/plugins/load_check "$work/plugins" stranger >"$work/out" 2>&1 && grep -q '"name":"stranger"' "$work/out"
say $? "it loads"
plugindir=$(PKG_CONFIG_SYSROOT_DIR= pkg-config --variable=plugindir renewd)
tests/plugins/load_check "$work/root$plugindir" youtube >"$work/out" 2>&1
say $? "an installed plugin loads from the plugindir that pkg-config names"
! ls "$work/root$plugindir" | grep -v '\.so$' >"$work/out"
say $? "that folder holds plugins alone"
