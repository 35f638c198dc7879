#!/usr/bin/env bash
# How long does a rebuilt image take to reach the registry, by the programs that people have and by
# wharf?
#
# One run, one machine, the same image out of the same Podman store: `podman push` and
# `skopeo copy --preserve-digests` into Debian's docker-registry, `wharf push` by both of its roads into
# wharf. Each step is put to each of them in turn, round by round, and every round begins with empty
# registries and empty caches. The report gives medians, spreads and the ratios of each round.
#
# It refuses to leave anything behind: the store, Podman's included, lies in a folder of its own and
# goes at the end; servers listen on loopback alone; the only file written is the report. It wants root,
# since Podman's cache for root lies in /var, where a folder of this run is mounted over it.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'END'
Usage: benches/push.sh [--rounds N] [--base FILE] [--wharf PROGRAM] [--output FILE] [--results FILE]

  --rounds N       rounds (5)
  --base FILE      a root file system as a tar archive (made by debootstrap, and kept in the cache)
  --wharf PROGRAM  the program to measure (a release build of this checkout)
  --output FILE    the report (docs/BENCHMARKS-PUSH.md)
  --results FILE   keep the measurements, a line of JSON each
END
}

rounds=5 base= wharf= output=docs/BENCHMARKS-PUSH.md results=
command_shown=benches/push.sh
given=("$@")
while (($#)); do
    case $1 in
    --rounds) rounds=$2 command_shown+=" $1 $2" && shift ;;
    --base) base=$2 && shift ;;
    --wharf) wharf=$2 && shift ;;
    --output) output=$2 && shift ;;
    --results) results=$2 && shift ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done

fail() { echo "push.sh: $*" >&2 && exit 1; }

PATH=$PATH:/usr/sbin:/sbin
((UID == 0)) || fail 'run it as root'
for program in podman buildah skopeo docker-registry runc jq unshare; do
    command -v "$program" >/dev/null || fail "$program is missing: apt-get install podman buildah skopeo docker-registry runc jq"
done

if [[ -z $wharf ]]; then
    cargo build --release --quiet -p wharf
    wharf=${CARGO_TARGET_DIR:-target}/$(rustc -vV | sed -n 's/^host: //p')/release/wharf
fi
wharf=$(realpath "$wharf")
if [[ -z $base ]]; then
    base=${XDG_CACHE_HOME:-$HOME/.cache}/wharf-benches/debian-bookworm-perl.tar
    if [[ ! -e $base ]]; then
        command -v debootstrap >/dev/null || fail 'debootstrap is missing: apt-get install debootstrap'
        mkdir -p "${base%/*}"
        made=$(mktemp -d /var/tmp/wharf-base.XXXXXX)
        debootstrap --variant=minbase --include=perl,ca-certificates bookworm "$made/root" >"$made/log" 2>&1 || fail "debootstrap: $(tail -1 "$made/log")"
        rm -rf "$made"/root/var/cache/apt/archives/*.deb "$made"/root/var/lib/apt/lists/*
        tar --numeric-owner -C "$made/root" -cf "$base.new" . && mv "$base.new" "$base"
        rm -rf "$made"
    fi
fi
base=$(realpath "$base")
revision=$(git describe --always --dirty 2>/dev/null || echo 'no commit')

# In a mount namespace of its own, so that what is mounted here is gone with the script.
if [[ -z ${WHARF_BENCH_INSIDE:-} ]]; then
    WHARF_BENCH_INSIDE=yes exec unshare --mount --propagation private "$0" "${given[@]}" --wharf "$wharf" --base "$base"
fi

work=$(mktemp -d "${TMPDIR:-/var/tmp}/wharf-bench.XXXXXX")
declare -A pid=() port=([podman]=5721 [skopeo]=5722 [stream]=5723 [ingest]=5724)
clients=(podman skopeo stream ingest)
finish() {
    for client in "${!pid[@]}"; do stop "$client"; done
    umount "$work/store/overlay" 2>/dev/null || true
    umount /var/lib/containers/cache 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM
filesystem=$(df --output=fstype "$work" | tail -1)
[[ $filesystem != tmpfs ]] || fail "$work lies in memory: set TMPDIR to a folder on a disk"
results=${results:-$work/results}
: >"$results"

# --- the programs ------------------------------------------------------------------------------

export CONTAINERS_CONF=$work/containers.conf
cat >"$CONTAINERS_CONF" <<'END'
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=1000:1000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
END
mkdir -p "$work/files" /var/lib/containers/cache
(umask 077 && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$work/secret")
podman=(podman --root "$work/store" --runroot "$work/run" --tmpdir "$work/tmp" --storage-driver overlay)

start() { # CLIENT: its registry, on an empty store
    rm -rf "${work:?}/$1"
    mkdir -p "$work/$1"
    local address=127.0.0.1:${port[$1]} line
    case $1 in
    stream) line=("$wharf" serve --root "$work/$1" --listen "$address") ;;
    ingest) line=("$wharf" serve --root "$work/$1" --listen "$address" --containers-storage "$work/store" --ingest-secret "$work/secret") ;;
    *)
        cat >"$work/$1.yml" <<END
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: $work/$1 }
  cache: { blobdescriptor: inmemory }
http: { addr: "$address", secret: benchmark }
END
        line=(docker-registry serve "$work/$1.yml")
        ;;
    esac
    "${line[@]}" >"$work/$1.log" 2>&1 &
    pid[$1]=$!
    for _ in {1..200}; do
        (exec 3<>"/dev/tcp/127.0.0.1/${port[$1]}") 2>/dev/null && return
        kill -0 "${pid[$1]}" 2>/dev/null || break
        sleep 0.05
    done
    cat "$work/$1.log" >&2
    fail "the registry for $1 does not start"
}

stop() { # CLIENT
    kill "${pid[$1]}" 2>/dev/null || true
    wait "${pid[$1]}" 2>/dev/null || true
    unset "pid[$1]"
}

# Podman and skopeo remember which blobs a registry has, both in the same place: each gets its own.
remember_as() { # CLIENT
    umount /var/lib/containers/cache 2>/dev/null || true
    mkdir -p "$work/cache/$1"
    mount --bind "$work/cache/$1" /var/lib/containers/cache
}
forget() {
    umount /var/lib/containers/cache 2>/dev/null || true
    rm -rf "$work/cache"
}

# The command that pushes an image of the store, into the array `line`.
command_line() { # CLIENT TAG
    local to=127.0.0.1:${port[$1]}
    case $1 in
    podman) line=("${podman[@]}" push --quiet --tls-verify=false "localhost/app:$2" "$to/app:$2") ;;
    skopeo)
        line=(skopeo copy --quiet --preserve-digests --dest-tls-verify=false
            "containers-storage:[overlay@$work/store+$work/run]localhost/app:$2" "docker://$to/app:$2")
        ;;
    *)
        line=("$wharf" push --quiet --storage-root "$work/store" --registry "$to" --via "$1"
            --ingest-secret "$work/secret" "localhost/app:$2")
        ;;
    esac
}

# --- the image ---------------------------------------------------------------------------------

# A layer of 48 MB, of real programs, different in each generation; and a small file.
large() { # GENERATION
    {
        head -c 36200000 "$(command -v podman)"
        head -c 12000000 "$(command -v docker-registry)"
        echo "$1"
    } >"$work/files/large"
}
small() { # GENERATION
    echo "$1" >"$work/files/small"
}
build() { # TAG
    "${podman[@]}" build --quiet --layers --isolation chroot --network host --tag "localhost/app:$1" \
        --file - "$work/files" >/dev/null <<'END'
FROM localhost/base
COPY large /usr/local/bin/large
COPY small /etc/small
END
}
prepare() { # ROUND: what is pushed in it, as three tags
    large "$1" && small "$1" && build "first-$1"
    small "$1 again" && build "small-$1"
    large "$1 again" && build "large-$1"
}

# --- the measurements --------------------------------------------------------------------------

ticks() { # PID: processor time of a server so far, in clock ticks
    awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"
}

measure() { # CLIENT STEP TAG
    local line before begun ended times
    command_line "$1" "$3"
    remember_as "$1"
    sync -f "$work"
    before=$(ticks "${pid[$1]}")
    TIMEFORMAT='%U %S'
    begun=$EPOCHREALTIME
    times=$({ time "${line[@]}" >"$work/out" 2>"$work/err"; } 2>&1) || { cat "$work/err" >&2 && fail "$1 did not push"; }
    ended=$EPOCHREALTIME
    jq -cn --arg client "$1" --arg step "$2" --argjson begun "$begun" --argjson ended "$ended" \
        --argjson user "${times% *}" --argjson system "${times#* }" \
        --argjson ticks "$(($(ticks "${pid[$1]}") - before))" --argjson hertz "$(getconf CLK_TCK)" \
        '{$client, $step, seconds: ($ended - $begun), client_cpu: ($user + $system), server_cpu: ($ticks / $hertz)}' \
        >>"$results"
}

# The most private memory of a client during a first push, in bytes: read as often as a shell can.
memory() { # CLIENT TAG
    local line most=0 now
    command_line "$1" "$2"
    remember_as "$1"
    "${line[@]}" >"$work/out" 2>&1 &
    local client=$!
    while kill -0 $client 2>/dev/null; do
        now=$(awk '/^RssAnon/ { print $2 * 1024 }' "/proc/$client/status" 2>/dev/null) || true
        ((${now:-0} <= most)) || most=$now
    done
    wait $client || { cat "$work/out" >&2 && fail "$1 did not push"; }
    jq -cn --arg client "$1" --argjson bytes "$most" '{$client, step: "memory", bytes: $bytes}' >>"$results"
}

load_before=$(cut -d' ' -f1-3 /proc/loadavg)
"${podman[@]}" import --quiet "$base" localhost/base >/dev/null
for ((round = 0; round < rounds; round++)); do
    echo "round $((round + 1)) of $rounds" >&2
    prepare $round
    for client in "${clients[@]}"; do start "$client"; done
    forget
    for step in first unchanged small large; do
        tag=$step-$round
        [[ $step != unchanged ]] || tag=first-$round
        for client in "${clients[@]}"; do measure "$client" $step "$tag"; done
    done
    for client in "${clients[@]}"; do stop "$client"; done
    clients=("${clients[@]:1}" "${clients[0]}") # nobody is always the first, or the last
done
for client in podman skopeo stream; do
    start $client
    forget
    memory $client first-0
    stop $client
done
size=$("${podman[@]}" image inspect --format '{{.Size}}' localhost/app:first-0)

# --- the report --------------------------------------------------------------------------------

program='
def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def shown: if . >= 100 then (. | round | tostring) elif . >= 10 then (. * 10 | round / 10 | tostring) elif . >= 1 then (. * 100 | round / 100 | tostring) else (. * 1000 | round / 1000 | tostring) end;
def spread: "\(median | shown) (\(min | shown)–\(max | shown))";
["podman", "skopeo", "stream", "ingest"] as $clients
| {first: "first push", unchanged: "nothing changed", small: "one small file changed", large: "a layer of 48 MB changed"} as $steps
| . as $all
| def of($client; $step; $field): [$all[] | select(.client == $client and .step == $step) | .[$field]];
  def ratio($client; $step): [of("podman"; $step; "seconds"), of($client; $step; "seconds")] | transpose | map(.[0] / .[1]) | spread;
  def memory($client): of($client; "memory"; "bytes") | if length > 0 then "\(.[0] / 1e6 | shown) MB" else "–" end;
  ("| | podman push | skopeo copy | wharf, stream | wharf, ingest | podman / stream | podman / ingest |",
   "| --- | --- | --- | --- | --- | --- | --- |",
   ($steps | to_entries[] | . as $step
     | "| \($step.value), s | \([$clients[] as $client | of($client; $step.key; "seconds") | spread] | join(" | ")) | \(ratio("stream"; $step.key)) | \(ratio("ingest"; $step.key)) |",
       "| – CPU s of the client | \([$clients[] as $client | of($client; $step.key; "client_cpu") | spread] | join(" | ")) | | |",
       "| – CPU s of the registry | \([$clients[] as $client | of($client; $step.key; "server_cpu") | spread] | join(" | ")) | | |"),
   "| peak private memory of the client, first push | \([$clients[] as $client | memory($client)] | join(" | ")) | | |")'
table=$(jq -rs "$program" "$results")
processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
memory_total=$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)
system=$(. /etc/os-release && echo "$PRETTY_NAME")
template=$(<benches/BENCHMARKS-PUSH.template.md)
fill() { template=${template//"{{$1}}"/"$2"}; }
fill command "$command_shown"
fill date "$(date -u +%Y-%m-%d)"
fill machine "$processor, $(nproc) cores, $memory_total; $system, Linux $(uname -r); everything on $filesystem"
fill load "$load_before before, $(cut -d' ' -f1-3 /proc/loadavg) after"
fill wharf "$("$wharf" --version) (checkout at $revision), default settings"
fill podman "$(podman --version | awk '{ print $NF }')"
fill skopeo "$(skopeo --version | awk '{ print $NF }')"
fill docker-registry "$(docker-registry --version | awk '{ print $NF }')"
fill image "$(awk -v bytes="$size" 'BEGIN { printf "%.1f MB", bytes / 1e6 }')"
fill rounds "$rounds"
fill table "$table"
mkdir -p "$(dirname "$output")"
printf '%s\n' "$template" >"$output"
printf '%s\n' "$table" >&2
echo "The report is in $output." >&2
