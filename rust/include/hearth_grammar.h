// Grammars that hold generation to a form, over `llguidance`. An environment (the vocabulary as a tree) is made once
// per tokenizer, is immutable and may be shared by threads; a matcher is one parse and belongs to one thread at a time.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "hearth_face.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hearth_token_tree hearth_token_tree;
typedef struct hearth_matcher hearth_matcher;

enum { HEARTH_GRAMMAR_JSON_SCHEMA = 0, HEARTH_GRAMMAR_REGEX = 1, HEARTH_GRAMMAR_LARK = 2 };

typedef struct hearth_token_tree_parts {
  const char* bytes;  // of all tokens, one after another; token i is bytes[ends[i - 1] .. ends[i])
  const size_t* ends;
  size_t count;
  const uint8_t* special;  // per token: control tokens never stand for their text
  const uint32_t* stops;   // tokens that end the text, at least one
  size_t stop_count;
} hearth_token_tree_parts;

char* hearth_token_tree_create(const hearth_token_tree_parts* parts, hearth_token_tree** out);
void hearth_token_tree_free(hearth_token_tree* tree);  // NULL is fine; matchers keep what they need

// Checks a grammar without a vocabulary.
char* hearth_grammar_check(int kind, const char* text, size_t size, hearth_budget budget);

char* hearth_matcher_create(const hearth_token_tree* tree, int kind, const char* text, size_t size,
                            hearth_budget budget, hearth_matcher** out);
void hearth_matcher_free(hearth_matcher* matcher);  // NULL is fine
hearth_matcher* hearth_matcher_fork(const hearth_matcher* matcher);

// All tokens, or an error and the state as before.
char* hearth_matcher_accept(hearth_matcher* matcher, const uint32_t* tokens, size_t count);
// Writes ceil(vocabulary / 32) words, lowest bit first; stop tokens are in where the text may end.
char* hearth_matcher_mask(hearth_matcher* matcher, hearth_sink words);
// The text is complete and nothing can follow, or a stop token was accepted.
bool hearth_matcher_terminated(const hearth_matcher* matcher);
char* hearth_matcher_reset(hearth_matcher* matcher);
char* hearth_matcher_rollback(hearth_matcher* matcher, size_t tokens);
// Writes the bytes that must come next, whatever tokens they are cut into.
char* hearth_matcher_forced(hearth_matcher* matcher, hearth_sink bytes);

#ifdef __cplusplus
}
#endif
