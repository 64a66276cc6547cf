// SPDX-License-Identifier: Apache-2.0
// Languages by their codes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gemma3n::server {

// The English name ("Spanish") of what ISO 639-1 calls `es`, or of that name in any letter case;
// of a code with a region ("pt-BR") the language's. Nothing for what is neither.
std::optional<std::string> LanguageNamed(std::string_view code_or_name);

}  // namespace gemma3n::server
