#!/usr/bin/env bash
# Every test of Wharf, or the parts named:
#
#     ./test.sh                 all of it
#     ./test.sh lint unit       the parts named, in this order; also a subject of tests/it, as `crash`
#     ./test.sh --list          the parts there are
#
# Installs what the tests need where it may (apt as root, Go's modules); what is still missing is said
# in one line and left out. With CI=true a missing piece is a failure. Nothing is asked on stdin.
set -uo pipefail
cd "$(dirname "$0")" || exit 1
exec </dev/null

# The program of the distribution specification that certifies registries.
conformance_module=github.com/opencontainers/distribution-spec/conformance
conformance_commit=967efdc079b9

PATH=$PATH:/usr/sbin:/sbin
cache=${XDG_CACHE_HOME:-$HOME/.cache}/wharf-tests
log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { printf '%s\n' "$*"; }
is_ci() { [ "${CI:-}" = true ]; }
has() { command -v "$1" >/dev/null 2>&1; }

# One line for a piece that is not there, and why.
left_out() { say "left out: $1: $2"; }

# The same for a piece that CI must have.
missing() {
    left_out "$1" "$2"
    if is_ci; then
        say "CI=true leaves nothing out"
        exit 1
    fi
}

# ---- what the tests need ----

# A package of Debian, and a file or program by which to tell that it is there.
debian_packages='
    podman=podman                netavark=/usr/lib/podman/netavark
    iptables=iptables            aardvark-dns=/usr/lib/podman/aardvark-dns
    runc=runc                    containerd=containerd
    skopeo=skopeo                debootstrap=debootstrap
    strace=strace                docker-registry=docker-registry
    nginx-light=nginx            ca-certificates=/etc/ssl/certs/ca-certificates.crt
    curl=curl                    jq=jq
    buildah=buildah              kubernetes-client=kubectl
    gcc=cc                       libc6-dev=/usr/include/stdlib.h
    iproute2=ip
'

debian_packages_missing() {
    local entry
    for entry in $debian_packages; do
        has "${entry#*=}" || [ -e "${entry#*=}" ] || printf '%s ' "${entry%%=*}"
    done
}

# Installs packages, none of which is to start a service of its own, now or at the next boot:
# docker-registry would take port 5000.
apt_install() {
    local policy=/usr/sbin/policy-rc.d status unit
    if [ -e $policy ]; then
        policy=
    else
        trap 'rm -f "$log" '$policy EXIT
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
    fi
    # shellcheck disable=SC2086 # one word per package
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $1; } >"$log" 2>&1
    status=$?
    [ -z "$policy" ] || rm -f $policy
    if [ -d /run/systemd/system ]; then
        for unit in docker-registry nginx containerd; do
            case " $1" in *" $unit"*) systemctl disable --quiet "$unit" ;; esac
        done
    fi
    return $status
}

install_debian_packages() {
    local packages why
    packages=$(debian_packages_missing)
    [ -n "$packages" ] || return 0
    if ! has apt-get; then
        why='there is no apt-get here'
    elif [ "$(id -u)" != 0 ]; then
        why='only root may install packages'
    else
        say "installing ${packages% }"
        apt_install "$packages"
        local status=$?
        [ "$status" = 0 ] || tail -n 5 "$log"
        packages=$(debian_packages_missing)
        [ -n "$packages" ] || return 0
        why='apt-get could not install them'
    fi
    missing "${packages% }" "$why"
}

# crane, oras, regctl and kind, at the versions in tests/tools/go.mod.
build_go_tools() {
    local key folder tool built=yes
    if ! has go; then
        missing 'crane oras regctl kind' 'they are built by Go 1.24 or newer, which is not on the PATH'
        return
    fi
    key=$(cat tests/tools/go.mod tests/tools/go.sum | cksum | tr ' ' -)
    folder=$cache/tools-$key
    for tool in crane oras regctl kind; do
        [ -x "$folder/$tool" ] || built=
    done
    if [ -z "$built" ]; then
        say 'building crane, oras, regctl and kind'
        mkdir -p "$folder"
        if ! GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false' go build -C tests/tools -o "$folder/" tool >"$log" 2>&1; then
            missing 'crane oras regctl kind' "$(tail -n 1 "$log")"
            return
        fi
    fi
    PATH=$folder:$PATH
}

# The one piece that may be missing in CI too: its module is not to be had everywhere.
find_conformance() {
    local folder=$cache/conformance-$conformance_commit
    [ -z "${OCI_CONFORMANCE:-}" ] || return 0
    if ! [ -x "$folder/conformance" ]; then
        if ! has go; then
            left_out 'the OCI conformance program' 'it is built by Go, which is not on the PATH'
            return
        fi
        if ! GOWORK=off GOBIN=$folder go install $conformance_module@$conformance_commit >"$log" 2>&1; then
            left_out 'the OCI conformance program' "go install: $(grep -o 'reading .*' "$log" || tail -n 1 "$log"); set OCI_CONFORMANCE to a built one"
            return
        fi
    fi
    export OCI_CONFORMANCE=$folder/conformance
}

# The tests of the program run the release build, as it would be shipped.
build_release() {
    [ -z "${WHARF_BINARY:-}" ] || return 0
    stage 'release build' cargo build --release || finish
    local target host
    target=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
    host=$(rustc -vV | sed -n 's/^host: //p')
    export WHARF_BINARY=$target/$host/release/wharf
}

prepared=
prepare() {
    [ -z "$prepared" ] || return 0
    prepared=yes
    install_debian_packages
    build_go_tools
    find_conformance
    build_release
}

# ---- stages ----

passed=0
failed=0
stages_failed=

# Runs a command under a name, counts the tests in what it prints, and says how long it took.
stage() {
    local name=$1 begun=$SECONDS status words
    shift
    say "── $name"
    words=$(mktemp)
    "$@" 2>&1 | tee "$words"
    status=${PIPESTATUS[0]}
    count "$words"
    rm -f "$words"
    if [ $status = 0 ]; then
        say "── $name: ok, $((SECONDS - begun)) s"
    else
        say "── $name: FAILED, $((SECONDS - begun)) s"
        stages_failed="$stages_failed $name,"
    fi
    return $status
}

# Adds up the lines `test result: ok. 12 passed; 0 failed; …` of a file.
count() {
    local sums
    sums=$(sed -n 's/.*test result: [a-zA-Z]*\. \([0-9]*\) passed; \([0-9]*\) failed;.*/\1 \2/p' "$1" |
        awk '{ passed += $1; failed += $2 } END { print passed + 0, failed + 0 }')
    passed=$((passed + ${sums% *}))
    failed=$((failed + ${sums#* }))
}

finish() {
    [ -z "$stages_failed" ] || say "stages that failed:${stages_failed%,}"
    say "$passed passed, $failed failed"
    [ -z "$stages_failed" ] && [ "$failed" = 0 ]
    exit
}

# ---- parts ----

# One selection for all, so that each dependency is built once, with one set of features.
selection='--workspace --all-features'

part_lint() {
    stage 'format' cargo fmt --all --check
    stage 'clippy' cargo clippy $selection --all-targets -- -D warnings
    RUSTDOCFLAGS='-D warnings' stage 'documentation' cargo doc --workspace --no-deps
    check_for_macos
    if has cargo-deny; then
        stage 'cargo-deny' cargo deny check
    else
        left_out cargo-deny 'it is not installed'
    fi
}

# Nothing of Linux alone may creep in: the workspace builds for macOS too. What is written in C (ring,
# zstd) would need Apple's headers; a check links nothing, so an empty object does in its place.
check_for_macos() {
    local target=aarch64-apple-darwin
    if ! has rustup || ! rustup target add $target >"$log" 2>&1; then
        [ -e "$(rustc --print sysroot)/lib/rustlib/$target" ] || {
            left_out "the check for $target" 'the target is not installed and cannot be had'
            return
        }
    fi
    local stubs
    stubs=$(mktemp -d)
    cat >"$stubs/cc" <<'END'
#!/bin/sh
while [ $# -gt 0 ]; do
    [ "$1" != -o ] || : >"$2"
    shift
done
END
    printf '#!/bin/sh\n' >"$stubs/ar"
    chmod +x "$stubs/cc" "$stubs/ar"
    CC_aarch64_apple_darwin=$stubs/cc AR_aarch64_apple_darwin=$stubs/ar \
        stage "check for $target" cargo check --workspace --target $target
    rm -rf "$stubs"
}

part_unit() {
    local tests
    install_debian_packages # the pusher's tests read stores that Podman wrote
    tests=$(test_names */tests */*/tests | sed 's/^/--test /')
    # shellcheck disable=SC2086 # words
    stage 'unit' cargo test $selection --no-fail-fast --lib --bins $tests
    stage 'examples in the documentation' cargo test $selection --doc
}

# The test programs in folders: each file, and each folder with a main.rs, by its name.
test_names() {
    local folder file
    for folder in "$@"; do
        for file in "$folder"/*.rs "$folder"/*/main.rs; do
            [ -e "$file" ] || continue
            file=${file#"$folder"/}
            file=${file%/main.rs}
            printf '%s\n' "${file%.rs}"
        done
    done | sort
}

part_test() {
    [ "$1" = tidy ] || prepare # tidy reads the source and needs nothing
    if [ "$1" = conformance ] && [ -z "${OCI_CONFORMANCE:-}" ]; then
        return # said above
    fi
    stage "$1" cargo test $selection --test "$1"
}

# One subject of tests/it, such as `crash`.
part_subject() {
    prepare
    stage "it: $1" cargo test $selection --test it "$1::"
}

parts="lint unit $(test_names tests | tr '\n' ' ')"
is_part() { case " $parts " in *" $1 "*) ;; *) return 1 ;; esac; }
is_subject() { grep -q "^mod $1;" tests/it/main.rs; }

if [ "${1:-}" = --list ]; then
    printf '%s\n' $parts
    exit
fi
for part in "$@"; do
    is_part "$part" || is_subject "$part" || {
        say "there is no part $part; there are: ${parts% }, and the subjects of tests/it"
        exit 2
    }
done
for part in ${*:-$parts}; do
    case $part in
        lint) part_lint ;;
        unit) part_unit ;;
        *) if is_part "$part"; then part_test "$part"; else part_subject "$part"; fi ;;
    esac
done
finish
