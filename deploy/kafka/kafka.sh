#!/usr/bin/env bash
# Apache Kafka on this machine, for development, tests and benchmarks: no ZooKeeper, no container, loopback only.
#
#   kafka.sh setup                        fetch the jars (once; needs Maven and the network)
#   kafka.sh start FOLDER PORT [NODES]    start 1 or 3 nodes and wait until they answer; fine when they run already
#   kafka.sh stop FOLDER                  stop what was started in FOLDER; its data stays
#   kafka.sh kill FOLDER [NODE]           end it without a warning, as a power cut would (all nodes, or one: 1, 2, 3)
#   kafka.sh status FOLDER                print the bootstrap servers; exit status 1 when a node is down
#   kafka.sh acls ARGUMENTS...            Kafka's own kafka-acls command
#
# Node i takes the ports PORT+2(i-1) for clients and PORT+2(i-1)+1 for the other nodes. Log, data and settings of node i
# lie in FOLDER/node-i.
#
#   ANABRANCH_KAFKA_LIBS    folder of the jars               (build/kafka/libs beside the sources)
#   ANABRANCH_KAFKA_HEAP    memory of each node              (512m)
#   ANABRANCH_KAFKA_PROPS   file with further node settings  (none)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
libs=${ANABRANCH_KAFKA_LIBS:-${here%/deploy/kafka}/build/kafka/libs}
heap=${ANABRANCH_KAFKA_HEAP:-512m}
classes=$libs/classes.jsa # loaded classes, written by the first node that stops: later nodes start in half the time
cluster_id=YW5hYnJhbmNoLWthZmthMQ # 22 characters of base64, any
start_seconds=90
stop_seconds=30

fail() {
  echo "kafka.sh: $*" >&2
  exit 1
}

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
}

# -- jars ----------------------------------------------------------------------------------------------------------

setup() {
  command -v java >/dev/null || fail "java is missing: apt-get install default-jre-headless"
  mkdir -p "$libs"
  exec 8>"$libs/.lock"
  flock 8
  if [[ ! -e $libs/.complete || $here/pom.xml -nt $libs/.complete ]]; then
    command -v mvn >/dev/null || fail "maven is missing: apt-get install maven"
    echo "kafka.sh: fetching Apache Kafka into $libs" >&2
    rm -f "$libs"/*.jar "$classes"
    mvn --quiet --batch-mode --file "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$libs" \
      >"$libs/maven.log" 2>&1 || { cat "$libs/maven.log" >&2 && fail "maven could not fetch Kafka: its words stand above"; }
    touch "$libs/.complete"
  fi
  exec 8>&-
}

# -- one node ------------------------------------------------------------------------------------------------------

client_port() { # PORT NODE
  echo $(($1 + 2 * ($2 - 1)))
}

# True while the process in the pid file is the one that was started there: process ids are used again.
runs() { # NODE_FOLDER
  [[ -s $1/pid ]] && grep -qsaF "$1/node.properties" "/proc/$(<"$1/pid")/cmdline"
}

setting() { # NODE_FOLDER NAME
  sed -n "s/^$2=//p" "$1/node.properties" | tail -n 1
}

# What a node says to the bytes on standard input. With TLS, in the node's own name.
ask() { # NODE_FOLDER CLIENT_PORT
  if [[ $(setting "$1" listeners) == SSL:* ]]; then
    local store
    store=$(setting "$1" ssl.keystore.location)
    { cat && sleep 0.5; } | timeout 2 openssl s_client -connect "127.0.0.1:$2" -quiet -no_ign_eof \
      -verify_return_error -cert "$store" -key "$store" -CAfile "$(setting "$1" ssl.truststore.location)"
  else
    exec 3<>"/dev/tcp/127.0.0.1/$2" || return
    cat >&3
    timeout 2 head -c 10 <&3
  fi
}

# Sends an ApiVersions request (key 18, version 0, correlation id 7); a node that is ready echoes the id and error 0.
answers() { # NODE_FOLDER CLIENT_PORT
  [[ $(printf '\0\0\0\12\0\22\0\0\0\0\0\7\377\377' | ask "$1" "$2" 2>/dev/null | head -c 10 | od -An -v -tx1 |
    tr -d ' \n') == ????????000000070000 ]]
}

write_settings() { # NODE_FOLDER PORT NODE NODES
  local port voters="" i
  port=$(client_port "$2" "$3")
  for ((i = 1; i <= $4; i++)); do voters+=${voters:+,}$i@127.0.0.1:$(($(client_port "$2" "$i") + 1)); done
  cat >"$1/node.properties" <<SETTINGS
process.roles=broker,controller
node.id=$3
controller.quorum.voters=$voters
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$1/data

# A killed node may come back as soon as its old session has ended.
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=1000

# Anabranch's server makes the topics; a misspelt name must not make one.
auto.create.topics.enable=false
default.replication.factor=$4
min.insync.replicas=$((($4 + 1) / 2))
unclean.leader.election.enable=false
# Trimmed chunks leave the disk by whole segments: small ones, looked at often. Record sizes are Kafka's own defaults.
log.segment.bytes=67108864
log.retention.check.interval.ms=10000
log.segment.delete.delay.ms=1000

offsets.topic.replication.factor=$4
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$4
transaction.state.log.min.isr=$((($4 + 1) / 2))
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=$4
share.coordinator.state.topic.min.isr=$((($4 + 1) / 2))
group.initial.rebalance.delay.ms=0
# Sized for one machine: the cleaner's buffer alone would take 128 MiB of the heap.
log.cleaner.dedupe.buffer.size=8388608
num.network.threads=2
num.io.threads=4
socket.send.buffer.bytes=-1
socket.receive.buffer.bytes=-1
SETTINGS
  if [[ -n ${ANABRANCH_KAFKA_PROPS:-} ]]; then cat "$ANABRANCH_KAFKA_PROPS" >>"$1/node.properties"; fi
}

# The second compiler stays on: without it encryption runs ten times slower.
run_java() {
  java -XX:+UseSerialGC -Xshare:auto -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$libs/*" "$@"
}

format() { # NODE_FOLDER
  [[ -s $1/data/meta.properties ]] && return
  run_java kafka.tools.StorageTool format --cluster-id "$cluster_id" --config "$1/node.properties" --ignore-formatted \
    >"$1/format.log" 2>&1 || fail "cannot prepare $1/data: $(tail -n 3 "$1/format.log")"
}

launch() { # NODE_FOLDER
  local sharing=(-XX:SharedArchiveFile="$classes")
  [[ -s $classes ]] || sharing=(-XX:ArchiveClassesAtExit="$1/classes.jsa" -Xlog:cds=off)
  # Without the descriptors of this script: a node must not hold its locks.
  setsid java -Xmx"$heap" -XX:+UseSerialGC -Xshare:auto "${sharing[@]}" \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$libs/*" kafka.Kafka "$1/node.properties" \
    </dev/null >>"$1/node.log" 2>&1 8>&- 9>&- &
  echo $! >"$1/pid"
}

await() { # NODE_FOLDER CLIENT_PORT
  local end=$((SECONDS + start_seconds))
  until answers "$1" "$2" && runs "$1"; do
    # The process, not its command line: that of a child just made is still this script's.
    if ! kill -0 "$(<"$1/pid")" 2>/dev/null || ((SECONDS > end)); then
      tail -n 20 "$1/node.log" >&2
      fail "$1 did not come up on port $2; its last lines stand above"
    fi
    sleep 0.05
  done
}

# -- the cluster ---------------------------------------------------------------------------------------------------

lock() { # FOLDER
  exec 9>"$1/.lock"
  flock 9
}

start() { # FOLDER PORT NODES
  local folder i node
  [[ $2 =~ ^[0-9]+$ && $3 =~ ^[13]$ ]] || fail "PORT is a number, NODES is 1 or 3: see $0 --help"
  setup
  mkdir -p "$1"
  folder=$(cd "$1" && pwd)
  lock "$folder"
  echo "$2 $3" >"$folder/cluster"
  for ((i = 1; i <= $3; i++)); do
    node=$folder/node-$i
    if ! runs "$node"; then
      mkdir -p "$node"
      write_settings "$node" "$2" "$i" "$3"
      format "$node"
      launch "$node"
    fi
  done
  for ((i = 1; i <= $3; i++)); do await "$folder/node-$i" "$(client_port "$2" "$i")"; done
}

signal_node() { # NODE_FOLDER SIGNAL; ends when the node has gone
  local end=$((SECONDS + stop_seconds))
  runs "$1" || return 0
  kill -s "$2" "$(<"$1/pid")"
  while runs "$1"; do
    if ((SECONDS > end)); then kill -s KILL "$(<"$1/pid")"; fi
    sleep 0.05
  done
  rm -f "$1/pid"
}

# All at once, since the last of three nodes alone could not hand its part over.
stop() { # FOLDER
  local folder node
  [[ -d $1 ]] || return 0
  folder=$(cd "$1" && pwd)
  lock "$folder"
  for node in "$folder"/node-*; do signal_node "$node" TERM & done
  wait
  for node in "$folder"/node-*; do
    if [[ -s $node/classes.jsa ]]; then mv -f "$node/classes.jsa" "$classes"; fi
  done
}

kill_nodes() { # FOLDER [NODE]
  local folder node
  folder=$(cd "$1" && pwd)
  lock "$folder"
  for node in "$folder"/node-${2:-*}; do signal_node "$node" KILL; done
}

status() { # FOLDER
  local folder port nodes servers="" i
  [[ -s $1/cluster ]] || fail "nothing was started in $1"
  folder=$(cd "$1" && pwd)
  read -r port nodes <"$folder/cluster"
  for ((i = 1; i <= nodes; i++)); do
    if ! runs "$folder/node-$i" || ! answers "$folder/node-$i" "$(client_port "$port" "$i")"; then fail "node $i of $1 is down"; fi
    servers+=${servers:+,}127.0.0.1:$(client_port "$port" "$i")
  done
  echo "$servers"
}

acls() {
  setup
  run_java org.apache.kafka.tools.AclCommand "$@"
}

if [[ ${1:-} == acls ]]; then
  acls "${@:2}"
  exit
fi
case ${1:-}:$# in
setup:1) setup ;;
start:3) start "$2" "$3" 1 ;;
start:4) start "$2" "$3" "$4" ;;
stop:2) stop "$2" ;;
kill:2) kill_nodes "$2" ;;
kill:3) kill_nodes "$2" "$3" ;;
status:2) status "$2" ;;
--help:1 | -h:1) usage ;;
*)
  usage >&2
  exit 2
  ;;
esac
