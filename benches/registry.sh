#!/usr/bin/env bash
# What does wharf's registry cost, next to Debian's docker-registry and to nginx serving plain files?
#
# One run, one machine, the same bytes: each question is put to each server in turn, round by round
# (A B C A B C), and the report gives medians, spreads and the ratios of each round. The client,
# `wharf-load`, runs on the same machine and takes as little of it as it can.
#
# It refuses to leave anything behind: stores lie in a folder of their own and go at the end, servers
# listen on loopback alone, and the only file written is the report.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'END'
Usage: benches/registry.sh [--quick] [--rounds N] [--only GROUP,…] [--wharf PROGRAM] [--output FILE] [--results FILE]

  --quick          two rounds and less of everything: about 3 minutes instead of 12
  --rounds N       rounds (5, or 2 with --quick)
  --only GROUPS    some of pull,push,syncs,requests,memory,ready; prints the table, writes no report
  --wharf PROGRAM  the program to measure (a release build of this checkout)
  --output FILE    the report (docs/BENCHMARKS.md)
  --results FILE   keep the measurements, a line of JSON each
END
}

quick=false rounds= only= wharf= output=docs/BENCHMARKS.md results=
command_shown=benches/registry.sh # without what only says where its files go
(($(nice) == 0)) || command_shown="nice -n $(nice) $command_shown"
while (($#)); do
    case $1 in
    --quick) quick=true command_shown+=" $1" ;;
    --rounds) rounds=$2 command_shown+=" $1 $2" && shift ;;
    --only) only=$2 && shift ;;
    --wharf) wharf=$2 command_shown+=" $1 $2" && shift ;;
    --output) output=$2 && shift ;;
    --results) results=$2 && shift ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done

if $quick; then
    rounds=${rounds:-2} pull_one=2GiB pull_many=4GiB seconds=1.5 memory_rounds=1
else
    rounds=${rounds:-5} pull_one=4GiB pull_many=8GiB seconds=3 memory_rounds=3
fi
groups=${only:-pull,push,syncs,requests,memory,ready}

fail() { echo "registry.sh: $*" >&2 && exit 1; }

for program in docker-registry nginx strace jq; do
    command -v "$program" >/dev/null ||
        fail "$program is missing: apt-get install docker-registry nginx-light strace jq"
done

# The programs: the load generator always from this checkout, wharf too unless another one is named.
target=${CARGO_TARGET_DIR:-target}/$(rustc -vV | sed -n 's/^host: //p')/release
cargo build --release --quiet -p wharf-load
load=$target/wharf-load
if [[ -z $wharf ]]; then
    cargo build --release --quiet -p wharf
    wharf=$target/wharf
fi

# Read now: the checkout may move on while the measurements run.
revision=$(git describe --always --dirty 2>/dev/null || echo 'no commit')

# Everything that is written lies here, on a disk and not in memory.
work=$(mktemp -d "${TMPDIR:-/var/tmp}/wharf-bench.XXXXXX")
declare -A pid=() port=([wharf]=5711 [docker-registry]=5712 [nginx]=5713)
finish() {
    for server in "${!pid[@]}"; do stop "$server"; done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM
filesystem=$(df --output=fstype "$work" | tail -1)
[[ $filesystem != tmpfs ]] || fail "$work lies in memory: set TMPDIR to a folder on a disk"
results=${results:-$work/results}
: >"$results"

# --- the servers -------------------------------------------------------------------------------

configure() {
    cat >"$work/registry.template" <<END
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: ROOT }
  cache: { blobdescriptor: inmemory }
  delete: { enabled: true }
http: { addr: "127.0.0.1:${port[docker-registry]}", secret: benchmark }
END
    mkdir -p "$work/nginx/files"
    cat >"$work/nginx/nginx.conf" <<END
$( ((UID)) || echo 'user root;')
daemon off;
worker_processes 2;
pid nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    default_type application/octet-stream;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {
        listen 127.0.0.1:${port[nginx]};
        root $work/nginx/files;
        location = /v2/ { return 200; }
    }
}
END
}

# The command line of a server on a store, into the array `line`.
command_line() { # SERVER ROOT
    case $1 in
    wharf) line=("$wharf" serve --root "$2" --listen "127.0.0.1:${port[wharf]}") ;;
    docker-registry)
        sed "s|ROOT|$2|" "$work/registry.template" >"$2.yml"
        line=(docker-registry serve "$2.yml")
        ;;
    nginx) line=(nginx -p "$work/nginx" -c "$work/nginx/nginx.conf" -e stderr) ;;
    esac
}

start() { # SERVER ROOT
    local line
    command_line "$1" "$2"
    "${line[@]}" >"$work/$1.log" 2>&1 &
    pid[$1]=$!
    for _ in {1..200}; do
        (exec 3<>"/dev/tcp/127.0.0.1/${port[$1]}") 2>/dev/null && return
        kill -0 "${pid[$1]}" 2>/dev/null || break
        sleep 0.05
    done
    cat "$work/$1.log" >&2
    fail "$1 does not start"
}

stop() { # SERVER
    kill "${pid[$1]}" 2>/dev/null || true
    wait "${pid[$1]}" 2>/dev/null || true
    unset "pid[$1]"
}

# --- the questions -----------------------------------------------------------------------------

# One measurement of a running server; its result goes to the results.
measure() { # SERVER SUBCOMMAND ARGUMENT…
    local server=$1 subcommand=$2
    shift 2
    "$load" "$subcommand" --registry "127.0.0.1:${port[$server]}" --label "$server" \
        --server-pid "${pid[$server]}" "$@" >>"$results"
}

# Pushes an image of so many layers of a size, and remembers its digests in a file.
seed() { # SERVER REPOSITORY LAYERS SIZE
    "$load" image --registry "127.0.0.1:${port[$1]}" --repository "$2" --file "$work/source" \
        --layers "$3" --size "$4" >"$work/$1.${2//\//-}"
}
digest() { # SERVER REPOSITORY FILTER
    jq -r "$3" "$work/$1.${2//\//-}"
}

# Hard links give nginx the very files that docker-registry serves.
link_for_nginx() { # REPOSITORY
    local files=$work/nginx/files/v2/$1 blob image=docker-registry.${1//\//-}
    mkdir -p "$files/blobs" "$files/manifests"
    stored() { echo "$work/docker-registry/docker/registry/v2/blobs/sha256/${1:7:2}/${1#*:}/data"; }
    for blob in $(jq -r '.configuration, .layers[]' "$work/$image"); do
        ln "$(stored "$blob")" "$files/blobs/$blob"
    done
    ln "$(stored "$(jq -r .manifest "$work/$image")")" "$files/manifests/latest"
    cp "$work/$image" "$work/nginx.${1//\//-}"
}

pull() {
    local server clients bytes
    for server in wharf docker-registry nginx; do # once unmeasured, so that the pages are in memory
        "$load" pull --registry "127.0.0.1:${port[$server]}" --label "warm-up" --verify \
            --repository bench/large \
            --digest "$(digest $server bench/large '.layers[0]')" --bytes 1GiB >/dev/null
    done
    for clients in 1 8 64; do
        bytes=$pull_many
        ((clients > 1)) || bytes=$pull_one
        for ((round = 0; round < rounds; round++)); do
            for server in wharf docker-registry nginx; do
                measure $server pull --repository bench/large --clients $clients --bytes $bytes \
                    --digest "$(digest $server bench/large '.layers[0]')"
            done
        done
    done
}

# Before a push nothing waits for the disk, and a file of so many MiB is in memory; the load generator
# removes it as the clock starts. So the push fills memory that was in use until then. A virtual machine
# that gave its free memory back to the host gets it page by page at the cost of whoever touches it
# first, which can double the time of a push.
settle() { # MIB
    sync -f "$work"
    dd if=/dev/zero of="$work/room" bs=1M count="$1" status=none
}

push() {
    local server
    for ((round = 0; round < rounds; round++)); do
        for server in wharf docker-registry; do
            settle 1300
            measure $server push --repository bench/push --file "$work/source" --size 1GiB \
                --make-room "$work/room"
        done
    done
    for ((round = 0; round < rounds; round++)); do
        for server in wharf docker-registry; do
            settle 2300
            measure $server push --repository bench/push --file "$work/source" --size 256MiB \
                --make-room "$work/room" --clients 8 --count 8
        done
        for server in wharf docker-registry; do
            settle 2300
            measure $server push --repository bench/push --file "$work/source" --size 256MiB \
                --make-room "$work/room" --clients 8 --count 8 --same
        done
    done
}

# Calls that sync, seen by strace while COMMAND runs, divided by COUNT.
syncs() { # SERVER OPERATION COUNT COMMAND…
    local server=$1 operation=$2 count=$3 trace=$work/strace tracer calls
    shift 3
    strace -f -c -o "$trace" -e trace=fsync,fdatasync,syncfs,sync,msync \
        -p "${pid[$server]}" 2>"$trace.log" &
    tracer=$!
    until grep -q attached "$trace.log"; do
        kill -0 $tracer 2>/dev/null || fail "strace cannot attach: $(<"$trace.log")"
        sleep 0.05
    done
    "$@" >/dev/null 2>&1
    kill -INT $tracer
    wait $tracer || true
    calls=$(awk '$NF ~ /sync$|^syncfs$/ { calls += $4 } END { print calls + 0 }' "$trace")
    jq -cn --arg server "$server" --arg operation "$operation" --argjson calls "$calls" \
        --argjson count "$count" '{$server, $operation, syncs: ($calls / $count)}' >>"$results"
}

count_syncs() {
    local server
    for server in wharf docker-registry; do
        seed $server bench/syncs 1 1MiB # the first push after a start may sync more
        sync                            # and so may one while much waits for the disk
        syncs $server sync-blob 10 "$load" push --registry "127.0.0.1:${port[$server]}" \
            --repository bench/syncs --file "$work/source" --size 1MiB --count 10
        syncs $server sync-image 1 seed $server bench/syncs 3 1MiB
    done
}

requests() {
    local what server
    for what in get-manifest head-manifest get-blob head-blob; do
        for ((round = 0; round < rounds; round++)); do
            for server in wharf docker-registry nginx; do
                measure $server requests $what --repository bench/small --seconds "$seconds" \
                    --digest "$(digest $server bench/small .configuration)"
            done
        done
    done
}

# Each server is started afresh, so that what earlier questions left in its memory does not count.
memory() {
    local server
    for ((round = 0; round < memory_rounds; round++)); do
        for server in wharf docker-registry; do
            stop $server
            start $server "$work/$server"
            settle 2300
            measure $server mixed --repository bench/medium --file "$work/source" --size 256MiB \
                --make-room "$work/room" \
                --digest "$(digest $server bench/medium '.layers[0]')"
        done
    done
}

ready() {
    local server stored line
    "$load" volume "$work/many" --blobs 20000
    for server in wharf docker-registry; do
        stop $server
        for stored in 0 20000; do
            for ((round = 0; round < rounds; round++)); do
                local root=$work/many
                ((stored)) || root=$work/empty-$server-$round
                mkdir -p "$root"
                command_line $server "$root"
                "$load" ready --registry "127.0.0.1:${port[$server]}" --label $server \
                    --stored $stored -- "${line[@]}" 2>>"$work/ready.log" >>"$results" ||
                    { tail -5 "$work/ready.log" >&2 && fail "$server does not get ready"; }
            done
        done
    done
    tail -n "$((rounds * 4))" "$work/ready.log" | grep ' ready ' >&2 || true
}

asked() { [[ ,$groups, == *",$1,"* ]]; }

load_before=$(cut -d' ' -f1-3 /proc/loadavg)
configure
"$load" source "$work/source" --size 1GiB
for server in wharf docker-registry; do
    mkdir "$work/$server"
    start $server "$work/$server"
    if asked pull; then seed $server bench/large 1 1GiB; fi
    if asked memory; then seed $server bench/medium 1 256MiB; fi
    seed $server bench/small 5 64KiB
done
link_for_nginx bench/small
if asked pull; then link_for_nginx bench/large; fi
start nginx -

if asked pull; then pull; fi
if asked push; then push; fi
if asked syncs; then count_syncs; fi
if asked requests; then requests; fi
if asked memory; then memory; fi
if asked ready; then ready; fi

# --- the report --------------------------------------------------------------------------------

if [[ -n $only ]]; then
    echo '{{table}}' >"$work/template"
    "$load" report "$results" "$work/template"
    exit
fi
processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
memory_total=$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)
system=$(. /etc/os-release && echo "$PRETTY_NAME")
template=$(<benches/BENCHMARKS.template.md)
fill() { template=${template//"{{$1}}"/"$2"}; }
fill date "$(date -u +%Y-%m-%d)"
fill machine "$processor, $(nproc) cores, $memory_total; $system, Linux $(uname -r); store on $filesystem"
fill wharf "$("$wharf" --version) (checkout at $revision)"
fill docker-registry "$(docker-registry --version | awk '{ print $NF }')"
fill nginx "$(nginx -v 2>&1 | sed 's|.*/||')"
fill command "$command_shown"
fill rounds "$rounds"
fill memory_rounds "$memory_rounds"
fill pull_one "$pull_one"
fill pull_many "$pull_many"
fill seconds "$seconds"
fill load "$load_before before, $(cut -d' ' -f1-3 /proc/loadavg) after"
printf '%s\n' "$template" >"$work/template"
"$load" report "$results" "$work/template" >"$work/report"
mkdir -p "$(dirname "$output")"
cp "$work/report" "$output"
echo "The report is in $output." >&2
