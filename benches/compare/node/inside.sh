# The ground inside the namespaces: a network, a Podman, registries, and a node that kind made.
#
# It refuses to know what is measured.

declare -A pid=() port=([podman]=5721 [skopeo]=5722 [stream]=5723 [ingest]=5724 [wharf]=5725 [docker-registry]=5726)
export PATH=$work/bin:$PATH KIND_EXPERIMENTAL_PROVIDER=podman KIND_EXPERIMENTAL_PODMAN_NETWORK=wharf-bench
export KUBECONFIG=$work/kubeconfig
node=bench-control-plane
trap 'podman rm --all --force --time=0 >/dev/null 2>&1 || true' EXIT
trap 'exit 130' INT TERM

ip link set lo up
mount -t tmpfs tmpfs /run
mkdir -p "$work/files" "$work/temporary"
export TMPDIR=$work/temporary # where Podman and skopeo put down what they copy
(umask 077 && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$work/secret")

# The registry that a client pushes to, or that is pulled from, is of this kind.
registry_of() { # NAME
    case $1 in
    podman | skopeo | docker-registry) echo docker-registry ;;
    kind-load) echo none ;;
    *) echo wharf ;;
    esac
}

start() { # NAME: its registry, on an empty store
    rm -rf "${work:?}/registries/$1"
    mkdir -p "$work/registries/$1"
    local address=0.0.0.0:${port[$1]} root=$work/registries/$1 line
    case $1 in
    stream | wharf) line=("$wharf" serve --root "$root" --listen "$address") ;;
    ingest) line=("$wharf" serve --root "$root" --listen "$address" --containers-storage "$work/store" --ingest-secret "$work/secret") ;;
    *)
        cat >"$root.yml" <<END
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: $root }
  cache: { blobdescriptor: inmemory }
http: { addr: "$address", secret: benchmark }
END
        line=(docker-registry serve "$root.yml")
        ;;
    esac
    "${line[@]}" >"$root.log" 2>&1 &
    pid[$1]=$!
    for _ in {1..200}; do
        (exec 3<>"/dev/tcp/127.0.0.1/${port[$1]}") 2>/dev/null && return
        kill -0 "${pid[$1]}" 2>/dev/null || break
        sleep 0.05
    done
    cat "$root.log" >&2
    fail "the registry for $1 does not start"
}

stop() { # NAME
    kill "${pid[$1]}" 2>/dev/null || true
    wait "${pid[$1]}" 2>/dev/null || true
    unset "pid[$1]"
    rm -rf "${work:?}/registries/$1"
}

# Podman and skopeo remember which blobs a registry has, both in the same place: each gets its own.
remember_as() { # NAME
    umount /var/lib/containers/cache 2>/dev/null || true
    mkdir -p "$work/cache/$1"
    mount --bind "$work/cache/$1" /var/lib/containers/cache
}
forget() {
    umount /var/lib/containers/cache 2>/dev/null || true
    rm -rf "$work/cache"
}

# A cluster of one node by the real kind, whose containerd finds `localhost:PORT` at this machine.
start_node() {
    "$WHARF_BENCH_KIND" create cluster --name bench --image localhost/kind-node:bench --config - >"$work/kind.log" 2>&1 <<'END' || { cat "$work/kind.log" >&2 && fail 'kind makes no cluster'; }
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
containerdConfigPatches:
- |-
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
END
    local gateway name
    gateway=$(podman inspect --format '{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}' $node)
    for name in "${!port[@]}"; do
        podman exec -i $node sh -c 'mkdir -p "$1" && cat >"$1/hosts.toml"' - "/etc/containerd/certs.d/localhost:${port[$name]}" <<END
server = "http://$gateway:${port[$name]}"
[host."http://$gateway:${port[$name]}"]
END
    done
    node_root=/proc/$(podman inspect --format '{{.State.Pid}}' $node)/root
    node_cgroup=$(podman inspect --format '{{.State.CgroupPath}}' $node)
    settle_node
}

# A call of the CRI's image service whose request is an image's name, as a kubelet makes it; prints the
# seconds from the request to the answer.
cri() { # METHOD IMAGE
    local length=${#2} url=http://localhost/runtime.v1.ImageService/$1
    # Field 1 of each request is an ImageSpec, whose field 1 is the name; five bytes of gRPC before it.
    # shellcheck disable=SC2059
    printf "\\x00\\x00\\x00\\x00\\x$(printf %02x $((length + 4)))\\x0a\\x$(printf %02x $((length + 2)))\\x0a\\x$(printf %02x "$length")%s" "$2" |
        curl -sS -o "$work/answer" -D "$work/head" -w '%{time_total}' --http2-prior-knowledge \
            --unix-socket "$node_root/run/containerd/containerd.sock" -H 'content-type: application/grpc' \
            -H 'te: trailers' --data-binary @- "$url"
    grep -q '^grpc-status: 0' "$work/head" || fail "$1 of $2: $(grep -i '^grpc-' "$work/head" | tr -d '\r')"
}

# Removes an image from the node, and the names that kind gave it beside its own. What only it had is gone
# when this returns, in the memory of containerd and on the disk.
remove() { # IMAGE
    local now others
    cri RemoveImage "$1" >/dev/null
    others=$(comm -13 <(echo "$names_expected") <(names))
    # shellcheck disable=SC2086 # words
    [[ -z $others ]] || podman exec $node ctr --namespace k8s.io images rm --sync $others >/dev/null
    now=$(snapshots)
    ((now == snapshots_expected)) || fail "$now unpacked layers on the node, and not $snapshots_expected"
}
# What there is on the node now is what it has before each measurement.
settle_node() {
    names_expected=$(names) snapshots_expected=$(snapshots)
}
names() {
    podman exec $node ctr --namespace k8s.io images ls -q | LC_ALL=C sort
}
snapshots() {
    podman exec $node ctr --namespace k8s.io snapshots ls | tail -n +2 | wc -l
}

# Processor time of the node so far, containerd and what it starts, in seconds; nothing where no cgroup
# counts it.
node_cpu() {
    local file=/sys/fs/cgroup/cpuacct$node_cgroup/cpuacct.usage
    if [[ -e $file ]]; then
        awk '{ print $1 / 1e9 }' "$file"
    elif [[ -e /sys/fs/cgroup$node_cgroup/cpu.stat ]]; then
        awk '$1 == "usage_usec" { print $2 / 1e6 }' "/sys/fs/cgroup$node_cgroup/cpu.stat"
    else
        echo 0
    fi
}

# Processor time of a registry so far, in seconds.
server_cpu() { # NAME
    [[ -n ${pid[$1]:-} ]] || { echo 0 && return; }
    awk -v hertz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) / hertz }' "/proc/${pid[$1]}/stat"
}
