#!/usr/bin/env bash
# The pages of docs/ that are made from tables in the programs: what each option and each key of a job file means.
#
#   scripts/docs.sh BUILD_FOLDER            writes docs/configuration.md, docs/cli.md and docs/states.md
#   scripts/docs.sh --check BUILD_FOLDER    writes nothing; exit status 1 when a page is not what the programs say
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

check=
if [ "${1:-}" = --check ]; then check=yes && shift; fi
build=${1:?usage: scripts/docs.sh [--check] BUILD_FOLDER}
unset ANABRANCH_CONFIG

configuration() {
    cat <<'TEXT'
# Configuration

Made by `scripts/docs.sh` from the tables in the programs; a test fails when this page is stale.

Every program takes its options from four places, a later one wins: the default, a YAML file (`--config FILE`, one option
on a line, `name: value`), the environment (`ANABRANCH_` and the option's name in capitals, `_` for `-`), the command line
(`--name VALUE`, `--name=VALUE`, `--flag`). An unknown name is an error that names the nearest known one. The options of
`anabranch` itself are in [cli.md](cli.md).

TEXT
    local program
    for program in server aggregator client broker; do "$build/bin/anabranch-$program" --help-markdown; done
    cat <<'TEXT'
## The job file

A job folder has a `job.yaml` or a `job.json` with these keys; a dot stands for one level of nesting. The server checks it
when the job is submitted; an unknown key is an error.

TEXT
    "$build/tests/docs/job_file_page"
    cat <<'TEXT'

## The policy file

What a site lets others do; [policy.md](policy.md) explains it. The site's agent reads the file for each decision; an
unknown key is an error.

TEXT
    "$build/tests/docs/policy_page"
}

states() {
    cat <<'TEXT'
# States

Made by `scripts/docs.sh` from the tables in `common/job/machine.c`; a test fails when this page is stale.

What is wrong with a record is refused and leaves these states as they are. Moves are made by records of the control log
alone, so every node that has read the same records is in the same states.

TEXT
    "$build/tests/docs/states_page"
}

page() {
    local path=$1 text
    text=$("${@:2}")
    if [ -z "$check" ]; then
        printf '%s\n' "$text" >"$path"
    elif [ "$text" != "$(cat "$path")" ]; then
        printf '%s is stale: scripts/docs.sh %s writes it anew\n' "$path" "$build" >&2
        return 1
    fi
}

page docs/configuration.md configuration
page docs/cli.md "$build/bin/anabranch" help --markdown
page docs/states.md states
