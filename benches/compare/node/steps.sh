# The steps that are measured, and the lines that tell of them.
#
# It refuses to let one way begin with more than another: the disk is at rest before each measurement,
# caches are each client's own, and the node has what it had before the last one.

clients=(podman skopeo stream ingest)
ways=(podman kind-load stream ingest)

# Nobody is always the first, or the last.
rotate() { # ARRAY
    local -n array=$1
    array=("${array[@]:1}" "${array[0]}")
}

# The command that pushes an image of the store, into the array `line`.
push_line() { # CLIENT TAG [NAME [OPTION…]]: to the registry NAME
    local client=$1 tag=$2 to=127.0.0.1:${port[${3:-$1}]} options=("${@:4}")
    case $client in
    podman) line=(podman push --quiet --tls-verify=false "${options[@]}" "localhost/app:$tag" "$to/app:$tag") ;;
    skopeo)
        line=(skopeo copy --quiet --preserve-digests --dest-tls-verify=false
            "containers-storage:[overlay@$work/store+$work/run]localhost/app:$tag" "docker://$to/app:$tag")
        ;;
    *)
        line=("$wharf" push --quiet --storage-root "$work/store" --registry "$to" --via "$client"
            --ingest-secret "$work/secret" "localhost/app:$tag")
        ;;
    esac
}

# Runs the command of `line`; leaves its seconds in `took`, its processor time in `used`.
timed() {
    local begun times TIMEFORMAT='%U %S'
    begun=$EPOCHREALTIME
    times=$({ time "${line[@]}" >"$work/out" 2>"$work/err"; } 2>&1) || { cat "$work/err" >&2 && fail "it failed: ${line[*]}"; }
    took=$(sum "$EPOCHREALTIME" "-$begun")
    used=$(sum ${times})
}
sum() { # NUMBER…
    local IFS=' '
    awk '{ for (i = 1; i <= NF; i++) sum += $i; printf "%.6f", sum }' <<<"$*"
}

tell() { # CLIENT REGISTRY STEP NUMBER-NAME NUMBER …: a line of JSON, and one for people
    local arguments=() words=() names='' client=$1 registry=$2 step=$3
    shift 3
    while (($#)); do
        arguments+=(--argjson "$1" "$2")
        names+=", \$$1"
        words+=("$1 $2")
        shift 2
    done
    jq -cn --arg client "$client" --arg registry "$registry" --arg step "$step" --argjson round "$round" \
        "${arguments[@]}" "{\$client, \$registry, \$step$names, \$round}" >>"$results"
    printf '%-9s %-15s %-9s %s\n' "$client" "$registry" "$step" "${words[*]}" >&2
}

# --- a push ------------------------------------------------------------------------------------

measure_push() { # CLIENT STEP TAG
    local line took used before
    push_line "$1" "$3"
    remember_as "$1"
    sync -f "$work"
    before=$(server_cpu "$1")
    timed
    tell "$1" "$(registry_of "$1")" "$2" seconds "$took" push_seconds "$took" client_cpu "$used" \
        server_cpu "$(sum "$(server_cpu "$1")" "-$before")"
}

# The most private memory of a client during a first push, in bytes: read as often as a shell can.
measure_memory() { # CLIENT TAG
    local line most=0 now client
    push_line "$1" "$2"
    remember_as "$1"
    "${line[@]}" >"$work/out" 2>&1 &
    client=$!
    while kill -0 $client 2>/dev/null; do
        now=$(awk '/^RssAnon/ { print $2 * 1024 }' "/proc/$client/status" 2>/dev/null) || true
        ((${now:-0} <= most)) || most=$now
    done
    wait $client || { cat "$work/out" >&2 && fail "$1 did not push"; }
    tell "$1" "$(registry_of "$1")" memory bytes "$most"
}

pushes() {
    local client step tag
    for ((round = 1; round <= rounds; round++)); do
        large $round && small $round && build first-$round
        small "$round again" && build small-$round
        large "$round again" && build large-$round
        for client in "${clients[@]}"; do start "$client"; done
        forget
        for step in first unchanged small large; do
            tag=$step-$round
            [[ $step != unchanged ]] || tag=first-$round
            for client in "${clients[@]}"; do measure_push "$client" $step "$tag"; done
        done
        for client in "${clients[@]}"; do stop "$client"; done
        rotate clients
    done
    round=1
    for client in podman skopeo stream; do
        start $client
        forget
        measure_memory $client first-1
        stop $client
    done
}

# --- a pull of everything ----------------------------------------------------------------------

# The same image in three forms in each registry; who pushed it is told with the pull.
declare -A pusher=([gzip]=podman [zstd]=podman [none]=stream)
fill_registry() { # NAME
    local line took used form options
    start "$1"
    for form in gzip zstd none; do
        options=()
        [[ $form == none ]] || options=(--compression-format $form)
        podman tag localhost/app:whole localhost/app:$form
        push_line ${pusher[$form]} $form "$1" "${options[@]}"
        forget # or Podman would find that it has pushed these layers, in another form
        remember_as "$1-$form"
        timed
    done
}

measure_pull() { # NAME FORM
    local image=localhost:${port[$1]}/app:$2 took registry node_before
    sync -f "$work"
    registry=$(server_cpu "$1") node_before=$(node_cpu)
    took=$(cri PullImage "$image")
    tell "${pusher[$2]}" "$1" "pull-$2" seconds "$took" pull_seconds "$took" client_cpu 0 \
        server_cpu "$(sum "$(server_cpu "$1")" "-$registry")" node_cpu "$(sum "$(node_cpu)" "-$node_before")"
    remove "$image"
}

pulls() {
    local form name registries=(wharf docker-registry)
    large whole && small whole && build whole
    for name in "${registries[@]}"; do
        fill_registry $name
        cri PullImage "localhost:${port[$name]}/app:none" >/dev/null # the first pull of a node is slower
        remove "localhost:${port[$name]}/app:none"
    done
    for ((round = 1; round <= rounds; round++)); do
        for form in gzip zstd none; do
            for name in "${registries[@]}"; do measure_pull $name $form; done
        done
        rotate registries
    done
    for name in "${registries[@]}"; do stop $name; done
}

# --- the loop ----------------------------------------------------------------------------------

# Brings an image to the node by a way; leaves what it took in `pushed`, `pulled`, `used` and `image`.
bring() { # WAY TAG
    local line took
    if [[ $1 == kind-load ]]; then
        local save
        image=localhost/app:$2
        line=(podman save --quiet --output "$work/saved.tar" "$image")
        timed
        pushed=$took save=$used
        line=("$WHARF_BENCH_KIND" load image-archive --name bench "$work/saved.tar")
        timed
        pulled=$took used=$(sum "$used" "$save")
    else
        image=localhost:${port[$1]}/app:$2
        push_line "$1" "$2"
        timed
        pushed=$took
        pulled=$(cri PullImage "$image")
    fi
}

measure_loop() { # WAY TAG
    local pushed pulled used image before node_before
    rm -f "$work/saved.tar"
    remember_as "$1"
    sync -f "$work"
    before=$(server_cpu "$1") node_before=$(node_cpu)
    bring "$1" "$2"
    tell "$1" "$(registry_of "$1")" loop seconds "$(sum "$pushed" "$pulled")" push_seconds "$pushed" \
        pull_seconds "$pulled" client_cpu "$used" server_cpu "$(sum "$(server_cpu "$1")" "-$before")" \
        node_cpu "$(sum "$(node_cpu)" "-$node_before")"
    remove "$image"
}

# The node keeps the first generation of all ways; each round begins where the developer's last one
# ended, with another large layer.
loops() {
    local way pushed pulled used image
    forget
    large 0 && small 0 && build loop-0
    for way in "${ways[@]}"; do
        [[ $way == kind-load ]] || start "$way"
        remember_as "$way"
        bring "$way" loop-0
        rm -f "$work/saved.tar"
    done
    settle_node
    for ((round = 1; round <= rounds; round++)); do
        large "loop $round" && build loop-$round
        for way in "${ways[@]}"; do measure_loop "$way" loop-$round; done
        rotate ways
    done
    for way in podman stream ingest; do stop $way; done
}

asked() { [[ ,$groups, == *",$1,"* ]]; }

measure_all() {
    local round=1
    load_images
    if asked push; then pushes; fi
    if asked pull || asked loop; then start_node; fi
    if asked pull; then pulls; fi
    if asked loop; then loops; fi
    tell none none image bytes \
        "$(podman image inspect --format '{{.Size}}' "$(podman images --quiet localhost/app | tail -n 1)")"
}
