// Chat templates: Jinja as the model hubs render it (trim_blocks, lstrip_blocks, Python's string methods, tojson
// without HTML escapes, raise_exception, strftime_now, loop controls). A template is immutable; render may be called
// from any thread at once. Rendering is bounded by instructions ("fuel"), by the size of what it
// writes, and by a budget, since one instruction can double a text or walk an endless list.
#pragma once

#include <stdint.h>

#include "hearth_face.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hearth_template hearth_template;

// Formats the present local time into `out` (of `size` bytes) as strftime does and returns the length; 0 when it does
// not fit. Called by templates that use strftime_now.
typedef size_t (*hearth_strftime_now)(char* out, size_t size, const char* format);

char* hearth_template_compile(const char* source, size_t size, hearth_strftime_now strftime_now, hearth_budget budget,
                              hearth_template** out);
void hearth_template_free(hearth_template* compiled);  // NULL is fine

typedef struct hearth_template_limits {
  uint64_t fuel;      // instructions
  size_t text_bytes;  // of the output
  hearth_budget budget;
} hearth_template_limits;

// Renders with the members of a JSON object as variables; writes UTF-8.
char* hearth_template_render(const hearth_template* compiled, const char* json, size_t size,
                             hearth_template_limits limits, hearth_sink out);

#ifdef __cplusplus
}
#endif
