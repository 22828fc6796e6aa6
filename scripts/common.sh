# shellcheck shell=bash
# What the parts of ./run share: words for people, and an end that leaves nothing behind.
#
# Commands that may take long run through `supervise`, in a process group of their own. A signal to this script ends
# that group; on every way out the commands registered with `at_exit` run, the last one first.

say() { printf '%s\n' "run: $*"; }

die() {
    printf '%s\n' "run: $*" >&2
    exit 2
}

child=
cleanups=()

at_exit() { cleanups+=("$1"); }

supervise() {
    local status=0
    setsid -w "$@" &
    child=$!
    wait "$child" || status=$?
    child=
    return "$status"
}

end_child() {
    [ -n "$child" ] || return 0
    kill -TERM -- "-$child" 2>/dev/null || true
    # The child cleans up after itself; what is left of its group after that is ended.
    local tries=0
    while kill -0 "$child" 2>/dev/null && ((tries++ < 300)); do sleep 0.1; done
    kill -KILL -- "-$child" 2>/dev/null || true
    child=
}

interrupted() {
    trap '' INT TERM HUP
    end_child
    exit "$1"
}

finish() {
    local status=$? i
    trap '' INT TERM HUP
    end_child
    for ((i = ${#cleanups[@]} - 1; i >= 0; i--)); do eval "${cleanups[i]}" || true; done
    exit "$status"
}

trap finish EXIT
trap 'interrupted 130' INT
trap 'interrupted 143' TERM
trap 'interrupted 129' HUP

# free_port [N]: the first of N (default 1) neighbouring TCP ports on loopback that nobody listens on.
free_port() {
    /usr/bin/python3 - "${1:-1}" <<'PY'
import random, socket, sys

def is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True

for _ in range(1000):
    first = random.randrange(20000, 30000)  # below the ports that the kernel hands out by itself
    if all(is_free(first + i) for i in range(int(sys.argv[1]))):
        print(first)
        break
else:
    sys.exit("no free port")
PY
}
