dnl SPDX-License-Identifier: MIT
dnl The macros of configure.ac: libraries with their Debian packages, warnings, hardening, sanitizers.

dnl RENEWD_KEEP_CORE: configure tidies core dumps away with "rm -f core ..."; our core is a folder.
AC_DEFUN([RENEWD_KEEP_CORE], [
rm () {
  if test "X[$]1 [$]2" = "X-f core"; then
    shift; shift
    command rm -f "[$]@"
  else
    command rm "[$]@"
  fi
}
])

dnl RENEWD_NEED(VARIABLE, MODULE, DEBIAN-PACKAGE): remember what is missing, so that all is named at once.
AC_DEFUN([RENEWD_NEED], [
  PKG_CHECK_MODULES([$1], [$2], [],
    [renewd_missing="$renewd_missing
  $2  (Debian: apt-get install $3)"])
])

AC_DEFUN([RENEWD_NEED_ALL], [
  AS_IF([test -n "$renewd_missing"],
    [AC_MSG_ERROR([these libraries were not found:$renewd_missing
contrib/install-deps installs all of them on Debian.])])
])

dnl RENEWD_TRY_FLAG(FLAG, LIST): append FLAG to LIST when the compiler takes it without a word.
AC_DEFUN([RENEWD_TRY_FLAG], [
  AS_VAR_PUSHDEF([cache], [renewd_cv_flag_$1])
  AC_CACHE_CHECK([whether $CC takes $1], [cache], [
    renewd_save="$CFLAGS"; CFLAGS="$CFLAGS -Werror $1"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
      [AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])
    CFLAGS="$renewd_save"])
  AS_VAR_IF([cache], [yes], [$2="$$2 $1"])
  AS_VAR_POPDEF([cache])
])

AC_DEFUN([RENEWD_WARNINGS], [
  AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror], [make compiler warnings fatal])])
  m4_foreach_w([flag], [-Wall -Wextra -Wshadow -Wpointer-arith -Wcast-align -Wwrite-strings
    -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wvla -Wundef -Wformat=2
    -Wimplicit-fallthrough -Wnull-dereference -Wdouble-promotion -Wlogical-op -Wduplicated-cond],
    [RENEWD_TRY_FLAG(m4_quote(flag), [WARN_CFLAGS])])
  AS_IF([test "x$enable_werror" = xyes], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
  AC_SUBST([WARN_CFLAGS])
])

AC_DEFUN([RENEWD_HARDENING], [
  AC_ARG_ENABLE([hardening], [AS_HELP_STRING([--disable-hardening], [leave the hardening flags out])])
  AS_IF([test "x$enable_hardening" != xno -a "x$enable_sanitizers" = x], [
    m4_foreach_w([flag], [-fstack-protector-strong -fstack-clash-protection -fcf-protection],
      [RENEWD_TRY_FLAG(m4_quote(flag), [HARDEN_CFLAGS])])
    AS_CASE([$CFLAGS], [*-O0*|*-Og*], [], [*-O*], [HARDEN_CPPFLAGS="-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"])
    m4_foreach_w([flag], [-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack],
      [RENEWD_TRY_FLAG(m4_quote(flag), [HARDEN_LDFLAGS])])
  ])
  AC_SUBST([HARDEN_CFLAGS]) AC_SUBST([HARDEN_CPPFLAGS]) AC_SUBST([HARDEN_LDFLAGS])
])

AC_DEFUN([RENEWD_SANITIZE], [
  AC_ARG_ENABLE([sanitizers],
    [AS_HELP_STRING([--enable-sanitizers=LIST], [build with -fsanitize=LIST, for example address,undefined])])
  AS_IF([test "x$enable_sanitizers" != x -a "x$enable_sanitizers" != xno], [
    AS_IF([test "x$enable_sanitizers" = xyes], [enable_sanitizers=address,undefined])
    SANITIZE_CFLAGS="-fsanitize=$enable_sanitizers -fno-sanitize-recover=all -fno-omit-frame-pointer"])
  AM_CONDITIONAL([SANITIZERS], [test "x$SANITIZE_CFLAGS" != x])
  AC_SUBST([SANITIZE_CFLAGS])
])

dnl Steps at which tests have the daemon killed, and switches that turn its defences off: core/base/fault.h.
AC_DEFUN([RENEWD_FAULT_POINTS], [
  AC_ARG_ENABLE([fault-points],
    [AS_HELP_STRING([--enable-fault-points], [compile in what the fault suite needs; for tests alone, never for a package])])
  AM_CONDITIONAL([FAULT_POINTS], [test "x$enable_fault_points" = xyes])
  AS_IF([test "x$enable_fault_points" = xyes], [FAULT_CPPFLAGS=-DFAULT_POINTS])
  AC_SUBST([FAULT_CPPFLAGS])
])
