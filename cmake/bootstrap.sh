# shellcheck shell=bash
# Sourced by jobs/quickstart.sh and tests/run.sh: installs what is missing, configures and builds. Debian 12 and its like.
#
#   lam_packages build|test          the packages of a purpose, one a line
#   lam_install PACKAGE...           as root: installs those that are missing; else names them with the command, and ends with 1
#   lam_configure PRESET OPTION...   configures where that has not been done, or was done without one of these -DNAME=VALUE
#   lam_build PRESET [TARGET...]     builds what changed; the compiler's output goes to build/PRESET/build.log

lam_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

lam_say() { if [ -t 2 ]; then printf '\033[1m==> %s\033[0m\n' "$*" >&2; else printf '==> %s\n' "$*" >&2; fi; }
lam_die() { printf 'error: %s\n' "$*" >&2; exit 1; }

lam_packages() { sed -n "s/^$1[[:space:]]\{1,\}\([^[:space:]]*\).*/\1/p" "$lam_root/cmake/packages.txt"; }

lam_missing() {
    local package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || echo "$package"
    done
}

lam_install() {
    local missing
    command -v dpkg-query >/dev/null ||
        lam_die "this script installs packages of Debian. Elsewhere install what README.md lists," \
            "then: cmake -B build -DLAMINA_TESTS=OFF && cmake --build build"
    mapfile -t missing < <(lam_missing "$@")
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        printf 'error: these packages are missing:\n  %s\ninstall them with\n' "${missing[*]}" >&2
        printf '  sudo apt-get install --no-install-recommends %s\nand run this again\n' "${missing[*]}" >&2
        exit 1
    fi
    lam_say "installing ${#missing[@]} packages: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq || lam_say "the package lists could not be refreshed; trying with those at hand"
    apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "${missing[@]}" >/dev/null </dev/null ||
        lam_die "apt-get could not install: ${missing[*]}"
}

# Is every -DNAME=VALUE in the cache as it is wanted?
lam_configured() {
    local dir=$lam_root/build/$1 option
    [ -f "$dir/build.ninja" ] && [ -f "$dir/CMakeCache.txt" ] || return 1
    for option in "${@:2}"; do
        option=${option#-D}
        grep -q "^${option%%=*}:[A-Z]*=${option#*=}\$" "$dir/CMakeCache.txt" || return 1
    done
}

lam_configure() {
    local preset=$1 dir=$lam_root/build/$1 strict=()
    lam_configured "$@" && return 0
    lam_say "configuring ($preset)"
    mkdir -p "$dir"
    # warnings are errors with the compilers that we know: those of Debian 12
    grep -q '^VERSION_ID="\?12"\?$' /etc/os-release 2>/dev/null || strict=(-DLAMINA_WERROR=OFF)
    (cd "$lam_root" && cmake --preset "$preset" "${strict[@]}" "${@:2}") >"$dir/configure.log" 2>&1 || {
        cat "$dir/configure.log" >&2
        lam_die "cmake failed"
    }
}

lam_build() {
    local preset=$1 dir=$lam_root/build/$1 targets=()
    [ $# -eq 1 ] || targets=(--target "${@:2}")
    lam_say "building ($preset)"
    cmake --build "$dir" "${targets[@]}" >"$dir/build.log" 2>&1 || {
        tail -n 60 "$dir/build.log" >&2
        lam_die "the build failed; all of its output is in $dir/build.log"
    }
}
