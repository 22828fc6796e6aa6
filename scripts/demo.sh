# shellcheck shell=bash
# A whole federation on this machine: three sites learn to read digits, none of which could alone. On a terminal the
# federation stays up afterwards, to be looked at; else it is ended.

demo_folder=build/demo
anabranch=build/release/bin/anabranch

demo_main() {
    local with_kafka=no
    case "${1:-}" in
    '') ;;
    --kafka) with_kafka=yes ;;
    *) die "unknown option '$1'; there is: --kafka" ;;
    esac
    setup_build && install_python
    build release programs
    export XDG_CONFIG_HOME=$root/$demo_folder/config # your own logins stay as they are
    demo_down # of an earlier demo
    rm -rf "$demo_folder"
    mkdir -p "$demo_folder"
    at_exit demo_down
    demo_up "$with_kafka"
    demo_job
    if [ -t 1 ]; then
        cleanups=()
        demo_next
    fi
}

demo_up() {
    local words=(--sites 3 --aggregators 2 --folder "$demo_folder/federation") port
    if [ "$1" = yes ]; then
        install_kafka
        port=$(free_port 2)
        say "starting Kafka on port $port"
        deploy/kafka/kafka.sh start "$demo_folder/kafka" "$port"
        words+=(--bootstrap-servers "127.0.0.1:$port")
    fi
    "$anabranch" dev up "${words[@]}"
}

demo_down() {
    [ ! -d "$demo_folder/federation" ] || "$anabranch" dev down --folder "$demo_folder/federation" >/dev/null || true
    [ ! -d "$demo_folder/kafka" ] || deploy/kafka/kafka.sh stop "$demo_folder/kafka"
}

# Runs the job, prints its table, judges the result: exit status 0 only when the accuracies hold.
demo_job() {
    local job said
    said=$("$anabranch" job submit examples/digits --json)
    job=$(json_at job id <<<"$said")
    "$anabranch" job wait "$job"
    "$anabranch" job download "$job" --output "$demo_folder/global.safetensors"
    printf '\n'
    "$anabranch" job show "$job" --json | python3 scripts/demo_table.py
    printf '\n'
    python3 examples/digits/judge.py "$demo_folder/global.safetensors" --least 0.93 --alone 0.7
    printf '\nThe model is in %s\n' "$root/$demo_folder/global.safetensors"
    printf 'Next: look at examples/digits (job.yaml, train.py), or type: ./run test\n'
}

# json_at KEY...: the text under these keys in the JSON on stdin.
json_at() {
    python3 -c 'import functools, json, sys; print(functools.reduce(dict.__getitem__, sys.argv[1:], json.load(sys.stdin)))' "$@"
}

demo_next() {
    cat <<TEXT
The federation is still up. Type for example:
    export XDG_CONFIG_HOME=$XDG_CONFIG_HOME PATH=$root/build/release/bin:\$PATH
    anabranch job list
    anabranch site list
    anabranch job submit examples/digits --wait
    anabranch dev down --folder $demo_folder/federation
TEXT
    [ ! -d "$demo_folder/kafka" ] || printf '    deploy/kafka/kafka.sh stop %s/kafka\n' "$demo_folder"
}
