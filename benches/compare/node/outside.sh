# What node.sh does before it goes into namespaces of its own, and after: making what is kept between
# runs, which wants the network; and taking everything away.
#
# It refuses to measure anything.

modules_made=false
finish() {
    if [[ -n ${inside:-} ]] && kill -0 "$inside" 2>/dev/null; then
        kill -TERM -- "-$inside" 2>/dev/null || true # all of its group: `unshare` itself lets it pass
        wait "$inside" 2>/dev/null || true
    fi
    umount "$work/store/overlay" 2>/dev/null || true # Podman mounts it on itself, here too
    ! $modules_made || rmdir /lib/modules 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# What makes Podman work where limits cannot be raised and systemd is not in charge.
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

# A program called `podman` that means the Podman of this run, for kind as well.
mkdir "$work/bin"
cat >"$work/bin/podman" <<END
#!/bin/sh
exec $(command -v podman) --root $work/store --runroot $work/run --tmpdir $work/tmp --storage-driver overlay \
    --volumepath $work/volumes --network-config-dir $work/networks "\$@"
END
chmod +x "$work/bin/podman"

packages=ca-certificates,curl,procps,iproute2
pigz='FROM localhost/containerd:bookworm
RUN apt-get update -q && apt-get install -qy --no-install-recommends pigz && rm -rf /var/lib/apt/lists/*
COPY etc /etc
COPY kind /kind
COPY usr /usr
ENTRYPOINT ["/usr/local/bin/entrypoint"]'
stage_recipe=tests/stage/images/containerd/Containerfile
key=$({
    printf '%s\n%s\n' "$packages" "$pigz"
    cat "$stage_recipe"
    find tests/kind/images/node -type f -print0 | sort -z | xargs -0 cat
} | sha256sum)
node_archive=$cache/node-${key:0:16}.tar

# The node: Debian, its containerd and the stand-ins for Kubernetes of tests/kind, and pigz, with which a
# node of Kind's unpacks gzip.
make_node() {
    echo "making the node's image, once (kept in $cache)" >&2
    local podman=$work/bin/podman build=(build --quiet --isolation chroot --network host) tested
    tested=$({ echo "$packages"; cat "$stage_recipe"; } | sha256sum)
    tested=${cache%/*}/wharf-tests/containerd-${tested:0:16}.tar
    if [[ -e $tested ]]; then # the tests have made the half of it
        "$podman" load --quiet --input "$tested"
    else
        command -v debootstrap >/dev/null || fail 'debootstrap is missing: apt-get install debootstrap'
        debootstrap --variant=minbase --include=$packages bookworm "$work/debian" >"$work/log" 2>&1 ||
            fail "debootstrap: $(tail -1 "$work/log")"
        tar --numeric-owner -C "$work/debian" --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' \
            -c . | "$podman" import --quiet - localhost/debian:bookworm
        rm -rf "$work/debian"
        "$podman" "${build[@]}" --tag localhost/containerd:bookworm "${stage_recipe%/*}"
    fi
    "$podman" "${build[@]}" --tag localhost/kind-node:bench --file - tests/kind/images/node <<<"$pigz"
    "$podman" save --quiet --multi-image-archive --output "$work/node.tar" \
        localhost/debian:bookworm localhost/kind-node:bench
    mv "$work/node.tar" "$node_archive.new" && mv "$node_archive.new" "$node_archive"
    "$podman" rmi --all --force
}
[[ -e $node_archive ]] || make_node >&2

# kind, as the tests have it or built here.
find_kind() {
    local key
    key=$(cat tests/tools/go.mod tests/tools/go.sum | cksum | tr ' ' -)
    kind=${cache%/*}/wharf-tests/tools-$key/kind
    [[ ! -x $kind ]] || return 0
    kind=$cache/kind-$key
    [[ ! -x $kind ]] || return 0
    command -v go >/dev/null || fail 'kind is built by Go, which is not on the PATH'
    GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false' go build -C tests/tools -o "$kind" sigs.k8s.io/kind
}
find_kind
! $only_prepare || exit 0

if [[ -z $wharf ]]; then
    cargo build --release --quiet -p wharf
    wharf=${CARGO_TARGET_DIR:-target}/$(rustc -vV | sed -n 's/^host: //p')/release/wharf
fi
[[ -x $wharf ]] || fail "$wharf is no program"
wharf=$(realpath "$wharf")
touch "$results"
results=$(realpath "$results")
[[ -e /lib/modules ]] || { mkdir /lib/modules && modules_made=true; } # kind mounts it, there or not
mkdir -p /var/lib/containers/cache "$work/home"

# A group of its own, so that Ctrl-C reaches this shell alone, which then ends the group and waits.
set -m
WHARF_BENCH_WORK=$work WHARF_BENCH_KIND=$kind WHARF_BENCH_NODE=$node_archive HOME=$work/home \
    unshare --net --mount --propagation private --pid --fork --kill-child --mount-proc \
    bash -c 'WHARF_BENCH_INSIDE=$$ exec "$@"' - benches/compare/node.sh \
    --rounds "$rounds" --only "$groups" --wharf "$wharf" --results "$results" </dev/null &
inside=$!
set +m
wait "$inside"
