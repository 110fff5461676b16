set_property(SOURCE ${CMAKE_SOURCE_DIR}/src/pie/shipped_inferlets.cpp ${CMAKE_SOURCE_DIR}/src/pie/command_line.cpp
             APPEND PROPERTY COMPILE_DEFINITIONS HEARTH_VERSION="${PROJECT_VERSION}")
