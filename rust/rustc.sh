#!/bin/sh
# The compiler as our own crate gets it (build.sh; the crates that it uses get theirs as it is): with leave to use one
# library function that is not stable, alloc_error_hook. Without it a refused allocation (src/budget.rs) would abort.
RUSTC_BOOTSTRAP=1 exec "$@"
