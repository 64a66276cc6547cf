// SPDX-License-Identifier: Apache-2.0
#include "constraint/format.h"

#include <map>
#include <string>

#include "base/check.h"
#include "constraint/pattern.h"

namespace gemma3n {
namespace {

// Of RFC 3339, from the year 1 on: every day that there is.
std::string Date() {
  const std::string year = "(?:0{3}[1-9]|0{2}[1-9]\\d|0[1-9]\\d{2}|[1-9]\\d{3})";
  const std::string day =
      "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|"
      "(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))";
  // Divided by 4 without a rest: not by 100, or by 400.
  const std::string leap_year =
      "(?:\\d{2}(?:0[48]|[2468][048]|[13579][26])|"
      "(?:0[48]|[2468][048]|[13579][26])00)";
  return "(?:" + year + "-" + day + "|" + leap_year + "-02-29)";
}

// Seconds end at 59: which minutes had one more is not to be told from the text.
std::string Time() {
  const std::string hour_minute = "(?:[01]\\d|2[0-3]):[0-5]\\d";
  return "(?:" + hour_minute + ":[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-]" + hour_minute + "))";
}

std::string Ipv4() {
  const std::string octet = "(?:25[0-5]|2[0-4]\\d|1\\d{2}|[1-9]?\\d)";
  return "(?:" + octet + "(?:\\." + octet + "){3})";
}

// RFC 4291, as the grammar of RFC 3986 has it.
std::string Ipv6() {
  const std::string group = "[0-9A-Fa-f]{1,4}";
  const std::string last = "(?:" + group + ":" + group + "|" + Ipv4() + ")";
  std::string choices = "(?:" + group + ":){6}" + last;
  for (int after = 5; after >= -2; --after) {  // groups between :: and the last two
    std::string choice;
    const int before = after >= 0 ? 5 - after : after == -1 ? 6 : 7;
    if (before == 1) choice = "(?:" + group + ")?";
    if (before > 1) {
      choice = "(?:(?:" + group + ":){0," + std::to_string(before - 1) + "}" + group + ")?";
    }
    choice += "::";
    if (after > 0) choice += "(?:" + group + ":){" + std::to_string(after) + "}";
    if (after >= 0) choice += last;
    if (after == -1) choice += group;
    choices += "|" + choice;
  }
  return "(?:" + choices + ")";
}

// Addresses of RFC 5321 without quotes or address literals: at most 64 characters before the @, and
// names of at least two labels.
std::string Email() {
  const std::string atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]";
  const std::string local = "(?:" + atom + "{1,64}|" + atom + "(?:\\.?" + atom + "){0,31})";
  const auto label = [](int inner) {
    return "[A-Za-z0-9](?:[A-Za-z0-9-]{0," + std::to_string(inner) + "}[A-Za-z0-9])?\\.";
  };
  // Few long labels or several short ones: 254 characters in all.
  return local + "@(?:(?:" + label(61) + "){1,2}|(?:" + label(14) + "){3,8})[A-Za-z]{2,24}";
}

const std::map<std::string_view, std::string>& Patterns() {
  static const std::map<std::string_view, std::string> patterns = {
      {"date", Date()},
      {"time", Time()},
      {"date-time", Date() + "T" + Time()},
      {"uuid", "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"},
      {"email", Email()},
      {"ipv4", Ipv4()},
      {"ipv6", Ipv6()},
  };
  return patterns;
}

}  // namespace

bool IsFormatOfStrings(std::string_view name) {
  return Patterns().count(name) > 0;
}

bool IsFormatOfNumbers(std::string_view name) {
  return name == "int32" || name == "int64" || name == "float" || name == "double";
}

TextLanguage FormatLanguage(std::string_view name, AutomatonBuilder& builder) {
  const auto found = Patterns().find(name);
  CHECK(found != Patterns().end());
  return PatternLanguage("^(?:" + found->second + ")$", builder);
}

}  // namespace gemma3n
