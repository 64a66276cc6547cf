// SPDX-License-Identifier: Apache-2.0
// A picture -> a PNG file, for other programs to look at.
#pragma once

#include <string>

#include "gemma3n/media.h"

namespace gemma3n {

// Writes to an open descriptor, which stays the caller's; `name` stands for it in messages. Throws
// Error (kResources) when it cannot be written.
void WritePng(const Image& image, int fd, const std::string& name);

}  // namespace gemma3n
