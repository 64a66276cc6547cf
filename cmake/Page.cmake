# SPDX-License-Identifier: Apache-2.0
# The web page: web/ bundled by esbuild into a source file of the server, whose name this leaves in
# GEMMA3N_PAGE_FILES. Without GEMMA3N_PAGE the server has none, and says so.
#
# As a script (cmake -DNPM=.. -P Page.cmake) it installs the packages that the package-lock.json here pins.
if(CMAKE_SCRIPT_MODE_FILE)
  set(directory ${CMAKE_CURRENT_SOURCE_DIR})
  set(installed ${directory}/node_modules/.package-lock.json)  # npm writes it last
  if(NOT ${directory}/package-lock.json IS_NEWER_THAN ${installed})
    file(TOUCH ${installed})  # another build has installed them
    return()
  endif()
  execute_process(COMMAND ${NPM} ci --ignore-scripts --no-audit --no-fund --loglevel=error
                  RESULT_VARIABLE result OUTPUT_VARIABLE said ERROR_VARIABLE said)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${said}\nnpm could not install what ${directory}/package-lock.json names. "
                        "Is registry.npmjs.org reachable? To build the server without its page: "
                        "cmake -DGEMMA3N_PAGE=OFF")
  endif()
  return()
endif()

if(NOT GEMMA3N_PAGE)
  set(GEMMA3N_PAGE_FILES no_page_files.cc)
  return()
endif()

find_program(GEMMA3N_NPM npm)
find_program(GEMMA3N_NODE NAMES node nodejs)
if(NOT GEMMA3N_NPM OR NOT GEMMA3N_NODE)
  message(FATAL_ERROR "The web page is built with Node.js 18 or later and npm, which are not here. "
                      "tools/install_debian.sh installs them; to build the server without its page: "
                      "cmake -DGEMMA3N_PAGE=OFF")
endif()

set(web ${PROJECT_SOURCE_DIR}/web)
set(GEMMA3N_PAGE_FILES ${PROJECT_BINARY_DIR}/page_files.cc)
set(installed ${web}/node_modules/.package-lock.json)
file(GLOB sources CONFIGURE_DEPENDS ${web}/*.html ${web}/*.svg ${web}/src/*.js ${web}/style/*.css)
list(FILTER sources EXCLUDE REGEX "_test\\.js$")
add_custom_command(OUTPUT ${installed}
                   COMMAND ${CMAKE_COMMAND} -DNPM=${GEMMA3N_NPM} -P ${CMAKE_CURRENT_LIST_FILE}
                   WORKING_DIRECTORY ${web}
                   DEPENDS ${web}/package.json ${web}/package-lock.json
                   COMMENT "Installing what the web page is built with" VERBATIM)
add_custom_command(OUTPUT ${GEMMA3N_PAGE_FILES}
                   COMMAND ${GEMMA3N_NODE} ${web}/build.mjs ${GEMMA3N_PAGE_FILES}
                   DEPENDS ${installed} ${web}/build.mjs ${sources}
                   COMMENT "Bundling the web page" VERBATIM)
