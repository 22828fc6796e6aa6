#!/bin/sh
# Both libraries show exactly the symbols that exports.txt lists: check_exports.sh NM SHARED STATIC LIST
set -eu
nm=$1 shared=$2 static=$3 list=$4
for symbols in "$("$nm" -D --defined-only "$shared")" "$("$nm" -g --defined-only "$static")"; do
    # what a sanitizer adds is not ours
    if ! printf '%s\n' "$symbols" | awk 'NF == 3 && $3 !~ /^__/ { print $3 }' | LC_ALL=C sort | diff "$list" - ; then
        echo "the library's symbols are not those of $list: change the list together with the public header" >&2
        exit 1
    fi
done
