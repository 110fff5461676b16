# Operators without a kernel of ops/cpu compute in their own loops.
target_compile_options(hearth_operators PRIVATE $<$<CONFIG:Release>:-O3>)
