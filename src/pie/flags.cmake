set_property(SOURCE ${CMAKE_SOURCE_DIR}/src/pie/shipped_inferlets.cpp ${CMAKE_SOURCE_DIR}/src/pie/command_line.cpp
             APPEND PROPERTY COMPILE_DEFINITIONS HEARTH_VERSION="${PROJECT_VERSION}")
# toml++ is header-only: every file of the program must see it in the same mode, or its inline functions differ.
target_compile_definitions(hearth_pie PRIVATE TOML_EXCEPTIONS=0)
