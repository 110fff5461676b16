// Makes components of core WebAssembly modules (wit-component behind a C face). Thread-safe.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hearth_component_bytes {
  uint8_t* data;
  size_t size;
} hearth_component_bytes;

// Wraps a core module that was compiled against the guest contract of wit/ and exports `pie:<name>/run#run` into a
// component that exports `pie:<name>/run`. Only the imports that the module uses are declared. A module that imports
// wasi_snapshot_preview1 gets the adapter to WASI 0.2. `version` may be empty; it is kept in the custom section `version`.
// True: *out is the component. False: *out is an error text in UTF-8. Either is given back with hearth_component_free.
bool hearth_component_encode(const uint8_t* module, size_t module_size, const char* name, size_t name_size,
                             const char* version, size_t version_size, hearth_component_bytes* out);

void hearth_component_free(hearth_component_bytes* bytes);

#ifdef __cplusplus
}
#endif
