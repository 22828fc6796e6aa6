# shellcheck shell=bash
# Benchmarks: each builds what it needs, ends with one line of JSON, and leaves nothing running.

bench_main() {
    local name=${1:-}
    case $name in
    exchange | latency | memory | start)
        setup_build && install_python && install_kafka
        build release programs bench_floor example_exchange
        # broker and federation are those of the tests
        supervise env PYTHONPATH=tests/e2e python3 "bench/$name.py" "${@:2}"
        ;;
    fold | seal)
        setup_build
        build release "bench_$name"
        supervise "build/release/bench/bench_$name" "${@:2}"
        ;;
    filters)
        setup_build
        build release bench_filters
        supervise build/release/bench/bench_filters "${@:2}"
        ;;
    *) die "unknown benchmark '$name'; there are: exchange, latency, memory, start, fold, filters, seal" ;;
    esac
}
