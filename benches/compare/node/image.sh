# The image that is pushed, pulled and changed: Debian, some programs, a layer of 48 MB of an
# application, and a small file above it.
#
# It refuses to make content that no image would have: every layer is of real programs.

large() { # GENERATION
    {
        head -c 36200000 "$(realpath "$(PATH=/usr/bin:/usr/local/bin command -v podman)")"
        head -c 12000000 "$(command -v docker-registry)"
        echo "$1"
    } >"$work/files/large"
}
small() { # GENERATION
    echo "$1" >"$work/files/small"
}

build() { # TAG
    podman build --quiet --layers --isolation chroot --network host --tag "localhost/app:$1" \
        --file - "$work/files" >/dev/null <<'END'
FROM localhost/base
COPY large /usr/local/bin/large
COPY small /etc/small
END
}

# The images of the node's archive, and below the application Debian with containerd's programs.
load_images() {
    podman load --quiet --input "$WHARF_BENCH_NODE" >/dev/null
    podman build --quiet --isolation chroot --network host --tag localhost/base --file - "$work/files" >/dev/null <<'END'
FROM localhost/debian:bookworm
COPY --from=localhost/kind-node:bench /usr/bin/containerd /usr/bin/ctr /usr/local/bin/
END
}
