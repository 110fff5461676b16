//! See include/hearth_grammar.h.
