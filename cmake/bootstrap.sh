# Sourced by jobs/quickstart.sh and tests/run.sh: installs what is missing, configures and builds. Debian 12 and its like.
#
#   lam_packages build|test      the packages of a purpose, one a line
#   lam_install PACKAGE...       as root: installs those that are missing; else names them with the command, and ends with 1
#   lam_build PRESET             configures once, builds what changed

lam_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

lam_say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
lam_die() { printf 'error: %s\n' "$*" >&2; exit 1; }

lam_packages() { sed -n "s/^$1[[:space:]]\{1,\}//p" "$lam_root/cmake/packages.txt"; }

lam_missing() {
    local package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || echo "$package"
    done
}

lam_install() {
    local missing
    command -v dpkg-query >/dev/null || lam_die "this script installs packages of Debian; elsewhere install what README.md lists, then: cmake --preset release && cmake --build --preset release"
    mapfile -t missing < <(lam_missing "$@")
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        printf 'error: these packages are missing:\n  %s\ninstall them with\n  sudo apt-get install --no-install-recommends %s\nand run this again\n' "${missing[*]}" "${missing[*]}" >&2
        exit 1
    fi
    lam_say "installing ${#missing[@]} packages"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq || lam_say "the package lists could not be refreshed; trying with those at hand"
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || lam_die "apt-get could not install: ${missing[*]}"
}

lam_build() {
    local preset=$1 dir=$lam_root/build/$1
    if [ ! -f "$dir/build.ninja" ]; then
        lam_say "configuring ($preset)"
        (cd "$lam_root" && cmake --preset "$preset" "${@:2}" >"$lam_root/build-$preset.log" 2>&1) || { cat "$lam_root/build-$preset.log" >&2; lam_die "cmake failed"; }
        rm -f "$lam_root/build-$preset.log"
    fi
    lam_say "building ($preset)"
    cmake --build "$dir" >"$dir/build.log" 2>&1 || { tail -n 60 "$dir/build.log" >&2; lam_die "the build failed; all of its output is in $dir/build.log"; }
}
