// SPDX-License-Identifier: Apache-2.0
// Formats of strings: exactly the valid values, so that no answer has the 31st of February.
#pragma once

#include <string_view>

#include "constraint/text_language.h"

namespace gemma3n {

// date, time, date-time (RFC 3339), uuid, email, ipv4, ipv6.
bool IsFormatOfStrings(std::string_view name);
// int32, int64, float, double: what a number is kept in.
bool IsFormatOfNumbers(std::string_view name);

TextLanguage FormatLanguage(std::string_view name, AutomatonBuilder& builder);

}  // namespace gemma3n
