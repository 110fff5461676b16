# hearth_guests(TARGET FOLDER SOURCES…): builds each source (a .cpp file or a folder) into FOLDER/<name>.wasm, as part of
# the whole build. Needs clang 19 with its WebAssembly libraries; without them the target does nothing but say so.
include_guard()

set(hearth_guest_packages "clang-19 lld-19 wasi-libc libc++-19-dev-wasm32 libc++abi-19-dev-wasm32 libclang-rt-19-dev-wasm32")
find_program(HEARTH_GUEST_CLANG clang++-19)
if(NOT HEARTH_RUST)
  set(hearth_guest_lack "HEARTH_RUST is off")
elseif(NOT HEARTH_GUEST_CLANG)
  set(hearth_guest_lack "clang++-19 is missing: sudo apt-get install ${hearth_guest_packages}")
else()
  foreach(part libc.a libc++.a libc++abi.a crt1-reactor.o)
    execute_process(COMMAND ${HEARTH_GUEST_CLANG} --target=wasm32-wasi -print-file-name=${part}
                    OUTPUT_VARIABLE path OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT path MATCHES "/")
      set(hearth_guest_lack "clang 19 has no ${part} for WebAssembly: sudo apt-get install ${hearth_guest_packages}")
    endif()
  endforeach()
endif()
if(hearth_guest_lack)
  message(STATUS "inferlets are left out: ${hearth_guest_lack}")
endif()

# What a guest is made of beside its own sources. Not the tool that builds it, which links much that changes often.
file(GLOB_RECURSE hearth_guest_inputs CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/sdk/cpp/*.cpp ${CMAKE_SOURCE_DIR}/sdk/cpp/*.hpp
     ${CMAKE_SOURCE_DIR}/sdk/cpp/generated/* ${CMAKE_SOURCE_DIR}/wit/*.wit)
list(APPEND hearth_guest_inputs ${CMAKE_SOURCE_DIR}/src/pie/build.cpp
     ${CMAKE_SOURCE_DIR}/src/pie/guest_library.cpp ${CMAKE_SOURCE_DIR}/rust/src/component.rs)

function(hearth_guests target folder)
  if(hearth_guest_lack)
    add_custom_target(${target} ALL COMMAND ${CMAKE_COMMAND} -E echo "inferlets are left out: ${hearth_guest_lack}" VERBATIM)
    return()
  endif()
  file(MAKE_DIRECTORY ${folder})
  set(outputs)
  foreach(source ${ARGN})
    get_filename_component(name ${source} NAME_WE)
    string(REPLACE "_" "-" name ${name})
    set(inputs ${source})
    if(IS_DIRECTORY ${source})
      file(GLOB_RECURSE inputs CONFIGURE_DEPENDS ${source}/*.cpp ${source}/*.hpp ${source}/*.toml)
    endif()
    add_custom_command(OUTPUT ${folder}/${name}.wasm
      COMMAND inferlet_build ${source} ${folder}/${name}.wasm ${hearth_cache}
      DEPENDS ${inputs} ${hearth_guest_inputs}
      COMMENT "Inferlet ${name}" VERBATIM)
    list(APPEND outputs ${folder}/${name}.wasm)
  endforeach()
  add_custom_target(${target} ALL DEPENDS ${outputs})
endfunction()
