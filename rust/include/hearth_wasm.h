// The C face over wasmtime that hosts guests: one engine with its linker, fibers on a small tokio runtime, and host
// functions whose values travel as bytes. Used by src/inferlet/wasm only.
//
// Values on the wire, little-endian: bool u8; integers and floats their own size; string and list a u32 count, then the
// elements; option u8 (1: a value follows); result u8 (0 ok, 1 error), then the payload; variant and enum a u32 case
// number, then the payload; record and tuple their fields; a resource argument u32 rep; a resource result u32 type, u32
// rep; a result of type own<pollable> u64: a hearth_wasm_event, whose reference is given away.
//
// Threads: an engine is set up by one thread; compile, load, link and start may then be called from any thread.
// Callbacks of one guest come one at a time, on worker threads, on the guest's fiber: they must not rely on
// thread-locals across calls.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hearth_wasm_engine hearth_wasm_engine;
typedef struct hearth_wasm_code hearth_wasm_code;        // a compiled component
typedef struct hearth_wasm_program hearth_wasm_program;  // linked, ready to instantiate
typedef struct hearth_wasm_guest hearth_wasm_guest;      // a running instance
typedef struct hearth_wasm_event hearth_wasm_event;      // reference counted; what pollables wait for

typedef struct {
  const uint8_t* data;
  size_t size;
} hearth_wasm_bytes;

enum {
  HEARTH_WASM_OK = 0,
  HEARTH_WASM_INVALID = 1,      // the bytes are not what they should be
  HEARTH_WASM_UNSUPPORTED = 2,  // an import that nothing here serves, or with another type
  HEARTH_WASM_TRAP = 3,
  HEARTH_WASM_MEMORY_LIMIT = 4,
  HEARTH_WASM_TIME_LIMIT = 5,
  HEARTH_WASM_CANCELLED = 6,
  HEARTH_WASM_EXIT = 7,         // wasi:cli/exit; `status` has the code
  HEARTH_WASM_ERROR_VALUE = 8,  // run returned its error: `text` is that
  HEARTH_WASM_INTERNAL = 9,
};

// What went wrong. `text` is one line; `detail` (the guest's backtrace) may be empty. Both are owned: see
// _failure_clear.
typedef struct {
  uint32_t kind;
  int32_t status;
  char* text;
  size_t text_size;
  char* detail;
  size_t detail_size;
} hearth_wasm_failure;
void hearth_wasm_failure_clear(hearth_wasm_failure* failure);

typedef struct {
  uint32_t worker_threads;
  uint32_t max_instances;  // one more start waits for a place
  uint64_t memory_bytes;   // of one guest, over all its linear memories
  uint32_t preempt_ms;     // a computing guest yields after this many 1 ms ticks
  uint32_t max_resources;  // handles of one guest in WASI's own tables
  // A guest gave up its handle (or ended).
  void (*drop)(void* guest, uint32_t type, uint32_t rep);
} hearth_wasm_config;

hearth_wasm_engine* hearth_wasm_engine_new(const hearth_wasm_config* config, hearth_wasm_failure* failure);
// Every guest must have ended.
void hearth_wasm_engine_delete(hearth_wasm_engine* engine);
// Hex digest of everything that precompiled code depends on: settings, processor features, wasmtime's version. 16
// letters.
void hearth_wasm_engine_key(const hearth_wasm_engine* engine, char key[16]);

// ---- what guests may import, beside all of WASI 0.2 (whose network is closed)
enum { HEARTH_WASM_DONE = 0, HEARTH_WASM_TRAPPED = 1, HEARTH_WASM_WAIT = 2 };
// A host function. `guest` is what start() was given. *result points to memory of the callee that holds until the
// guest's next call. DONE: the results on the wire; TRAPPED: a text; WAIT (async functions only): a u64 event on the
// wire, whose reference is given away: when it is set, the function is called again with arguments == NULL for its
// result.
typedef uint32_t (*hearth_wasm_call)(void* function, void* guest, const uint8_t* arguments, size_t size,
                                     hearth_wasm_bytes* result);
// An interface added as NAME@VERSION serves every import of NAME with a compatible version: 0.4.1 those of 0.4.x, 1.2.0
// those of 1.x. An interface added without a version serves imports without one.
void hearth_wasm_add_resource(hearth_wasm_engine* engine, const char* interface, const char* name, uint32_t type,
                              hearth_wasm_failure* failure);
// `signature` as WIT writes it, without parameter names: "func(borrow<tokenizer>, string) -> list<u32>". A component
// whose import differs is refused when it is linked. Common shapes take a typed path, the others wasmtime's dynamic
// values.
void hearth_wasm_add_function(hearth_wasm_engine* engine, const char* interface, const char* name,
                              const char* signature, hearth_wasm_call call, void* function, bool is_async,
                              hearth_wasm_failure* failure);

// ---- programs
hearth_wasm_code* hearth_wasm_compile(const hearth_wasm_engine* engine, const uint8_t* wasm, size_t size,
                                      hearth_wasm_failure* failure);
// Maps code that serialize() gave. The file must be trusted: wasmtime does not defend itself against made-up code.
hearth_wasm_code* hearth_wasm_load(const hearth_wasm_engine* engine, const char* path, hearth_wasm_failure* failure);
// Gives the bytes to `write` once.
bool hearth_wasm_serialize(const hearth_wasm_code* code, void (*write)(void* user, const uint8_t* data, size_t size),
                           void* user, hearth_wasm_failure* failure);
void hearth_wasm_code_delete(hearth_wasm_code* code);
hearth_wasm_program* hearth_wasm_link(const hearth_wasm_engine* engine, const hearth_wasm_code* code,
                                      hearth_wasm_failure* failure);
void hearth_wasm_program_delete(hearth_wasm_program* program);
// Name of the package whose `run` interface the program exports; empty for a plain `run`. Lives as long as the program.
hearth_wasm_bytes hearth_wasm_program_name(const hearth_wasm_program* program);

// ---- guests
typedef struct {
  void* guest;  // handed to every callback
  hearth_wasm_bytes input;
  const hearth_wasm_bytes* arguments;  // UTF-8
  size_t argument_count;
  const hearth_wasm_bytes* environment;  // name, value, name, value …
  size_t environment_count;              // pairs
  uint64_t time_ms;                      // 0: no limit; counted from when the guest has its place
  // One write of the guest, in order. stream 1 or 2.
  void (*output)(void* guest, int stream, const uint8_t* data, size_t size);
  // Last, exactly once, when nothing of the instance is left. kind OK: `failure->text` is the value of run. The texts
  // belong to the caller and hold until `done` returns.
  void (*done)(void* guest, const hearth_wasm_failure* failure);
} hearth_wasm_launch;
// Never blocks. The program may be deleted at once.
hearth_wasm_guest* hearth_wasm_start(hearth_wasm_engine* engine, const hearth_wasm_program* program,
                                     const hearth_wasm_launch* launch);
void hearth_wasm_cancel(const hearth_wasm_guest* guest);  // idempotent; also before it has a place
void hearth_wasm_guest_delete(hearth_wasm_guest* guest);  // gives up the handle, not the guest

// Runs a function that may take long on a thread of its own; engine_delete waits for it.
void hearth_wasm_spawn(const hearth_wasm_engine* engine, void (*run)(void* user), void* user);

// ---- events
hearth_wasm_event* hearth_wasm_event_new(void);
hearth_wasm_event* hearth_wasm_event_clone(const hearth_wasm_event* event);
void hearth_wasm_event_delete(hearth_wasm_event* event);
void hearth_wasm_event_set(const hearth_wasm_event* event);  // from any thread
void hearth_wasm_event_clear(const hearth_wasm_event* event);

#ifdef __cplusplus
}
#endif
