// SPDX-License-Identifier: Apache-2.0
// Texts as QR codes, for a camera to read. The library that makes them is known to qr.cc alone.
#pragma once

#include <string>
#include <string_view>

namespace gemma3n::server {

// Both throw Error (kRequest) for a text that is empty or longer than 1,000 bytes.
// A picture of one path, black on white, that fills what it is put into.
std::string QrSvg(std::string_view text);
// Lines of half blocks for a terminal, dark on light whatever its colours are.
std::string QrBlocks(std::string_view text);

}  // namespace gemma3n::server
