# What is in the stores before the clock starts, and how much is measured. Sourced by compare.sh.

# How much of everything. Where --tiny names a size, the bytes are fewer and the name stays.
amounts() { # full|quick|tiny
    large=1GiB medium=100MiB piece=1MiB
    case $1 in
    full)
        rounds=${rounds:-4} pull_one=4GiB pull_many=8GiB pull_less=4GiB seconds=3
        push_many=(1GiB 256MiB) count_medium=(4 16) count_piece=(256 1024) shared=256MiB
        small_count=10000 small_rounds=2 memory_blob=256MiB memory_rounds=3
        repositories=10000 tags=100000 stored=100000 node=(--rounds 3)
        ;;
    quick)
        rounds=${rounds:-2} pull_one=2GiB pull_many=4GiB pull_less=1GiB seconds=1
        push_many=(256MiB) count_medium=(2 8) count_piece=(64 256) shared=256MiB
        small_count=1000 small_rounds=$rounds memory_blob=100MiB memory_rounds=1
        repositories=1000 tags=10000 stored=100000 node=(--rounds 1 --only pull,loop)
        ;;
    tiny)
        rounds=${rounds:-1} pull_one=16MiB pull_many=64MiB pull_less=16MiB seconds=0.2
        large=8MiB medium=4MiB push_many=(8MiB) count_medium=(1 8) count_piece=(2 8) shared=8MiB
        small_count=32 small_rounds=1 memory_blob=4MiB memory_rounds=1
        repositories=20 tags=200 stored=200 node=(--rounds 1)
        ;;
    esac
    ((small_rounds <= rounds)) || small_rounds=$rounds
    ((memory_rounds <= rounds)) || memory_rounds=$rounds
}

bytes() { # SIZE: its bytes, whatever --tiny made of it
    local text=${1/KiB/*1024} && text=${text/MiB/*1024*1024} && echo $((${text/GiB/*1024*1024*1024}))
}

# Pushes an image of so many layers of a size, and remembers its digests in a file.
seed() { # SERVER REPOSITORY LAYERS SIZE
    "$load" image --registry "127.0.0.1:${port[$1]}" --repository "$2" --file "$work/source" \
        --layers "$3" --size "$4" >"$work/$1.${2//\//-}"
}
digest() { # SERVER REPOSITORY FILTER
    jq -r "$3" "$work/$1.${2//\//-}"
}

# A real image: a Debian as debootstrap makes it, and a layer with a program of some size.
make_real_image() {
    local base=$cache/debian-bookworm-perl.tar made
    if [[ ! -e $base ]]; then
        made=$(mktemp -d "$work/base.XXXXXX")
        command -v debootstrap >/dev/null && ((UID == 0)) &&
            timeout 300 debootstrap --variant=minbase --include=perl,ca-certificates bookworm "$made/root" >"$made/log" 2>&1 &&
            tar --numeric-owner --exclude='./var/cache/apt/archives/*.deb' --exclude='./var/lib/apt/lists/*' \
                -C "$made/root" -cf "$base.new" . && mv "$base.new" "$base"
        rm -rf "$made" "$base.new"
    fi
    [[ -e $base ]] || { trouble image 'no real image was pulled: debootstrap made none (root and a mirror are wanted)' && return; }
    gzip -1 -c "$base" >"$work/real.1"
    tar -C / -cf - "${wharf#/}" 2>/dev/null | gzip -1 >"$work/real.2"
}

seed_real() { # SERVER
    [[ ! -e $work/real.1 ]] || "$load" files --registry "127.0.0.1:${port[$1]}" --repository bench/real \
        "$work/real.1" "$work/real.2" >"$work/$1.bench-real"
}

# nginx serves copies of what a registry with the layout of registry:2 has. Were they the same files, each
# would be read from the disk twice as often as any other server's, and lie in the caches below more often.
copy_for_nginx() { # REPOSITORY
    local files=$work/store/nginx/v2/$1 blob from image
    for from in docker-registry distribution wharf; do [[ -z ${pid[$from]:-} ]] || break; done
    image=$from.${1//\//-}
    [[ -s $work/$image ]] || return 0
    stored() { echo "$work/store/$from/docker/registry/v2/blobs/sha256/${1:7:2}/${1#*:}/data"; }
    mkdir -p "$files/blobs" "$files/manifests"
    for blob in $(jq -r '.configuration, .layers[]' "$work/$image"); do
        cp "$(stored "$blob")" "$files/blobs/$blob"
    done
    cp "$(stored "$(jq -r .manifest "$work/$image")")" "$files/manifests/latest"
    cp "$work/$image" "$work/nginx.${1//\//-}"
}

# Whether a server keeps an OCI image layout per repository.
is_oci() { [[ $1 == zot || $1 == olareg ]]; }
written() { # KIND SERVER: the store of this kind that the server can read
    if is_oci "$2"; then echo "$work/$1-oci"; else echo "$work/$1"; fi
}

prepare_stores() {
    local server repository ready=()
    "$load" source "$work/source" --size 1GiB
    if asked image; then make_real_image; fi
    for server in "${registries[@]}"; do
        start "$server" "$work/store/$server" || continue
        ready+=("$server")
        seed "$server" bench/small 5 64KiB
        if asked pull || asked cold; then seed "$server" bench/large 1 $large; fi
        if asked pull; then seed "$server" bench/medium 1 $medium && seed "$server" bench/piece 1 $piece; fi
        if asked memory; then seed "$server" bench/memory 1 $memory_blob; fi
        if asked image; then seed_real "$server"; fi
    done
    registries=("${ready[@]}")
    for repository in small large medium piece real; do copy_for_nginx bench/$repository; done
    start nginx "$work/store/nginx"
    for server in sender-copy sender-sendfile; do # they serve the same files
        ln -s nginx "$work/store/$server"
        start $server "$work/store/$server"
        ! asked pull || cp "$work/nginx.bench-large" "$work/$server.bench-large"
    done
    start receiver "$work/store/receiver"
    local kinds=('') oci
    for server in "${registries[@]}"; do
        if is_oci "$server"; then kinds=('' --oci) && break; fi
    done
    for oci in "${kinds[@]}"; do
        if asked ready; then "$load" volume "$work/many${oci#-}" --blobs $stored $oci; fi
        if asked lists; then
            first=$("$load" volume "$work/tags${oci#-}" --tags $tags --repositories $repositories $oci)
        fi
    done
    if asked node && [[ -x benches/compare/node.sh ]]; then
        benches/compare/node.sh --prepare >"$work/said" 2>&1 || trouble node "cannot be prepared: $(tail -1 "$work/said")"
    fi
    sync -f "$work"
}
