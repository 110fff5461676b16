//! See include/hearth_template.h.
