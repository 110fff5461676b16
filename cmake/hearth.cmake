# Flags for all of our own code, and the functions that declare rooms, programs and tests.
# The list of rooms with their levels lives in src/CMakeLists.txt; tools/check_layers.py reads it from there.

# What spends the processor's time has flags of its own (ops/cpu/flags.cmake, operators/flags.cmake). The rest would take a
# tenth longer to compile with -O3 and run no faster; tests take two thirds with -O1.
string(REPLACE "-O3" "-O2" CMAKE_CXX_FLAGS_RELEASE "${CMAKE_CXX_FLAGS_RELEASE}")
set(HEARTH_TEST_OPTIONS $<$<CONFIG:Release>:-O1>)

set(HEARTH_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers -Werror)
add_compile_options(${HEARTH_WARNINGS} -fno-math-errno -pthread)
if(HEARTH_SANITIZE)
  add_compile_options(-fsanitize=${HEARTH_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${HEARTH_SANITIZE})
endif()
if(HEARTH_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)  # coverage of our own code steers the fuzzers
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-Wno-maybe-uninitialized -Wno-restrict)  # gcc 12 reports std::expected, std::variant and string + string wrongly
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options(-Wno-deprecated-declarations)  # std::stable_sort of gcc 12's library
endif()
find_program(HEARTH_MOLD mold)
if(HEARTH_MOLD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_link_options(-fuse-ld=mold)
endif()
add_link_options(-Wl,--build-id=sha1)  # base/build_id.h: caches of compiled models belong to one build
find_program(HEARTH_CCACHE ccache)
if(HEARTH_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${HEARTH_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${HEARTH_CCACHE})
endif()

# Precompiled headers: half of what a file of ours takes to compile is reading the same headers of the standard library, fmt
# and GoogleTest. One for code that may end in a shared library (rooms), one for tests; none of our own headers, or every
# change would compile everything. A file with flags of its own compiles without (SKIP_PRECOMPILE_HEADERS). The presets dev
# and tidy have none: there a file that forgot an #include does not compile.
option(HEARTH_PCH "Precompiled headers (gcc only)" ON)
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(HEARTH_PCH OFF)
endif()
if(HEARTH_PCH)
  # From precompiled headers gcc 12 forgets which code is the system's: its wrong reports about that are ours then.
  add_compile_options(-Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
  add_compile_options(-fpch-preprocess)  # for the compiler cache
endif()
set(HEARTH_PCH_HEADERS <algorithm> <array> <atomic> <bit> <chrono> <cmath> <cstdint> <cstring> <expected> <filesystem>
  <functional> <limits> <map> <memory> <mutex> <numeric> <optional> <random> <set> <span> <stop_token> <string> <string_view>
  <thread> <unordered_map> <utility> <variant> <vector> <fmt/format.h>)

# hearth_precompiled(TARGET): TARGET, a room or a test program, reads the precompiled headers of its kind.
function(hearth_precompiled target)
  if(NOT HEARTH_PCH)
    return()
  endif()
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    set(kind test)
    set(extra <gtest/gtest.h> <gmock/gmock.h>)
  else()
    set(kind room)
    set(extra "")
  endif()
  set(pch hearth_${kind}_pch)
  if(NOT TARGET ${pch})
    set(source ${CMAKE_BINARY_DIR}/${pch}.cpp)
    file(CONFIGURE OUTPUT ${source} CONTENT "int main() {}\n")
    if(kind STREQUAL "test")
      add_executable(${pch} EXCLUDE_FROM_ALL ${source})  # executables compile with -fPIE
      target_link_libraries(${pch} PRIVATE hearth_base GTest::gtest GTest::gmock)
      target_compile_options(${pch} PRIVATE ${HEARTH_TEST_OPTIONS})
    else()
      add_library(${pch} STATIC EXCLUDE_FROM_ALL ${source})
      target_link_libraries(${pch} PRIVATE fmt::fmt spdlog::spdlog Threads::Threads)
    endif()
    target_precompile_headers(${pch} PRIVATE ${HEARTH_PCH_HEADERS} ${extra})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${pch})
endfunction()

# hearth_room(NAME LEVEL n LINKS rooms-and-libraries… [NEEDS_RUST])
# One room = src/NAME, one static library hearth_<NAME>, made of every .cpp below it.
# A folder below a room that needs its own flags has a flags.cmake, included here with the list HEARTH_SOURCES.
function(hearth_room name)
  cmake_parse_arguments(ROOM "NEEDS_RUST" "LEVEL" "LINKS" ${ARGN})
  if(ROOM_NEEDS_RUST AND NOT HEARTH_RUST)
    return()
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp)
  if(sources)
    set(scope PUBLIC)
    add_library(hearth_${name} STATIC ${sources})
  else()
    set(scope INTERFACE)  # a room of headers only
    add_library(hearth_${name} INTERFACE)
  endif()
  target_include_directories(hearth_${name} ${scope} ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(hearth_${name} ${scope} ${ROOM_LINKS})
  if(ROOM_NEEDS_RUST)
    target_link_libraries(hearth_${name} ${scope} hearth_rs)
  endif()
  if(sources)
    hearth_precompiled(hearth_${name})
  endif()
  file(GLOB_RECURSE flag_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*flags.cmake)
  foreach(flag_file ${flag_files})
    include(${flag_file})
  endforeach()
endfunction()

# hearth_lacks(RESULT NAME LINKS…): the first room among the links that is not built here, and says that NAME is left out.
function(hearth_lacks result name)
  set(${result} "" PARENT_SCOPE)
  foreach(link ${ARGN})
    if(link MATCHES "^hearth_" AND NOT TARGET ${link})
      message(STATUS "${name} is left out: ${link} is not built here")
      set(${result} ${link} PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()

# hearth_test(NAME LINKS … [LABELS …]): every .cpp of the calling folder is one GoogleTest program, one ctest entry a test case.
function(hearth_test name)
  cmake_parse_arguments(TEST "" "TIMEOUT" "LINKS;LABELS" ${ARGN})
  hearth_lacks(lack ${name} ${TEST_LINKS})
  if(lack)
    return()
  endif()
  if(NOT TEST_LABELS)
    set(TEST_LABELS unit)
  endif()
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 120)
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  if(NOT sources)
    message(STATUS "test ${name} left out: no sources")
    return()
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE ${TEST_LINKS} GTest::gtest GTest::gtest_main)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)  # support/
  target_compile_definitions(${name} PRIVATE HEARTH_SOURCE_DIR="${CMAKE_SOURCE_DIR}" HEARTH_BINARY_DIR="${CMAKE_BINARY_DIR}")
  target_compile_options(${name} PRIVATE ${HEARTH_TEST_OPTIONS})
  hearth_precompiled(${name})
  include(GoogleTest)
  gtest_discover_tests(${name} TEST_PREFIX ${name}. DISCOVERY_TIMEOUT 120
    PROPERTIES LABELS "${TEST_LABELS}" TIMEOUT ${TEST_TIMEOUT})
endfunction()
