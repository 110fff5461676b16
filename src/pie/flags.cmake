set_property(SOURCE ${CMAKE_SOURCE_DIR}/src/pie/shipped_inferlets.cpp ${CMAKE_SOURCE_DIR}/src/pie/command_line.cpp
             APPEND PROPERTY COMPILE_DEFINITIONS HEARTH_VERSION="${PROJECT_VERSION}")
set_property(SOURCE ${CMAKE_SOURCE_DIR}/src/pie/guest_library.cpp
             APPEND PROPERTY COMPILE_DEFINITIONS HEARTH_SDK_SOURCE="${CMAKE_SOURCE_DIR}/sdk/cpp")
