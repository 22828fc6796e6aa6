# shellcheck shell=bash
# Every test of the project, counted together. Each runner leaves its results in build/results (JUnit files of ctest and
# pytest, lists of ours); scripts/tally.py adds them up and prints the last line. A runner that fails does not stop the
# others, and a step that cannot run at all (a build that breaks) counts as one failed test.

results=$root/build/results
pytest_words=()
fuzz_seconds=${ANB_FUZZ_SECONDS:-60}

# record passed|failed|skipped NAME
record() { printf '%s %s\n' "$1" "$2" >>"$results/steps.list"; }

# step NAME COMMAND...: runs it between two lines that say so.
step() {
    local name=$1 start=$SECONDS
    shift
    printf '== %s\n' "$name"
    if "$@"; then
        printf '== %s: done in %d s\n' "$name" $((SECONDS - start))
    else
        printf '== %s: FAILED\n' "$name"
        return 1
    fi
}

# prepare NAME COMMAND...: what tests need; when it cannot be had, that is a failed test.
prepare() {
    step "$@" && return 0
    record failed "$1"
    return 1
}

# The programs of CUnit under these labels, in one preset. Their own counts are in the JUnit file.
run_programs() {
    local preset=$1 labels=$2
    prepare "build $preset" build "$preset" || return 0
    step "$preset: $labels" supervise ctest --test-dir "build/$preset" --label-regex "^($labels)\$" --parallel "$(nproc)" \
        --output-on-failure --no-tests=error --output-junit "$results/$preset-${labels//|/-}.xml" \
        --test-output-size-passed 1000000 --test-output-size-failed 1000000 || record_missing "$preset-${labels//|/-}"
}

# A runner that failed without leaving results still counts as one failed test.
record_missing() { [ -s "$results/$1.xml" ] || record failed "$1"; }

test_sanitizers() {
    export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
    run_programs asan 'unit|sim'
    run_programs tsan 'unit|sim'
}

run_pytest() {
    local name=$1
    shift
    step "$name" supervise python3 -m pytest --quiet --durations=5 --junitxml "$results/$name.xml" "$@" "${pytest_words[@]}" ||
        record_missing "$name"
}

run_check() {
    local name=$1
    shift
    if step "$name" "$@"; then record passed "$name"; else record failed "$name"; fi
}

test_python() {
    prepare "Python packages" install_python || return 0
    run_check "ruff check" ruff check --quiet .
    run_check "ruff format" ruff format --quiet --check .
    run_check "mypy" mypy
    prepare "build dev" build dev || return 0
    run_pytest python tests/python
}

test_e2e() {
    prepare "Python packages" install_python || return 0
    prepare "Kafka" install_kafka || return 0
    prepare "build release" build release programs example_hello example_exchange bus_kafka_test bus_restart_test || return 0
    run_pytest e2e tests/e2e
}

test_checks() {
    prepare "Python packages" install_python || return 0
    run_check "shellcheck" shellcheck --external-sources --check-sourced run .ci/run scripts/docs.sh deploy/kafka/kafka.sh
    run_check "clang-format" check_format
    run_check "rules of the repository" python3 scripts/check.py
}

check_format() { git ls-files -z '*.c' '*.h' | xargs -0 clang-format --dry-run -Werror; }

# One target; its findings stay in build/fuzz/found/NAME-*.
fuzz_one() {
    local program=$1 seconds=$2 name corpus log
    name=$(basename "$program")
    corpus=build/fuzz/corpus/$name log=build/fuzz/$name.log
    mkdir -p "$corpus" build/fuzz/found
    local seeds=()
    [ ! -d "tests/fuzz/corpus/$name" ] || seeds=("tests/fuzz/corpus/$name")
    if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/found/$name-" "$corpus" "${seeds[@]}" >"$log" 2>&1; then
        printf '   %s: %s inputs\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
        record passed "fuzz $name"
    else
        printf '   %s: FAILED\n' "$name" && tail -n 60 "$log"
        record failed "fuzz $name"
    fi
}

test_fuzz() {
    prepare "libFuzzer" install_clang_runtime || return 0
    prepare "build fuzz" build fuzz || return 0
    export -f fuzz_one record
    export results
    # shellcheck disable=SC2016
    step "fuzz, $fuzz_seconds s for each target" supervise xargs -a <(fuzz_targets) -P "$(nproc)" -I{} \
        bash -c 'fuzz_one "build/fuzz/$1" "$2"' fuzz {} "$fuzz_seconds" || record failed "fuzz"
}

# From the build itself: an old program in that folder is no target.
fuzz_targets() { ninja -C build/fuzz -t targets all | sed -n 's#^\(fuzzers/[^:]*\):.*#\1#p'; }

# Shorter looks at the fuzz targets, so that everything together stays well inside an hour on two cores.
test_all() {
    fuzz_seconds=${ANB_FUZZ_SECONDS:-10}
    run_programs dev 'unit|sim'
    test_checks
    test_python
    test_e2e
    test_sanitizers
    test_fuzz
}

test_main() {
    local what=()
    while [ $# -gt 0 ]; do
        case $1 in
        --) pytest_words=("${@:2}") && break ;;
        unit | sim | sanitizers | fuzz | python | e2e | checks | all) what+=("$1") ;;
        *) die "unknown tests '$1'; there are: unit sim sanitizers fuzz python e2e checks all" ;;
        esac
        shift
    done
    install_packages "${packages_build[@]}" "${packages_test[@]}"
    rm -rf "$results"
    mkdir -p "$results"
    local one
    for one in "${what[@]:-all}"; do
        case $one in
        unit | sim) run_programs dev "$one" ;;
        *) "test_$one" ;;
        esac
    done
    /usr/bin/python3 scripts/tally.py "$results"
}
