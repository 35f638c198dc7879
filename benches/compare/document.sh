# The report: the table of the run and everything that was said about the machine. Sourced by compare.sh.

fill() { # NAME VALUE
    template=${template//"{{$1}}"/"$2"}
}

versions() {
    local server
    for server in "${registries[@]:1}" nginx; do echo "| $server | ${version[$server]}, ${settings[$server]} |"; done
}

write_document() {
    local template machine processor memory_total system
    if [[ -n $only || $size == tiny ]]; then
        printf '{{table}}\n\n{{senders}}\n\n{{loops}}\n\n{{pulls}}\n\n{{pushes}}\n\n{{behind}}\n\n%s\n' "$(<"$work/troubles")" >"$work/template"
        "$load" report "$results" "$work/template" --loops "$node_results"
        return
    fi
    local -A settings=(
        [docker-registry]='Debian; descriptor cache in memory, log level error, no access log'
        [distribution]='the same settings, no tracing'
        [zot]='minimal build, deduplication as it comes (on), log level error'
        [olareg]='store on the disk, log level error'
        [nginx]='`sendfile on; tcp_nopush on; worker_processes 2`, no access log'
    )
    processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
    memory_total=$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)
    system=$(. /etc/os-release && echo "$PRETTY_NAME")
    machine="$processor, $(nproc) cores, $memory_total; $system, Linux $(uname -r); store on $filesystem"
    [[ -s $work/troubles ]] || echo 'Nothing.' >"$work/troubles"
    template=$(<benches/BENCHMARKS.template.md)
    fill date "$(date -u +%Y-%m-%d)"
    fill machine "$machine"
    if [[ -s $node_results ]]; then
        fill node "$(<benches/compare/node/report.template.md)"
        fill image "$(jq -rs 'map(select(.step == "image"))[0].bytes // 0 | . / 1e6 | round' "$node_results") MB"
    else
        fill node 'Not measured in this run.'
    fi
    fill wharf "${version[wharf]}, default settings"
    fill versions "$(versions)"
    fill command "$command_shown"
    fill took "$((measured_for / 60)) min $((measured_for % 60)) s"
    fill rounds "$rounds"
    fill small_rounds "$small_rounds"
    fill small_count "$small_count"
    fill memory_rounds "$memory_rounds"
    fill memory_blob "$memory_blob"
    fill pull_one "$pull_one"
    fill pull_many "$pull_many"
    fill pull_less "$pull_less"
    fill seconds "$seconds"
    fill repositories "$repositories"
    fill tags "$tags"
    fill stored "$stored"
    fill first "${first:-}"
    fill troubles "$(<"$work/troubles")"
    fill load "$load_before before, $(cut -d' ' -f1-3 /proc/loadavg) after"
    printf '%s\n' "$template" >"$work/template"
    mkdir -p "$work/plots" "$(dirname "$output")/benchmarks"
    "$load" report "$results" "$work/template" --loops "$node_results" --plots "$work/plots" \
        --subtitle "$machine; ${version[wharf]}, $(date -u +%Y-%m-%d)" >"$work/report"
    cp "$work"/plots/*.svg "$(dirname "$output")/benchmarks/"
    cp "$work/report" "$output"
    echo "The report is in $output." >&2
}
