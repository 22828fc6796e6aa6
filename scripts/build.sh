# shellcheck shell=bash
# Configure and build one preset. Flags live in CMakePresets.json.

presets=(release dev asan tsan fuzz)

# build PRESET [TARGET...]: quiet unless it fails.
build() {
    local preset=$1 log=build/$1.configure.log quiet=()
    shift
    mkdir -p build
    [ -t 1 ] || quiet=(--quiet)
    if ! cmake --preset "$preset" >"$log" 2>&1; then
        cat "$log" >&2
        return 1
    fi
    supervise cmake --build "build/$preset" ${1:+--target "$@"} -- "${quiet[@]}"
}

build_main() {
    local preset=${1:-release}
    [[ " ${presets[*]} " == *" $preset "* ]] || die "unknown preset '$preset'; there are: ${presets[*]}"
    setup_build
    if [ "$preset" = fuzz ]; then install_packages "${packages_test[@]}" && install_clang_runtime; fi
    build "$preset"
    [ "$preset" = fuzz ] || say "the programs are in build/$preset/bin"
}
