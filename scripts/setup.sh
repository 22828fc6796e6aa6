# shellcheck shell=bash
# What a fresh Debian 12 or 13 lacks. Each function first looks, says what it is about to install, and is quick when
# nothing is missing.

packages_build=(gcc libc6-dev cmake ninja-build pkg-config python3 python3-venv libjansson-dev libyaml-dev libavro-dev
    librdkafka-dev libcurl4-openssl-dev libmicrohttpd-dev libgnutls28-dev libuv1-dev libarchive-dev libssl-dev libcunit1-dev)
packages_kafka=(default-jre-headless maven)
packages_test=(clang shellcheck git curl)

venv=$root/build/venv

missing_packages() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s\n' "$package"
    done
}

# apt_install [sudo] installs $missing. Java's packages put links among the manual pages, a folder that slim images lack.
apt_install() {
    local apt=("$@" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y)
    "$@" mkdir -p /usr/share/man/man1 && "${apt[@]}" update &&
        "${apt[@]}" install --no-install-recommends "${missing[@]}"
}

install_packages() {
    local missing as_root=() log=build/packages.log
    command -v dpkg-query >/dev/null || { say "not Debian: needed are the equivalents of: $*" && return 0; }
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "missing Debian packages: ${missing[*]}; install them as root, or install sudo"
        as_root=(sudo)
    fi
    say "installing Debian packages: ${missing[*]}"
    mkdir -p build
    if ! apt_install "${as_root[@]}" >"$log" 2>&1; then
        cat "$log" >&2
        die "the packages could not be installed"
    fi
}

# libFuzzer and the sanitizers of clang lie in a package named after its version.
install_clang_runtime() { install_packages "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"; }

# A venv with the pinned packages. The package under development is importable in it, as an installed one would be.
install_python() {
    if ! cmp -s tests/requirements.txt "$venv/requirements.txt"; then
        say "installing Python packages into build/venv: $(grep -o '^[a-z][a-z-]*' tests/requirements.txt | xargs)"
        /usr/bin/python3 -m venv "$venv" &&
            "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt &&
            cp tests/requirements.txt "$venv/requirements.txt" || return 1
    fi
    printf '%s\n' "$root/python/src" >"$(echo "$venv"/lib/python3*/site-packages)/anabranch.pth"
    export PATH=$venv/bin:$PATH
}

install_kafka() { install_packages "${packages_kafka[@]}" && deploy/kafka/kafka.sh setup; }

setup_build() { install_packages "${packages_build[@]}"; }

setup_all() {
    install_packages "${packages_build[@]}" "${packages_kafka[@]}" "${packages_test[@]}" &&
        install_clang_runtime && install_python && install_kafka
}
