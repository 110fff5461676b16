//! See include/hearth_component.h.
