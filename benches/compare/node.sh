#!/usr/bin/env bash
# From a rebuilt image to a node that has it: how long does each way take that a developer has?
#
# One run, one machine, the same image out of the same Podman store. Three questions: what a push costs
# (`podman push` and `skopeo copy` into Debian's docker-registry, both roads of `wharf push` into wharf);
# how long a node's real containerd pulls an image of 200 to 300 MB from either registry, its layers as
# gzip, as zstd and uncompressed; and the loop, a layer of 48 MB changed, pushed and pulled, or saved and
# loaded by the real kind. Each step is put to each way in turn, round by round.
#
# It refuses to leave anything behind or to meet anything of yours: all of it runs in namespaces of its
# own (network, processes, mounts), with a Podman of its own, in a folder of its own; when the first
# process ends, however it ends, the rest is gone. It wants root, and asks no registry but its own.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() {
    cat <<'END'
Usage: benches/compare/node.sh --results FILE [--rounds N] [--only GROUP,…] [--wharf PROGRAM]
       benches/compare/node.sh --prepare

  --results FILE   append the measurements to this file, a line of JSON each
  --rounds N       rounds (5)
  --only GROUPS    some of push,pull,loop
  --wharf PROGRAM  the program to measure (a release build of this checkout)
  --prepare        make what is kept between runs (the node's image and kind), and measure nothing
END
}

rounds=5 groups=push,pull,loop wharf='' results='' only_prepare=false
while (($#)); do
    case $1 in
    --rounds) rounds=$2 && shift ;;
    --only) groups=$2 && shift ;;
    --wharf) wharf=$2 && shift ;;
    --results) results=$2 && shift ;;
    --prepare) only_prepare=true ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done

fail() { echo "node.sh: $*" >&2 && exit 1; }
[[ -n $results ]] || $only_prepare || fail 'where do the measurements go? (--results FILE)'
[[ $rounds =~ ^[1-9][0-9]*$ ]] || fail "--rounds $rounds: a number is wanted"

PATH=$PATH:/usr/sbin:/sbin
((UID == 0)) || fail 'run it as root'
for program in podman buildah skopeo docker-registry runc jq curl ip unshare; do
    command -v "$program" >/dev/null ||
        fail "$program is missing: apt-get install podman buildah skopeo docker-registry runc jq curl iproute2"
done

cache=${XDG_CACHE_HOME:-$HOME/.cache}/wharf-benches
mkdir -p "$cache"
if [[ ${WHARF_BENCH_INSIDE:-} != "$$" ]]; then
    work=$(mktemp -d "${TMPDIR:-/var/tmp}/wharf-node.XXXXXX")
    [[ $(df --output=fstype "$work" | tail -1) != tmpfs ]] ||
        { rmdir "$work" && fail "$work lies in memory: set TMPDIR to a folder on a disk"; }
    source benches/compare/node/outside.sh
    exit
fi
work=$WHARF_BENCH_WORK
for part in inside image steps; do source "benches/compare/node/$part.sh"; done
measure_all
