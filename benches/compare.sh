#!/usr/bin/env bash
# What does wharf's registry cost, next to the registries that people run and to the limits of the machine?
#
# One run, one machine, the same bytes: each question is put to each server in turn, round by round
# (A B C, B C A), and the report gives medians, spreads and the ratio of each round to the best of the
# peers. The client, `wharf-load`, runs on the same machine and takes as little of it as it can.
#
# It refuses to leave anything behind: stores lie in a folder of their own and go at the end, servers
# listen on loopback alone, and what is written is the report, its pictures, and the peers' programs in a
# cache. It refuses to be silent: a peer that cannot be had and a question that failed are in the report.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'END'
Usage: benches/compare.sh [--quick] [--rounds N] [--only GROUP,…] [--peers PEER,…] [--wharf PROGRAM]
                          [--output FILE] [--results FILE]

  --quick          two rounds and less of everything: ten minutes at most, once the stores are written
  --rounds N       rounds (4, or 2 with --quick)
  --only GROUPS    some of pull,cold,image,push,small,syncs,requests,lists,memory,ready,size,node;
                   prints the table, writes no report
  --peers PEERS    some of docker-registry,distribution,zot,olareg (all that can be had)
  --wharf PROGRAM  the program to measure (a release build of this checkout)
  --output FILE    the report (docs/BENCHMARKS.md); its pictures go into the folder benchmarks beside it
  --results FILE   keep the measurements, a line of JSON each; those of a node beside it, as node.jsonl
END
}

size=full rounds='' only='' wharf='' output=docs/BENCHMARKS.md results=''
peers=docker-registry,distribution,zot,olareg
command_shown=benches/compare.sh # without what only says where its files go
(($(nice) == 0)) || command_shown="nice -n $(nice) $command_shown"
while (($#)); do
    case $1 in
    --quick) size=quick command_shown+=" $1" ;;
    --tiny) size=tiny ;; # does every part work? Its numbers mean nothing
    --rounds) rounds=$2 command_shown+=" $1 $2" && shift ;;
    --only) only=$2 && shift ;;
    --peers) peers=$2 command_shown+=" $1 $2" && shift ;;
    --wharf) wharf=$2 command_shown+=" $1 $2" && shift ;;
    --output) output=$2 && shift ;;
    --results) results=$2 && shift ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done
[[ -z $rounds || $rounds =~ ^[1-9][0-9]*$ ]] || { usage >&2 && exit 2; }
groups=${only:-pull,cold,image,push,small,syncs,requests,lists,memory,ready,size,node}
asked() { [[ ,$groups, == *",$1,"* ]]; }
fail() { echo "compare.sh: $*" >&2 && exit 1; }

PATH=$PATH:/usr/sbin:/sbin
for program in strace jq go; do
    command -v "$program" >/dev/null || fail "$program is missing: apt-get install strace jq golang"
done

# The programs: the load generator always from this checkout, wharf too unless another one is named.
target=${CARGO_TARGET_DIR:-target}/$(rustc -vV | sed -n 's/^host: //p')/release
cargo build --release --quiet -p wharf-load
load=$target/wharf-load
if [[ -z $wharf ]]; then
    cargo build --release --quiet -p wharf
    wharf=$target/wharf
fi
wharf=$(realpath "$wharf")
revision=$(git describe --always --dirty 2>/dev/null || echo 'no commit') # it may move on meanwhile
cache=${XDG_CACHE_HOME:-$HOME/.cache}/wharf-benches
mkdir -p "$cache"

# Everything that is written lies here, on a disk and not in memory.
work=$(mktemp -d "${TMPDIR:-/var/tmp}/wharf-bench.XXXXXX")
finish() {
    for server in "${!pid[@]}"; do stop "$server"; done
    rm -rf "$work"
}
declare -A pid=()
trap finish EXIT
trap 'exit 130' INT TERM
filesystem=$(df --output=fstype "$work" | tail -1)
[[ $filesystem != tmpfs ]] || fail "$work lies in memory: set TMPDIR to a folder on a disk"
results=${results:-$work/results}
node_results=$(dirname "$results")/node.jsonl
: >"$results"
: >"$node_results"
: >"$work/troubles"

source benches/compare/peers.sh
source benches/compare/stores.sh
source benches/compare/cells.sh
source benches/compare/document.sh

amounts "$size"
get_peers
prepare_stores
load_before=$(cut -d' ' -f1-3 /proc/loadavg)
SECONDS=0
for group in pull cold image push small syncs requests lists memory ready size node; do
    asked $group || continue
    begun=$SECONDS
    "measure_$group"
    echo "$group took $((SECONDS - begun)) s" >&2
done
measured_for=$SECONDS
write_document
