// SPDX-License-Identifier: Apache-2.0
#include "speech/compression.h"

#include <zlib.h>

#include <vector>

namespace gemma3n {

double CompressionRatio(const std::string& text) {
  if (text.empty()) return 0;
  uLongf bytes = compressBound(text.size());
  std::vector<Bytef> deflated(bytes);
  compress2(deflated.data(), &bytes, reinterpret_cast<const Bytef*>(text.data()), text.size(), 6);
  return static_cast<double>(text.size()) / static_cast<double>(bytes);
}

}  // namespace gemma3n
