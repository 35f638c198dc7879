# The steps of CI by short names; `just` alone lists them. They are those of ./test.sh, and nothing else.

_list:
    @just --list --unsorted

# everything, as CI runs it (the parts alone: `./test.sh --list`)
test *PARTS:
    ./test.sh {{PARTS}}

# format, clippy, documentation, macOS, licences
lint:
    ./test.sh lint

# the tests that need no release build and nothing installed
unit:
    ./test.sh unit

# the registry on a free port: an image made, pushed, pulled back, checked
demo:
    cargo run --release -- demo

# numbers against other registries; `just bench --quick` ends within ten minutes
bench *ARGUMENTS:
    benches/compare.sh {{ARGUMENTS}}
