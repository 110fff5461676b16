// Makes components of core WebAssembly modules, by wit-component. Thread-safe.
#pragma once

#include <stdint.h>

#include "hearth_face.h"

#ifdef __cplusplus
extern "C" {
#endif

// Wraps a core module that was compiled against the guest contract of wit/ and exports `pie:<name>/run#run` into a
// component that exports `pie:<name>/run`, written to the sink. Only the imports that the module uses are declared. A
// module that imports wasi_snapshot_preview1 gets the adapter to WASI 0.2. `version` may be empty; else it is kept in
// the custom section `version`.
char* hearth_component_encode(const uint8_t* module, size_t module_size, const char* name, size_t name_size,
                              const char* version, size_t version_size, hearth_sink component);

#ifdef __cplusplus
}
#endif
