# The questions, each put to every server in turn, round by round. Sourced by compare.sh.

# One measurement of a running server. Its result goes to the results with the number of its round and
# what else is to be said of it; a failure goes to the report, and the server is started afresh.
measure() { # SERVER ROUND LABELS SUBCOMMAND ARGUMENT…
    local server=$1 round=$2 labels=$3 subcommand=$4
    shift 4
    [[ -n ${pid[$server]:-} ]] || return 0
    if "$load" "$subcommand" --registry "127.0.0.1:${port[$server]}" --label "$server" \
        --server-pid "${pid[$server]}" "$@" >"$work/measured" 2>"$work/said"; then
        jq -c --argjson round "$round" ". + {round: \$round} + $labels" "$work/measured" >>"$results"
        cat "$work/said" >&2
    else
        trouble "$server" "$subcommand $*, round $round: $(tail -1 "$work/said")"
        again "$server" || true
    fi
}

# Each round begins with another server, or one of them would always be the first to touch memory.
each_round() { # ROUNDS FUNCTION SERVER…
    local most=$1 function=$2 round server turn=("${@:3}")
    for ((round = 1; round <= most; round++)); do
        for server in "${turn[@]}"; do "$function" "$server" "$round"; done
        turn=("${turn[@]:1}" "${turn[0]}")
    done
}

measure_pull() {
    local server what size clients bytes senders
    pull_round() {
        measure "$1" "$2" "{size: $(bytes $size)}" pull --repository "bench/$what" \
            --digest "$(digest "$1" "bench/$what" '.layers[0]')" --clients $clients --bytes $bytes
    }
    for server in "${registries[@]}" nginx sender-copy sender-sendfile; do # once unmeasured: the bytes are right, and in memory
        "$load" pull --registry "127.0.0.1:${port[$server]}" --label warm-up --verify --repository bench/large \
            --digest "$(digest "$server" bench/large '.layers[0]')" --bytes $large >/dev/null 2>"$work/said" ||
            trouble "$server" "pull: $(tail -1 "$work/said")"
    done
    for what in large medium piece; do
        case $what in large) size=1GiB ;; medium) size=100MiB ;; piece) size=1MiB ;; esac
        for clients in 1 8 64; do
            bytes=$pull_less senders=()
            if [[ $what == large ]]; then
                bytes=$pull_many senders=(sender-copy sender-sendfile)
                ((clients > 1)) || bytes=$pull_one
            fi
            each_round "$rounds" pull_round "${registries[@]}" nginx "${senders[@]}"
        done
    done
}

# The server is started anew, since pages that it has mapped are not forgotten.
measure_cold() {
    cold_round() {
        local store=$work/store/$1
        stop "$1"
        "$load" forget "$store" || return 0
        settle "$(bytes 1GiB)" && rm "$work/room"
        start "$1" "$store" || return 0
        measure "$1" "$2" "{operation: \"pull-cold\", size: $(bytes 1GiB)}" pull --repository bench/large \
            --digest "$(digest "$1" bench/large '.layers[0]')" --bytes $large
    }
    each_round "$rounds" cold_round "${registries[@]}" nginx
}

measure_image() {
    image_round() {
        local digests
        mapfile -t digests < <(digest "$1" bench/real '.configuration, .layers[] | "--digest=\(.)"')
        measure "$1" "$2" '{}' nodes --repository bench/real --nodes 8 "${digests[@]}"
    }
    [[ ! -e $work/real.1 ]] || each_round "$rounds" image_round "${registries[@]}" nginx
}

# Nothing waits for the disk, and a file of so many bytes is in memory, which is removed as the clock
# starts. So what is measured fills memory that was in use until then. A virtual machine
# that gave its free memory back to the host gets it page by page at the cost of whoever touches it
# first, which can double the time of a push or of a pull from the disk. The file is written in pieces as large as a server's: pages
# that were freed one by one are not what the next large piece gets.
settle() { # BYTES
    sync -f "$work"
    dd if=/dev/zero of="$work/room" bs=128K count=$((($1 + $1 / 5 >> 17) + 512)) status=none
    touch "$work/mark"
}

# What was pushed since `settle` goes, or a run would fill the disk: no digest is pushed twice.
discard() { # SERVER
    find "$work/store/$1" -type f -newer "$work/mark" -size +48k -delete
}

measure_push() {
    local name size clients count same
    push_round() {
        settle $(($(bytes $size) * count))
        measure "$1" "$2" "{size: $(bytes $name)}" push --repository bench/push --file "$work/source" \
            --size $size --clients $clients --count $count --make-room "$work/room" ${same:+"$same"}
        discard "$1"
    }
    push_cell() { # NAME SIZE CLIENTS COUNT [--same]
        name=$1 size=$2 clients=$3 count=$4 same=${5:-}
        each_round "$rounds" push_round "${registries[@]}" receiver
    }
    local many
    push_cell 1GiB $large 1 1
    for many in "${push_many[@]}"; do push_cell "${many/#8MiB/256MiB}" "$many" 8 8; done
    push_cell 256MiB $shared 8 8 --same
    push_cell 100MiB $medium 1 "${count_medium[0]}"
    push_cell 100MiB $medium 8 "${count_medium[1]}"
    push_cell 1MiB $piece 1 "${count_piece[0]}"
    push_cell 1MiB $piece 8 "${count_piece[1]}"
}

measure_small() {
    small_round() {
        sync -f "$work"
        measure "$1" "$2" '{size: 1024}' push --repository bench/small --file "$work/source" --size 1KiB \
            --clients 8 --count $small_count
    }
    each_round "$small_rounds" small_round "${registries[@]}" receiver
}

# Calls that sync, seen by strace while COMMAND runs, divided by COUNT.
syncs() { # SERVER OPERATION COUNT COMMAND…
    local server=$1 operation=$2 count=$3 trace=$work/strace tracer calls
    shift 3
    strace -f -c -o "$trace" -e trace=fsync,fdatasync,syncfs,sync,msync \
        -p "${pid[$server]}" 2>"$trace.log" &
    tracer=$!
    until grep -q attached "$trace.log"; do
        kill -0 $tracer 2>/dev/null || { trouble "$server" "strace cannot attach: $(<"$trace.log")" && return; }
        sleep 0.05
    done
    "$@" >/dev/null 2>"$work/said" || trouble "$server" "$operation: $(tail -1 "$work/said")"
    kill -INT $tracer
    wait $tracer || true
    calls=$(awk '$NF ~ /sync$|^syncfs$/ { calls += $4 } END { print calls + 0 }' "$trace")
    jq -cn --arg server "$server" --arg operation "$operation" --argjson calls "$calls" \
        --argjson count "$count" '{$server, $operation, round: 1, syncs: ($calls / $count)}' >>"$results"
}

measure_syncs() {
    local server
    for server in "${registries[@]}"; do
        seed "$server" bench/syncs 1 1MiB # the first push after a start may sync more
        sync                              # and so may one while much waits for the disk
        syncs "$server" sync-blob 10 "$load" push --registry "127.0.0.1:${port[$server]}" \
            --repository bench/syncs --file "$work/source" --size 1MiB --count 10
        syncs "$server" sync-image 1 seed "$server" bench/syncs 3 1MiB
    done
}

measure_requests() {
    local what
    request_round() {
        measure "$1" "$2" '{}' requests $what --repository bench/small --seconds "$seconds" \
            --digest "$(digest "$1" bench/small .configuration)"
    }
    for what in get-manifest head-manifest get-blob head-blob; do
        each_round "$rounds" request_round "${registries[@]}" nginx
    done
}

# On stores of their own, written as files before the clock. The first walk after a start is a question of
# its own: it may read the store. olareg has no catalog.
measure_lists() {
    local server
    list_walk() { # SERVER ROUND SUFFIX
        measure "$1" "$2" "{operation: \"list-tags$3\"}" lists --repository tags/many --expected "$first"
        [[ $1 == olareg ]] || measure "$1" "$2" "{operation: \"catalog$3\"}" lists --catalog --expected "$repositories"
    }
    first_walk() {
        stop "$1"
        start "$1" "$(written tags "$1")" && list_walk "$1" "$2" -first
    }
    later_walk() { list_walk "$1" "$2" ''; }
    each_round "$rounds" first_walk "${registries[@]}"
    each_round "$rounds" later_walk "${registries[@]}"
    for server in "${registries[@]}"; do again "$server" || true; done
}

# Each server is started afresh, so that what earlier questions left in its memory does not count.
measure_memory() {
    memory_round() {
        again "$1" || return 0
        settle $(($(bytes $memory_blob) * 8))
        measure "$1" "$2" '{}' mixed --repository bench/memory --file "$work/source" --size $memory_blob \
            --make-room "$work/room" --digest "$(digest "$1" bench/memory '.layers[0]')"
        discard "$1"
    }
    each_round "$memory_rounds" memory_round "${registries[@]}"
}

measure_ready() {
    local server blobs
    ready_round() {
        local line root=$work/empty-$1-$2
        ((!blobs)) || root=$(written many "$1")
        mkdir -p "$root"
        command_line "$1" "$root"
        if "$load" ready --registry "127.0.0.1:${port[$1]}" --label "$1" --stored $blobs \
            -- "${line[@]}" >"$work/measured" 2>"$work/said"; then
            jq -c --argjson round "$2" '. + {round: $round}' "$work/measured" >>"$results"
            grep ' ready ' "$work/said" >&2 || true
        else
            trouble "$1" "does not get ready with $blobs blobs: $(tail -1 "$work/said")"
        fi
    }
    for server in "${registries[@]}"; do stop "$server"; done
    for blobs in 0 $stored; do each_round "$rounds" ready_round "${registries[@]}"; done
    for server in "${registries[@]}"; do again "$server" || true; done
}

measure_size() {
    local server
    tell_size() { # SERVER OPERATION FILE
        jq -cn --arg server "$1" --arg operation "$2" --argjson size "$(stat -Lc %s "$3")" \
            '{$server, $operation, $size, round: 1}' >>"$results"
    }
    for server in "${registries[@]}"; do tell_size "$server" program "${program[$server]}"; done
    if "$wharf" image --program "$wharf" --output "$work/wharf.tar" >"$work/said" 2>&1; then
        tell_size wharf container-image "$work/wharf.tar"
    else
        trouble wharf "no image: $(tail -1 "$work/said")"
    fi
}

# A node's real containerd and the loop, in namespaces of their own.
measure_node() {
    if [[ ! -x benches/compare/node.sh ]]; then
        trouble node 'not measured, benches/compare/node.sh is not there'
    elif ! benches/compare/node.sh --results "$node_results" --wharf "$wharf" "${node[@]}" >"$work/said" 2>&1; then
        trouble node "$(tail -1 "$work/said")"
    fi
}
