// SPDX-License-Identifier: Apache-2.0
// Base64 has one spelling for any bytes: what decodes is what those bytes encode to.
#include "server/base64.h"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::optional<std::string> bytes = gemma3n::server::DecodeBase64(text);
  if (!bytes) return 0;
  constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string again;
  for (size_t i = 0; i < bytes->size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) {
      const bool there = i + j < bytes->size();
      group = group << 8 | (there ? static_cast<unsigned char>((*bytes)[i + j]) : 0);
    }
    for (size_t j = 0; j < 4; ++j) {
      const bool there = i + j <= bytes->size();
      again += there ? kAlphabet[group >> (18 - 6 * j) & 63] : '=';
    }
  }
  if (again != text) std::abort();
  return 0;
}
