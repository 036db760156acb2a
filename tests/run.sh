#!/usr/bin/env bash
# Installs what is missing, builds, and runs all tests: in release, under ASan+UBSan, and TSan for what has threads.
#
#   bash tests/run.sh           everything that a change has to pass; the last lines are CTest's summary
#   bash tests/run.sh --all     long fuzzing and the benchmarks besides
set -euo pipefail
# shellcheck source=cmake/bootstrap.sh
. "$(dirname "$0")/../cmake/bootstrap.sh"
cd "$lam_root"

all=false
case "${1:-}" in
--all) all=true ;;
'') ;;
*) lam_die "usage: bash tests/run.sh [--all]" ;;
esac

mapfile -t packages < <(lam_packages build; lam_packages test)
lam_install "${packages[@]}"

export CTEST_OUTPUT_ON_FAILURE=1
jobs=$(nproc)
failed=()

# run NAME BUILD ARGUMENTS...: a CTest run whose failure is told at the end, so that one run shows all there is to mend
run() {
    lam_say "tests: $1"
    ctest --test-dir "build/$2" -j "$jobs" "${@:3}" || failed+=("$1")
}

# run_twice NAME BUILD: the same, for tests of whole jobs with their processes and servers: what fails is run once more, alone, and named as what it is then.
# Not under sanitizers: what they report is a defect however seldom it is seen.
run_twice() {
    local log="build/$2/Testing/Temporary/LastTestsFailed.log"
    lam_say "tests: $1"
    rm -f "$log"
    ctest --test-dir "build/$2" -j "$jobs" && return
    lam_say "once more, alone; what passes now is a race that somebody has to find: $(cut -d: -f2 "$log" 2>/dev/null | tr '\n' ' ')"
    ctest --test-dir "build/$2" --rerun-failed || failed+=("$1")
}

lam_configure asan -DLAMINA_TESTS=ON
lam_build asan
run "AddressSanitizer and UBSan" asan -LE 'pipeline|interop|fault'
lam_configure tsan -DLAMINA_TESTS=ON
lam_build tsan
run "ThreadSanitizer" tsan -L threads
if $all; then
    lam_install clang libclang-rt-14-dev
    lam_configure fuzz -DLAMINA_TESTS=ON
    lam_build fuzz
    bash tests/fuzz/run.sh build/fuzz 300 || failed+=("fuzzing")
    if [ -f benchmarks/run.sh ]; then
        bash benchmarks/run.sh || failed+=("benchmarks")
    fi
fi
lam_configure release -DLAMINA_TESTS=ON
lam_build release
[ ${#failed[@]} -eq 0 ] || printf 'failed so far, see above: %s\n' "${failed[@]}" >&2
run_twice "release" release
[ ${#failed[@]} -eq 0 ]
