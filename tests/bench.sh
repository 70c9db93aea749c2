#!/usr/bin/env bash
# Measures what accepting an exchange costs, beside what others ask for merely keeping its bytes. Run it on a machine that
# does nothing else. Writes tests/BENCH.md.
#
#   tests/bench.sh                    five rounds, about an hour; taken up again where it was interrupted
#   tests/bench.sh --quick            one short round that shows whether everything works; its figures mean nothing
#   tests/bench.sh --long             also with 1,000,000 stored exchanges: hours, and 50 GB of disk
#
#   --databases "sqlite postgres"     on which databases (both)
#   --cases "keep-alive-32 told"      which cases only: keep-alive-32 keep-alive-64 uploads new-connection told opened grown log
#                                     decisions
#   --rounds N  --seconds N           how often, how long each measurement (5, 10)
#   --postgres postgres://user@host:port   a server of yours, whose databases `passing` and `grown_…` are replaced; its CPU is
#                                     not counted (default: Debian's PostgreSQL, started here)
#   --fresh                           forget what an interrupted run measured
#   --folder DIR                      where stages, databases and measurements are (target/bench): on the disk to measure
#
# Systems take turns within a round: gateway and bare server on each database, then RabbitMQ. The bare server
# (tests/src/bin/bare.rs) has the gateway's own door and a durable, group-committing insert. One measurement by hand:
#
#   cargo run --release -p tests --bin load -- run --help
#
# Needs root or sudo for Debian packages that are missing. Exit code 1: something could not be measured; said at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

mode=full rounds=5 seconds=10 warm_up=3 stored=1000 grown=100000 databases="sqlite postgres" folder="$PWD/target/bench" postgres="" fresh=""
cases="keep-alive-32 keep-alive-64 uploads new-connection told opened grown log decisions"
usage() { sed -n '2,/^set -/p' "$0" | sed '$d; s/^# \{0,1\}//'; }
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) mode=quick rounds=1 seconds=2 warm_up=1 stored=200 grown=2000 ;;
    --long) mode=long cases="$cases grown-long" ;;
    --databases) databases=$2; shift ;;
    --cases) cases=$2; shift ;;
    --rounds) rounds=$2; shift ;;
    --seconds) seconds=$2; shift ;;
    --postgres) postgres=$2; shift ;;
    --folder) folder=$(mkdir -p "$2" && cd "$2" && pwd); shift ;;
    --fresh) fresh=yes ;;
    --help | -h) usage; exit ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
run="$folder/$mode" measurements="$folder/$mode/measurements.jsonl"

say() { printf '\n== %s\n' "$*"; }
wanted() { case " $2 " in *" $1 "*) ;; *) return 1 ;; esac; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
need() { # need FILE PACKAGE WHY: install a Debian package when its file is missing
  compgen -G "$1" >/dev/null && return
  say "installing $2: $3"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}
free_port() {
  local port
  while port=$(shuf -n 1 -i 15000-19999); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

# PostgreSQL refuses root: as root it runs as the user that Debian's package made.
as_postgres() { if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi; }
start_postgres() {
  local data="$run/postgres" port
  pg=$(dirname "$(compgen -G "/usr/lib/postgresql/*/bin/initdb" | sort -V | tail -n 1)")
  if [ ! -d "$data" ]; then
    mkdir -p "$data"
    [ "$(id -u)" != 0 ] || chown postgres: "$data"
    as_postgres "$pg/initdb" -D "$data" -U postgres --auth=trust --encoding=UTF8 --locale=C >/dev/null
  fi
  port=$(free_port)
  as_postgres "$pg/pg_ctl" -D "$data" -w -s -l "$data/log" -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=''" start
  postgres="postgres://postgres@127.0.0.1:$port"
  postgres_pid=$(head -n 1 "$data/postmaster.pid")
}

# A broker of its own under this user, beside Debian's service if that one runs.
in_broker() {
  env HOME="$run/broker" RABBITMQ_NODENAME=bench@localhost RABBITMQ_BASE="$run/broker" RABBITMQ_MNESIA_BASE="$run/broker/data" \
    RABBITMQ_LOG_BASE="$run/broker/log" RABBITMQ_CONFIG_FILE="$run/broker/rabbitmq.conf" RABBITMQ_PID_FILE="$run/broker/pid" \
    RABBITMQ_ENABLED_PLUGINS_FILE="$run/broker/plugins" RABBITMQ_CONF_ENV_FILE="$run/broker/none" \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}" \
    ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$epmd_port" RABBITMQ_DIST_PORT="$dist_port" "$@"
}
start_broker() {
  local at="$run/broker" port
  port=$(free_port) dist_port=$(free_port) epmd_port=$(free_port)
  rm -rf "$at"
  "$bin/load" stage "$at/stage"
  echo '[].' >"$at/plugins"
  cat >"$at/rabbitmq.conf" <<CONF
listeners.tcp = none
listeners.ssl.1 = 127.0.0.1:$port
ssl_options.cacertfile = $at/authorities.pem
ssl_options.certfile = $at/stage/tls/certificate.pem
ssl_options.keyfile = $at/stage/tls/key.pem
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
ssl_options.versions.1 = tlsv1.3
CONF
  # Who may connect; and Erlang takes the rest of its own chain from the same file.
  cat "$at"/stage/pki/trust/*.pem "$at"/stage/pki/authorities/gateway/*.pem >"$at/authorities.pem"
  in_broker setsid /usr/lib/rabbitmq/bin/rabbitmq-server >"$at/out" 2>&1 </dev/null &
  for _ in $(seq 120); do
    grep -q "completed with" "$at/out" && break
    sleep 0.5
  done
  grep -q "completed with" "$at/out" || { cat "$at/out" >&2; exit 1; }
  broker="amqps://guest:guest@localhost:$port/%2f"
  broker_pid=$(cat "$at/pid")
}

stop_all() {
  [ -z "${broker_pid:-}" ] || in_broker /usr/lib/rabbitmq/bin/rabbitmqctl -q stop >/dev/null 2>&1 || true
  [ -z "${epmd_port:-}" ] || ERL_EPMD_PORT=$epmd_port epmd -kill >/dev/null 2>&1 || true
  [ -z "${postgres_pid:-}" ] || as_postgres "$pg/pg_ctl" -D "$run/postgres" -s -m fast stop || true
}

say "tools"
need /usr/bin/cc gcc "ring, aws-lc and SQLite compile C"
need /usr/lib/rabbitmq/bin/rabbitmq-server rabbitmq-server "the broker to compare with"
if wanted postgres "$databases" && [ -z "$postgres" ]; then
  need "/usr/lib/postgresql/*/bin/initdb" postgresql "the database of a département that outgrew one machine"
fi

say "build"
cargo build --release -p gateway -p tests --features tests/bench --bin gateway --bin load --bin bare
bin="${CARGO_TARGET_DIR:-$PWD/target}/release"

commit=$(git rev-parse --short HEAD)$([ -z "$(git status --porcelain -uno -- ':!tests/BENCH.md')" ] || echo ", with changes")
if [ -n "$fresh" ]; then as_root rm -rf "$run"; fi
mkdir -p "$run/scratch"
# What an interrupted run left.
rm -rf "${run:?}/scratch/"*
if [ -f "$run/commit" ] && [ "$(cat "$run/commit")" != "$commit" ]; then
  echo "measurements of commit $(cat "$run/commit") lie in $run: --fresh forgets them" >&2
  exit 2
fi
echo "$commit" >"$run/commit"

say "servers"
trap stop_all EXIT
start_broker
if wanted postgres "$databases" && [ -z "$postgres" ]; then start_postgres; fi

about() {
  echo "- Date: $(date -u +%F); commit $commit; $mode run: $rounds rounds of $seconds s for each measurement"
  "$bin/load" about "$run"
  echo "- $(rustc --version)"
  if [ -n "${postgres_pid:-}" ]; then echo "- $("$pg/postgres" --version)"; fi
  echo "- RabbitMQ $(dpkg-query -W -f '${Version}' rabbitmq-server), Erlang/OTP $(dpkg-query -W -f '${Version}' erlang-base); $(sed -n '/^name = "lapin"$/{n;s/.*"\(.*\)"/lapin \1/p;}' Cargo.lock)"
}
about >"$run/about.md"

# What each database adds to a measurement.
on() {
  case "$1" in
    postgres) echo "--postgres $postgres ${postgres_pid:+--beside $postgres_pid}" ;;
    sqlite) ;;
  esac
}
failed=()
# The turns of one round, a line each: case, what is measured, and how.
turns() {
  local case database system
  for case in $cases; do
    local clients=32 special="" systems="gateway bare"
    case "$case" in
      keep-alive-32) ;;
      keep-alive-64) clients=64 ;;
      uploads) clients=64 special="--uploads 10" systems=gateway ;;
      new-connection) special="--new-connections" ;;
      told | opened) special="--delivery $case" systems=gateway ;;
      grown | grown-long) systems=gateway ;;
      decisions) echo "decisions gateway/sqlite decisions --seconds $seconds --scratch $run/scratch"; continue ;;
      log) echo "log gateway/sqlite log $run/grown-sqlite"; continue ;;
      *) echo "no such case: $case" >&2; exit 2 ;;
    esac
    local window="--seconds $seconds --warm-up $warm_up --clients $clients $special"
    for database in $databases; do
      local stage="--stored $stored --scratch $run/scratch"
      [[ "$case" != grown* ]] || stage="--keep $run/$case-$database"
      for system in $systems; do
        echo "$case $system/$database run --system $system $window $stage $(on "$database")"
      done
    done
    case "$case" in
      uploads | opened | grown*) ;;
      *) echo "$case broker run --system broker $window --stored $stored --keep $run/broker/stage --broker $broker --beside $broker_pid" ;;
    esac
  done
}

for case in grown grown-long; do
  if ! wanted "$case" "$cases"; then continue; fi
  for database in $databases; do
    if [ "$case" = grown ]; then fill=$grown; else fill=1000000; fi
    say "a gateway on $database that holds $fill exchanges"
    # shellcheck disable=SC2046
    "$bin/load" run --fill-only --stored "$fill" --keep "$run/$case-$database" $(on "$database") || failed+=("filling $case-$database")
  done
done

turns >"$run/turns"
each=$(wc -l <"$run/turns")
say "$rounds rounds of $each measurements, about $((rounds * each * (seconds + warm_up + 5) / 60 + 1)) minutes"
for round in $(seq "$rounds"); do
  number=0
  while read -r case what arguments <&3; do
    number=$((number + 1))
    printf '%s  round %d/%d, %2d/%d  %s: %s\n' "$(date +%T)" "$round" "$rounds" "$number" "$each" "$case" "$what"
    # shellcheck disable=SC2086
    "$bin/load" $arguments --append "$measurements" --case "$case" --round "$round" || failed+=("round $round, $case: $what")
  done 3<"$run/turns"
done
if [ "$mode" != quick ] && wanted decisions "$cases" && [ ! -s "$run/decisions.txt" ]; then
  say "decisions in the process"
  cargo bench --quiet -p gateway --bench tail >"$run/decisions.part"
  mv "$run/decisions.part" "$run/decisions.txt"
fi

page=tests/BENCH.md
[ "$mode" != quick ] || page="$run/BENCH.md"
"$bin/load" table "$measurements" --about "$run/about.md" --decisions "$run/decisions.txt" >"$page"
say "written: $page"
if [ ${#failed[@]} -gt 0 ]; then
  printf 'NOT measured: %s\n' "${failed[@]}" >&2
  exit 1
fi
