#!/bin/sh
# The public header compiles alone, as C11 and as C++17: check_header.sh COMPILER INCLUDE
# 77 (skipped) when no compiler here knows C++.
set -eu
compiler=$1 include=$2

check() { # COMPILER LANGUAGE STANDARD
    echo '#include "anabranch/anabranch.h"' |
        "$1" -x "$2" -std="$3" -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$include" -
}

check "$compiler" c c11
for candidate in "$compiler" clang; do
    echo 'class probe;' | "$candidate" -x c++ -fsyntax-only - 2>/dev/null || continue
    check "$candidate" c++ c++17
    exit 0
done
echo "no compiler here knows C++: the header was checked as C only" >&2
exit 77
