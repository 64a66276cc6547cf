# SPDX-License-Identifier: Apache-2.0
# One static library per room of the house (a folder of src/), with its unit tests beside its sources.
#
#   gemma3n_room(tensor SOURCES shape.cc tensor.cc TESTS shape_test.cc ROOMS base LIBRARIES ...)
#
# ROOMS are the rooms it stands on (public: their headers show in ours); LIBRARIES are private.
# A room without sources is an interface library. Tests become one program, `tensor_test`.

add_library(gemma3n_options INTERFACE)
target_include_directories(gemma3n_options INTERFACE ${PROJECT_SOURCE_DIR}/include
                                                     ${PROJECT_SOURCE_DIR}/src)
# Designated initializers leave members to their defaults, which -Wextra takes for forgotten.
# GCC 12 takes the alternatives of a moved variant for used uninitialized, and parts of its intrinsics.
target_compile_options(gemma3n_options INTERFACE -Wall -Wextra -Wshadow -Wno-missing-field-initializers
                                                 $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
                                                 $<$<BOOL:${GEMMA3N_WERROR}>:-Werror>)
if(GEMMA3N_SANITIZE)
  target_compile_options(gemma3n_options INTERFACE -fsanitize=${GEMMA3N_SANITIZE}
                                                   -fno-omit-frame-pointer
                                                   -fno-sanitize-recover=all)
  target_link_options(gemma3n_options INTERFACE -fsanitize=${GEMMA3N_SANITIZE})
endif()

function(gemma3n_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;TESTS;ROOMS;LIBRARIES;TEST_LIBRARIES" ${ARGN})
  list(TRANSFORM ROOM_ROOMS PREPEND gemma3n::)
  if(ROOM_SOURCES)
    add_library(gemma3n_${name} STATIC ${ROOM_SOURCES})
    target_link_libraries(gemma3n_${name} PUBLIC gemma3n_options ${ROOM_ROOMS} Threads::Threads
                                          PRIVATE ${ROOM_LIBRARIES})
  else()
    add_library(gemma3n_${name} INTERFACE)
    target_link_libraries(gemma3n_${name} INTERFACE gemma3n_options ${ROOM_ROOMS})
  endif()
  add_library(gemma3n::${name} ALIAS gemma3n_${name})
  if(GEMMA3N_TESTS AND ROOM_TESTS)
    gemma3n_test(${name}_test SOURCES ${ROOM_TESTS} ROOMS ${name} LIBRARIES ${ROOM_TEST_LIBRARIES})
  endif()
endfunction()

# A test program of its own: gemma3n_test(rooms_test SOURCES rooms_test.cc ROOMS base LIBRARIES ...)
function(gemma3n_test name)
  cmake_parse_arguments(TEST "" "" "SOURCES;ROOMS;LIBRARIES" ${ARGN})
  list(TRANSFORM TEST_ROOMS PREPEND gemma3n::)
  add_executable(${name} ${TEST_SOURCES})
  target_link_libraries(${name} PRIVATE gemma3n_options ${TEST_ROOMS} ${TEST_LIBRARIES}
                                        GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE GEMMA3N_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                             GEMMA3N_BINARY_DIR="${PROJECT_BINARY_DIR}")
  # A death test starts the program anew, which an emulator cannot do for it.
  if(CMAKE_CROSSCOMPILING)
    set(only "--gtest_filter=-*DeathTest*")
  endif()
  add_test(NAME ${name} COMMAND ${name} ${only})
endfunction()
