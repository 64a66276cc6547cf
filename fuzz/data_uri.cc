// SPDX-License-Identifier: Apache-2.0
// What stands for a medium in JSON is refused or becomes one, the same each time. The first byte
// says which.
#include <array>
#include <cstdlib>

#include "request_service.h"

using namespace gemma3n::server;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using Kind = MediaReader::Kind;
  if (size == 0) return 0;
  const Kind kind = std::array{Kind::kPicture, Kind::kSound, Kind::kFilm}[data[0] % 3];
  const bool bare = data[0] / 3 % 2 == 1;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto read = [&](const char* owner) -> size_t {
    try {
      return MediaReader::BytesOf(RequestService().media.Read(kind, text, bare, "x", owner)) + 1;
    } catch (const Refusal&) {
      return 0;
    }
  };
  if (read("owner") != read("other")) std::abort();
  return 0;
}
