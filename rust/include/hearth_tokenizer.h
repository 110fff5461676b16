// Text to token ids, by the `tokenizers` library: what a tokenizer.json says, or byte-level BPE from plain lists.
// A tokenizer is immutable; all entry points but free may be called from any thread at once.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "hearth_face.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hearth_tokenizer hearth_tokenizer;

// Texts one after another: text i is bytes[ends[i - 1] .. ends[i]), the first begins at 0. Borrowed for the call.
typedef struct hearth_words {
  const char* bytes;
  const size_t* ends;
  size_t count;
} hearth_words;

enum { HEARTH_TOKEN_PLAIN = 0, HEARTH_TOKEN_ADDED = 1, HEARTH_TOKEN_SPECIAL = 2, HEARTH_TOKEN_UNUSED = 3 };

typedef struct hearth_bpe {
  hearth_words tokens;   // in the byte-level alphabet; the position is the id
  const uint8_t* kinds;  // per token: added ones are found in any text, special ones only when asked for, unused never
  hearth_words merges;   // "left right", best first
  hearth_words splits;   // regular expressions, applied one after another; each match and each gap is a piece
  bool ignore_merges;    // a piece that is a token as a whole is that token
  bool nfc;              // text is brought to Unicode form C first
} hearth_bpe;

char* hearth_tokenizer_from_json(const char* json, size_t size, hearth_budget budget, hearth_tokenizer** out);
char* hearth_tokenizer_from_bpe(const hearth_bpe* parts, hearth_tokenizer** out);
void hearth_tokenizer_free(hearth_tokenizer* tokenizer);  // NULL is fine

// Writes ids (uint32_t) to the sink. The text must be UTF-8. template_tokens: with what the tokenizer.json puts around
// every text (begin-of-text and so on).
char* hearth_tokenizer_encode(const hearth_tokenizer* tokenizer, const char* text, size_t size, bool parse_special,
                              bool template_tokens, hearth_budget budget, hearth_sink ids);

// Calls `each` once per token of a tokenizer made from JSON, in no order; it must not throw.
char* hearth_tokenizer_vocabulary(const hearth_tokenizer* tokenizer, void* context,
                                  void (*each)(void* context, uint32_t id, const char* text, size_t size,
                                               uint8_t kind));
// Writes {"normalizer": …, "pre_tokenizer": …, "decoder": …}, each as tokenizer.json has it or null.
char* hearth_tokenizer_describe(const hearth_tokenizer* tokenizer, hearth_sink json);

#ifdef __cplusplus
}
#endif
