// SPDX-License-Identifier: Apache-2.0
// Sets of characters, as JSON strings can hold them: all code points but surrogates.
#pragma once

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace gemma3n {

class CodePoints {
 public:
  static constexpr char32_t kLast = 0x10FFFF;
  struct Range {
    char32_t low, high;
    auto operator<=>(const Range&) const = default;
  };

  CodePoints() = default;
  // In any order, overlapping or not.
  CodePoints(std::initializer_list<Range> ranges) : CodePoints(std::vector<Range>(ranges)) {}
  explicit CodePoints(std::vector<Range> ranges);
  static CodePoints All();
  static CodePoints Of(char32_t code_point) { return {{code_point, code_point}}; }

  const std::vector<Range>& ranges() const { return ranges_; }  // sorted, apart from each other
  bool empty() const { return ranges_.empty(); }
  bool Has(char32_t code_point) const;
  CodePoints Complement() const;
  CodePoints And(const CodePoints& other) const;
  CodePoints Or(const CodePoints& other) const;
  auto operator<=>(const CodePoints&) const = default;

 private:
  std::vector<Range> ranges_;
};

}  // namespace gemma3n
