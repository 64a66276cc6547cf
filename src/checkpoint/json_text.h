// SPDX-License-Identifier: Apache-2.0
// JSON texts written piece by piece, for files too large to be built as a tree first.
#pragma once

#include <string>
#include <string_view>

namespace gemma3n {

// `text`, valid UTF-8, between quotes and with what JSON wants escaped.
void AppendJsonText(std::string_view text, std::string& json);

}  // namespace gemma3n
