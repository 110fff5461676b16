// What every part of the Rust face shares. An entry point that can fail returns NULL when it went well, else an error
// text (UTF-8, ends in NUL) that the caller owns and gives back to hearth_text_free. No panic leaves the library.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

void hearth_text_free(char* text);  // NULL is fine

// Where an entry point writes what it made: called on the calling thread, any number of times, before the entry point
// returns. The bytes are the library's own. It must not throw.
typedef struct hearth_sink {
  void* context;
  void (*write)(void* context, const void* bytes, size_t size);
} hearth_sink;

// What a call may take beyond its arguments; more is an error that names the limit. Memory that the call leaves behind
// counts while it runs.
typedef struct hearth_budget {
  size_t heap_bytes;
  uint64_t cpu_ms;  // of processor time
} hearth_budget;

#ifdef __cplusplus
}
#endif
