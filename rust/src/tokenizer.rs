//! See include/hearth_tokenizer.h.
