//! See include/hearth_wasm.h.
