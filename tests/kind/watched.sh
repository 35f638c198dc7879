#!/bin/sh
# Stands on the PATH of what is tested as podman, kind and kubectl, or a test's own systemctl: notes each call in a file of its own,
# and halts before or after the one that a test has named, for the test to kill all of it there.
watched=WATCHED
program=${0##*/}
real=$watched/real/$program

# Whether a script of a shell changes nothing, as far as one can see from outside.
script_reads() {
    case $(printf %s "$1" | sed 's,[0-9&]*> */dev/null,,g; s,[0-9]*>&[0-9-],,g') in
        *'>'* | *'cp '* | *'mv '* | *'rm '* | *'mkdir '* | *'tee '* | *'kill '* | *'sed -i'* | *'ln '*) return 1 ;;
        *'systemctl restart'* | *daemon-reload* | *'crictl pull'* | *'crictl rmi'* | *' import '*) return 1 ;;
        *'kubectl '*'apply'* | *'kubectl '*'delete'* | *'kubectl '*'create'*) return 1 ;;
    esac
}

kubectl_reads() {
    for word in "$@"; do
        case $word in
            get | version | describe | logs | config | api-resources | explain | cluster-info | wait | auth | diff | events | top | rollout | kustomize) return 0 ;;
            apply | create | delete | patch | replace | edit | label | annotate | taint | scale | set | run | expose) return 1 ;;
        esac
    done
    return 1
}

# The words after `podman exec`.
exec_reads() {
    while [ $# -gt 0 ]; do
        case $1 in
            -e | --env | -u | --user | -w | --workdir | --detach-keys) shift 2 ;;
            -*) shift ;;
            *) break ;;
        esac
    done
    [ $# -gt 1 ] || return 1
    shift
    program=${1##*/}
    shift
    case $program in
        cat | test | \[ | ls | stat | true | env | printenv | getent | pgrep | ps | id | uname | ip | head | tail | grep | find | readlink | hostname | df | du | containerd) ;;
        sh | bash)
            while [ $# -gt 1 ]; do case $1 in -*) shift ;; *) break ;; esac done
            script_reads "$1"
            ;;
        curl) for word in "$@"; do case $word in -X | -T | -d | --request | --data*) return 1 ;; esac done ;;
        crictl) for word in "$@"; do case $word in images | image | img | inspecti | info | ps | pods | version) return 0 ;; esac done; return 1 ;;
        ctr) for word in "$@"; do case $word in ls | list | check | version | info | get) return 0 ;; esac done; return 1 ;;
        systemctl) [ "$1" = is-active ] ;;
        wharf) case " $* " in *' healthcheck '* | *' ls '* | *' usage '* | *' -V '* | *' --version '*) ;; *) return 1 ;; esac ;;
        kubectl) kubectl_reads "$@" ;;
        *) return 1 ;;
    esac
}

podman_reads() {
    while [ $# -gt 0 ]; do
        case $1 in
            --version) return 0 ;;
            --connection | --url | --identity | --log-level) shift 2 ;;
            -*) shift ;;
            *) break ;;
        esac
    done
    case $1 in
        version | info | ps | inspect | images | logs | port | top | stats | search | events | history | diff | save | healthcheck) ;;
        image | container | volume | network | secret | machine | pod | manifest)
            case $2 in exists | inspect | ls | list | ps | history | logs | top | stats | port | save | tree | diff | info) ;; *) return 1 ;; esac
            ;;
        system) case "$2 $3" in df* | info* | 'connection ls' | 'connection list') ;; *) return 1 ;; esac ;;
        exec) shift && exec_reads "$@" ;;
        *) return 1 ;;
    esac
}

kind_reads() { case $1 in get | version | --version) ;; *) return 1 ;; esac; }

systemctl_reads() { [ "$1" = show ]; }

# In a shell of its own, so that it changes none of this one's words.
if ("${program}_reads" "$@"); then effect=reads; else effect=changes; fi

# Numbers are given to one call at a time, the changes among them once more.
exec 9>>"$watched/lock"
flock 9
number=$(($(cat "$watched/number") + 1))
echo $number >"$watched/number"
read -r caller <"/proc/$PPID/comm"
printf '%s\0' $effect "$caller" "$program" "$@" >"$watched/calls/$number"
moment=
if [ $effect = changes ]; then
    change=$(($(cat "$watched/change") + 1))
    echo $change >"$watched/change"
    [ ! -e "$watched/halt" ] || read -r moment halt <"$watched/halt"
    [ "${halt:-}" = $change ] || moment=
fi
exec 9>&-

halt() {
    : >"$watched/halted"
    kill -STOP $$
}

case $moment in
    before) halt ;;
    after)
        "$real" "$@"
        halt
        ;;
    unfed)
        "$real" "$@" </dev/null
        halt
        ;;
    *) exec "$real" "$@" ;;
esac
