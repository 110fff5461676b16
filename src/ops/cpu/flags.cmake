# Each instruction set's folder has flags of its own; no other file may use those instructions. The kernels are optimised
# in every build type (a debug build would take minutes for a sentence), and products and sums are contracted only where
# the code says fma: a row's result must not depend on how a template was compiled.
foreach(isa portable avx2 avx512)
  set(isa_flags -O3 -ffp-contract=off -fno-trapping-math -Wno-uninitialized)  # the last: gcc 12 faults its own headers
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    if(isa STREQUAL "avx2")
      list(APPEND isa_flags -mavx2 -mfma -mf16c)
    elseif(isa STREQUAL "avx512")
      list(APPEND isa_flags -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx2 -mfma -mf16c -mprefer-vector-width=512 -Wno-uninitialized)
    endif()
  endif()
  if(isa STREQUAL "portable")
    list(APPEND isa_flags -Wno-psabi)
  endif()
  foreach(source ${sources})
    if(source MATCHES "/ops/cpu/${isa}/")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${isa_flags}")
    endif()
  endforeach()
endforeach()
