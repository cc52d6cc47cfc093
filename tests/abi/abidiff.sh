#!/bin/sh
# SPDX-License-Identifier: MIT
# The interface as it was committed (renewd-plugin-1.abi) against the header as it is. Whoever appends a
# member reads the difference that this prints and then has the file made anew with `abidiff.sh --write`.
# Needs libabigail.
set -u
here=${srcdir:-.}/tests/abi
command -v abidiff >/dev/null 2>&1 && command -v abidw >/dev/null 2>&1 || {
    echo "# abidiff is not installed (Debian: apt-get install abigail-tools): not compared"; exit 77; }
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
${CC:-cc} -g -std=c99 -fPIC -shared -I"$here/../../include" -o "$work/anchor.so" "$here/anchor.c" || exit 1
abidw --no-corpus-path --no-comp-dir-path --no-show-locs --out-file "$work/now.abi" "$work/anchor.so" || exit 1
if [ "${1-}" = --write ]; then
    exec cp "$work/now.abi" "$here/renewd-plugin-1.abi"
fi
if abidiff --no-added-syms "$here/renewd-plugin-1.abi" "$work/now.abi" >"$work/out"; then
    echo "ok abi: the interface is the committed one"
else
    echo "not ok abi: the interface changed"; sed 's/^/# /' "$work/out"; exit 1
fi
