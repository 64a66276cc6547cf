// SPDX-License-Identifier: Apache-2.0
#include "constraint/pattern_parser.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/utf8.h"

namespace gemma3n {
namespace {

constexpr int kMostDepth = 64;  // of groups in groups

using Kind = PatternTree::Kind;

const CodePoints& Digits() {
  static const CodePoints set{{'0', '9'}};
  return set;
}
const CodePoints& WordCharacters() {
  static const CodePoints set{{'0', '9'}, {'A', 'Z'}, {'a', 'z'}, {'_', '_'}};
  return set;
}
// White space and ends of lines of ECMA-262.
const CodePoints& Spaces() {
  static const CodePoints set{
      {0x09, 0x0D},     {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
      {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  return set;
}
const CodePoints& LineEnds() {
  static const CodePoints set{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
  return set;
}

class Parser {
 public:
  Parser(std::string_view pattern, const AutomatonBuilder& builder)
      : pattern_(pattern), builder_(builder) {}

  PatternTree Parse() {
    tree_.root = Choice(0);
    if (at_ < pattern_.size()) Fail("')' without '('");
    return std::move(tree_);
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const {
    builder_.Fail("byte " + std::to_string(at_) + " of the pattern: " + what);
  }
  bool Sees(char c) const { return at_ < pattern_.size() && pattern_[at_] == c; }
  bool Take(std::string_view text) {
    if (pattern_.substr(at_, text.size()) != text) return false;
    at_ += text.size();
    return true;
  }
  uint32_t Add(PatternTree::Node node) {
    tree_.nodes.push_back(std::move(node));
    return static_cast<uint32_t>(tree_.nodes.size() - 1);
  }
  uint32_t AddSet(CodePoints set) { return Add({.kind = Kind::kSet, .set = std::move(set)}); }

  uint32_t Choice(int depth) {
    if (depth > kMostDepth) Fail("groups are nested deeper than " + std::to_string(kMostDepth));
    std::vector<uint32_t> parts = {Sequence(depth)};
    while (Take("|")) parts.push_back(Sequence(depth));
    return parts.size() == 1 ? parts[0] : Add({.kind = Kind::kChoice, .parts = std::move(parts)});
  }

  uint32_t Sequence(int depth) {
    std::vector<uint32_t> parts;
    while (at_ < pattern_.size() && !Sees('|') && !Sees(')')) {
      const size_t begin = at_;
      uint32_t part = Atom(depth);
      const Kind kind = tree_.nodes[part].kind;
      const std::optional<PatternTree::Node> repeat = Quantifier();
      if (repeat) {
        if (kind == Kind::kBegin || kind == Kind::kEnd) {
          at_ = begin;
          Fail("nothing that could be repeated");
        }
        part = Add(
            {.kind = Kind::kRepeat, .parts = {part}, .least = repeat->least, .most = repeat->most});
      }
      parts.push_back(part);
    }
    return Add({.kind = Kind::kSequence, .parts = std::move(parts)});
  }

  uint32_t Atom(int depth) {
    if (Take("^")) return Add({.kind = Kind::kBegin});
    if (Take("$")) return Add({.kind = Kind::kEnd});
    if (Take(".")) return AddSet(LineEnds().Complement());
    if (Take("[")) return AddSet(Class());
    if (Take("\\")) return AddSet(Escape(/*in_class=*/false));
    if (Take("(")) return Group(depth);
    if (Sees('*') || Sees('+') || Sees('?') || Sees('{')) Fail("nothing to repeat");
    return AddSet(CodePoints::Of(Character()));
  }

  uint32_t Group(int depth) {
    if (Take("?<") && !Sees('=') && !Sees('!')) {
      while (at_ < pattern_.size() && !Sees('>')) ++at_;
      if (!Take(">")) Fail("a name without '>'");
    } else if (pattern_.substr(at_ - 1, 1) == "<" || (!Take("?:") && Sees('?'))) {
      Fail("look around and flags are not supported");
    }
    const uint32_t inner = Choice(depth + 1);
    if (!Take(")")) Fail("'(' without ')'");
    return inner;
  }

  char32_t Character() {
    const Utf8Character character = DecodeUtf8(pattern_.substr(at_));
    if (!character.valid) Fail("no valid UTF-8");
    at_ += character.bytes;
    return character.code_point;
  }

  std::optional<uint32_t> Number() {
    const size_t begin = at_;
    uint64_t number = 0;
    while (at_ < pattern_.size() && pattern_[at_] >= '0' && pattern_[at_] <= '9') {
      number =
          std::min<uint64_t>(number * 10 + static_cast<uint64_t>(pattern_[at_++] - '0'), 1u << 30);
    }
    if (at_ == begin) return std::nullopt;
    if (number > builder_.limits().repetitions) {
      Fail("more than " + std::to_string(builder_.limits().repetitions) + " repetitions");
    }
    return static_cast<uint32_t>(number);
  }

  std::optional<PatternTree::Node> Quantifier() {
    PatternTree::Node repeat{.kind = Kind::kRepeat, .most = Automaton::kNoLimit};
    if (Take("*")) {
    } else if (Take("+")) {
      repeat.least = 1;
    } else if (Take("?")) {
      repeat.most = 1;
    } else if (Take("{")) {
      const std::optional<uint32_t> least = Number();
      if (!least) Fail("expected a number after '{'");
      repeat.least = *least;
      repeat.most = *least;
      if (Take(",")) repeat.most = Number().value_or(Automaton::kNoLimit);
      if (!Take("}")) Fail("'{' without '}'");
      if (repeat.most < repeat.least) Fail("the most repetitions are fewer than the least");
    } else {
      return std::nullopt;
    }
    Take("?");  // as few as possible: the same strings
    return repeat;
  }

  char32_t Hex(size_t digits) {
    char32_t number = 0;
    for (size_t i = 0; i < digits; ++i, ++at_) {
      const char c = at_ < pattern_.size() ? pattern_[at_] : ' ';
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) Fail("expected " + std::to_string(digits) + " hexadecimal digits");
      number = number * 16 + static_cast<char32_t>(digit);
    }
    return number;
  }

  char32_t Unicode() {
    const char32_t half = Hex(4);
    if (half < 0xD800 || half > 0xDFFF) return half;
    if (half > 0xDBFF || !Take("\\u")) Fail("half of a character");
    const char32_t other = Hex(4);
    if (other < 0xDC00 || other > 0xDFFF) Fail("half of a character");
    return 0x10000 + ((half - 0xD800) << 10) + (other - 0xDC00);
  }

  CodePoints Escape(bool in_class) {
    if (at_ >= pattern_.size()) Fail("nothing after '\\'");
    const char32_t letter = Character();
    switch (letter) {
      case 'd':
        return Digits();
      case 'D':
        return Digits().Complement();
      case 'w':
        return WordCharacters();
      case 'W':
        return WordCharacters().Complement();
      case 's':
        return Spaces();
      case 'S':
        return Spaces().Complement();
      case 't':
        return CodePoints::Of('\t');
      case 'n':
        return CodePoints::Of('\n');
      case 'v':
        return CodePoints::Of('\v');
      case 'f':
        return CodePoints::Of('\f');
      case 'r':
        return CodePoints::Of('\r');
      case 'x':
        return CodePoints::Of(Hex(2));
      case 'u':
        return CodePoints::Of(Unicode());
      case 'b':
        if (in_class) return CodePoints::Of('\b');
        break;
      default:
        break;
    }
    if (letter == '0' && !(at_ < pattern_.size() && pattern_[at_] >= '0' && pattern_[at_] <= '9')) {
      return CodePoints::Of(0);
    }
    if (letter >= 0x80 || WordCharacters().Has(letter)) {
      at_ -= 1;
      Fail("this escape is not supported");
    }
    return CodePoints::Of(letter);
  }

  CodePoints ClassPart() {
    if (Take("\\")) return Escape(/*in_class=*/true);
    return CodePoints::Of(Character());
  }

  CodePoints Class() {
    const size_t begin = at_ - 1;
    const bool negated = Take("^");
    CodePoints set;
    if (Sees(']')) Fail("an empty class");
    while (!Take("]")) {
      if (at_ >= pattern_.size()) {
        at_ = begin;
        Fail("'[' without ']'");
      }
      const CodePoints first = ClassPart();
      const bool is_range =
          Sees('-') && pattern_.substr(at_, 2) != "-]" && at_ + 1 < pattern_.size();
      if (!is_range) {
        set = set.Or(first);
        continue;
      }
      Take("-");
      const CodePoints last = ClassPart();
      if (!IsOne(first) || !IsOne(last)) Fail("a range of classes");
      const char32_t low = first.ranges()[0].low, high = last.ranges()[0].low;
      if (low > high) Fail("a range that ends before it begins");
      set = set.Or(CodePoints{{low, high}});
    }
    return negated ? set.Complement() : set;
  }

  static bool IsOne(const CodePoints& set) {
    return set.ranges().size() == 1 && set.ranges()[0].low == set.ranges()[0].high;
  }

  const std::string_view pattern_;
  const AutomatonBuilder& builder_;
  size_t at_ = 0;
  PatternTree tree_;
};

}  // namespace

PatternTree ParsePattern(std::string_view pattern, const AutomatonBuilder& builder) {
  return Parser(pattern, builder).Parse();
}

}  // namespace gemma3n
