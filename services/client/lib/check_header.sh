#!/bin/sh
# The public header compiles alone, as C11 and as C++17: check_header.sh COMPILER INCLUDE
set -eu
compiler=$1 include=$2
flags="-Wall -Wextra -Wpedantic -Werror -fsyntax-only -I $include"
echo '#include "anabranch/anabranch.h"' | "$compiler" -std=c11 $flags -x c -
echo '#include "anabranch/anabranch.h"' | "$compiler" -std=c++17 $flags -x c++ -
