#!/usr/bin/env bash
# install.sh CMAKE BUILD CC VERSION: installs the build under a prefix of its own, runs the program, and compiles each
# installed header by itself.
set -euo pipefail
cmake=$1 build=$2 cc=$3 version=$4
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT

"$cmake" --install "$build" --prefix "$prefix" >"$prefix/log" || { cat "$prefix/log"; exit 1; }
told=$("$prefix/bin/lamina" --version)
[ "$told" = "lamina $version" ] || { echo "lamina --version says '$told', expected 'lamina $version'"; exit 1; }
for header in analyzer block error record sv; do
    [ -f "$prefix/include/lamina/$header.h" ] || { echo "$header.h is not installed"; exit 1; }
done
for file in "$prefix"/include/lamina/*.h; do
    printf '#include <lamina/%s>\nint unused;\n' "$(basename "$file")" |
        "$cc" -std=c17 -Wall -Wextra -Werror -I"$prefix/include" -x c -fsyntax-only - ||
        { echo "$(basename "$file") does not compile by itself"; exit 1; }
done
echo "installed: $(cd "$prefix" && find . -type f ! -name log | sort | tr '\n' ' ')"
