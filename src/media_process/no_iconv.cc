// SPDX-License-Identifier: Apache-2.0
// Names inside containers (of services in a transport stream, of titles) come in old character
// sets, and FFmpeg has the C library convert them, which for that opens tables on disk. Nobody
// reads the names, and the sandbox ends a process that opens files: here no character set is known.
// The definition in the program takes the place of the C library's.
#include <cerrno>
#include <cstddef>

extern "C" {

void* iconv_open(const char*, const char*) {
  errno = EINVAL;
  return reinterpret_cast<void*>(-1);
}

int iconv_close(void*) {
  return 0;
}

size_t iconv(void*, char**, size_t*, char**, size_t*) {
  errno = EINVAL;
  return static_cast<size_t>(-1);
}

}  // extern "C"
