# How each server is got, configured, started and stopped. Sourced by compare.sh.
#
# The peers have what their makers call sane: no access log, the descriptor cache in memory, zot's
# deduplication as it comes, olareg's store on the disk. A peer that cannot be had is named in the report.

declare -A port=([wharf]=5711 [docker-registry]=5712 [distribution]=5713 [zot]=5714 [olareg]=5715
    [nginx]=5716 [receiver]=5717 [sender-copy]=5718 [sender-sendfile]=5719)
declare -A program=() version=()
zot_version=v2.1.20
registries=(wharf)

trouble() { # WHO WHAT: said in the report, and the run goes on
    echo "- $1: $2" | tee -a "$work/troubles" >&2
}

get_peers() {
    local peer
    program[wharf]=$wharf
    program[nginx]=$(command -v nginx) || fail 'nginx is missing: apt-get install nginx-light'
    program[receiver]=$load
    version[wharf]="$("$wharf" --version) (checkout at $revision)"
    version[nginx]=$(nginx -v 2>&1 | sed 's|.*/||')
    for peer in ${peers//,/ }; do
        case $peer in
        docker-registry) get_by_apt ;;
        distribution) get_pinned distribution registry github.com/distribution/distribution/v3 ;;
        olareg) get_pinned olareg olareg github.com/olareg/olareg ;;
        zot) get_zot ;;
        *) fail "$peer is no peer: give some of docker-registry, distribution, zot, olareg" ;;
        esac
        [[ -z ${program[$peer]:-} ]] || registries+=("$peer")
    done
}

get_by_apt() {
    if program[docker-registry]=$(command -v docker-registry); then
        version[docker-registry]=$(docker-registry --version | awk '{ print $NF }')
    else
        trouble docker-registry 'not measured, it is not installed (apt-get install docker-registry)'
    fi
}

# Builds what benches/peers/PEER/go.mod pins, once.
get_pinned() { # PEER PROGRAM MODULE
    local folder
    folder=$cache/peers/$1-$(cat benches/peers/"$1"/go.{mod,sum} | cksum | tr ' ' -)
    if [[ ! -x $folder/$2 ]]; then
        mkdir -p "$folder"
        if ! CGO_ENABLED=0 GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false -trimpath' \
            go build -C "benches/peers/$1" -ldflags='-s -w' -o "$folder/" tool >"$work/$1.build" 2>&1; then
            trouble "$1" "not measured, it does not build: $(tail -1 "$work/$1.build")"
            return
        fi
    fi
    program[$1]=$folder/$2
    version[$1]=$(awk -v module="$3" '$1 == module { print $2 }' "benches/peers/$1/go.mod")
}

# The minimal build of zot is the one without tags for extensions. The newest Go has no need of the
# experiment, and says so.
get_zot() {
    local folder=$cache/peers/zot-$zot_version
    if [[ ! -x $folder/zot ]]; then
        mkdir -p "$folder"
        if ! CGO_ENABLED=0 GOEXPERIMENT=jsonv2 GOBIN=$folder GOFLAGS='-buildvcs=false -trimpath' \
            go install -tags containers_image_openpgp -ldflags='-s -w' \
            "zotregistry.dev/zot/v2/cmd/zot@$zot_version" >"$work/zot.build" 2>&1; then
            # Its last line is the reason; the address before it is of where this machine looked.
            trouble zot "not measured, \`go install\` cannot get $zot_version: $(grep -v '^[[:space:]]*server response' "$work/zot.build" | tail -1 | sed 's/.*: //')"
            return
        fi
    fi
    program[zot]=$folder/zot
    version[zot]=$zot_version
}

# The command line of a server on a store, into the array `line`.
command_line() { # SERVER ROOT
    local address=127.0.0.1:${port[$1]}
    case $1 in
    wharf) line=("$wharf" serve --root "$2" --listen "$address") ;;
    docker-registry | distribution)
        cat >"$work/$1.yml" <<END
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: $2 }
  cache: { blobdescriptor: inmemory }
  delete: { enabled: true }
http: { addr: "$address", secret: benchmark }
END
        line=(env OTEL_TRACES_EXPORTER=none "${program[$1]}" serve "$work/$1.yml")
        ;;
    zot)
        jq -n --arg root "$2" --arg port "${port[zot]}" '{distSpecVersion: "1.1.1",
            storage: {rootDirectory: $root}, http: {address: "127.0.0.1", port: $port},
            log: {level: "error"}}' >"$work/zot.json"
        line=("${program[zot]}" serve "$work/zot.json")
        ;;
    olareg) line=("${program[olareg]}" serve --addr 127.0.0.1 --port "${port[olareg]}"
        --store-type dir --dir "$2" --verbosity error) ;;
    nginx) configure_nginx "$2" && line=(nginx -p "$work/nginx" -c "$work/nginx/nginx.conf" -e stderr) ;;
    receiver) line=("$load" receive --listen "$address" "$2") ;;
    sender-*) line=("$load" send --listen "$address" --by "${1#sender-}" "$2") ;;
    esac
}

configure_nginx() { # ROOT
    mkdir -p "$work/nginx"
    cat >"$work/nginx/nginx.conf" <<END
$( ((UID)) || echo 'user root;')
daemon off;
worker_processes 2;
pid nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    default_type application/octet-stream;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {
        listen 127.0.0.1:${port[nginx]};
        root $1;
        location = /v2/ { return 200; }
    }
}
END
}

start() { # SERVER ROOT
    local line
    mkdir -p "$2"
    command_line "$1" "$2"
    "${line[@]}" >"$work/$1.log" 2>&1 &
    pid[$1]=$!
    for _ in {1..600}; do
        (exec 3<>"/dev/tcp/127.0.0.1/${port[$1]}") 2>/dev/null && return
        kill -0 "${pid[$1]}" 2>/dev/null || break
        sleep 0.05
    done
    trouble "$1" "does not start: $(tail -1 "$work/$1.log")"
    return 1
}

stop() { # SERVER
    [[ -n ${pid[$1]:-} ]] || return 0
    kill "${pid[$1]}" 2>/dev/null || true
    wait "${pid[$1]}" 2>/dev/null || true
    unset "pid[$1]"
}

again() { # SERVER: afresh, on its own store
    stop "$1"
    start "$1" "$work/store/$1"
}
