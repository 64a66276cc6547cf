// SPDX-License-Identifier: Apache-2.0
// How much a text repeats itself.
#pragma once

#include <string>

namespace gemma3n {

// Bytes of the text to each byte of it deflated (zlib, level 6); 0 for an empty text. Speech that
// was written down comes to 1 to 2; an answer that goes round in circles to much more.
double CompressionRatio(const std::string& text);

}  // namespace gemma3n
