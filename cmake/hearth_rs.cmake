# The Rust library: built by cargo in the user's cache (so that a clean checkout does not pay again), then copied into
# the build folder under a lock, because checkouts share cargo's target folder.
find_program(HEARTH_CARGO cargo HINTS $ENV{HOME}/.cargo/bin REQUIRED)
if(DEFINED ENV{HEARTH_CACHE})
  set(hearth_cache $ENV{HEARTH_CACHE})
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(hearth_cache $ENV{XDG_CACHE_HOME}/hearth)
else()
  set(hearth_cache $ENV{HOME}/.cache/hearth)
endif()
set(HEARTH_CARGO_TARGET ${hearth_cache}/cargo-target CACHE PATH "cargo's target folder")
set(hearth_rs_dir ${CMAKE_BINARY_DIR}/rust)
file(GLOB_RECURSE hearth_rs_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/rust/src/* ${CMAKE_SOURCE_DIR}/wit/*.wit)  # the contract is compiled in
add_custom_command(
  OUTPUT ${hearth_rs_dir}/libhearth_rs.a
  COMMAND ${CMAKE_SOURCE_DIR}/rust/build.sh ${HEARTH_CARGO} ${HEARTH_CARGO_TARGET} ${hearth_rs_dir}
  DEPENDS ${hearth_rs_sources} ${CMAKE_SOURCE_DIR}/rust/Cargo.toml ${CMAKE_SOURCE_DIR}/rust/Cargo.lock
          ${CMAKE_SOURCE_DIR}/rust/build.sh ${CMAKE_SOURCE_DIR}/rust/rustc.sh
  COMMENT "Rust library (wasmtime, tokenizers, …): minutes the first time, then from the cache"
  USES_TERMINAL VERBATIM)
add_custom_target(hearth_rs_build DEPENDS ${hearth_rs_dir}/libhearth_rs.a)
add_library(hearth_rs INTERFACE)
add_dependencies(hearth_rs hearth_rs_build)
target_include_directories(hearth_rs INTERFACE ${CMAKE_SOURCE_DIR}/rust/include)
target_link_libraries(hearth_rs INTERFACE ${hearth_rs_dir}/libhearth_rs.a Threads::Threads ${CMAKE_DL_LIBS} m)
