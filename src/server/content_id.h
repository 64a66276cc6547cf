// SPDX-License-Identifier: Apache-2.0
// What media are known again by, in whatever request they come.
#pragma once

#include <initializer_list>
#include <string_view>

#include "gemma3n/content.h"

namespace gemma3n::server {

// The start of the SHA-256 of the pieces and their lengths.
ContentId ContentIdOf(std::initializer_list<std::string_view> pieces);

}  // namespace gemma3n::server
