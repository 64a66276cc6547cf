// SPDX-License-Identifier: Apache-2.0
// What stands escaped in a request's target.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gemma3n::server {

// Percent-decoded, once; nothing for half an escape.
std::optional<std::string> PercentDecoded(std::string_view text);

// The value of the first `name=value` of a query (without its question mark), decoded, with '+' as
// a space; nothing when the name is not there or what it has is no good escape.
std::optional<std::string> QueryValue(std::string_view query, std::string_view name);

}  // namespace gemma3n::server
