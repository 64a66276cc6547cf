// SPDX-License-Identifier: Apache-2.0
#include "constraint/character_rules.h"

#include <algorithm>
#include <string>

#include "base/utf8.h"

namespace gemma3n {
namespace {

constexpr char32_t kLastOfPlane0 = 0xFFFF;
constexpr uint32_t kHighSurrogate = 0xD800, kLowSurrogate = 0xDC00;

// Numbers from `low` to `high`, as so many digits each, read digit by digit. Digits after the first
// go from `least` to `most`; `add(from, low, high, to)` reads one digit.
template <class Add>
void AddDigits(AutomatonBuilder& builder, std::span<const uint32_t> low,
               std::span<const uint32_t> high, uint32_t least, uint32_t most, StateId from,
               StateId to, const Add& add) {
  if (low.size() == 1) return add(from, low[0], high[0], to);
  const auto rest = [&](uint32_t first, uint32_t last, std::span<const uint32_t> l,
                        std::span<const uint32_t> h) {
    const StateId next = builder.NewState();
    add(from, first, last, next);
    AddDigits(builder, l, h, least, most, next, to, add);
  };
  const auto all_are = [](std::span<const uint32_t> digits, uint32_t digit) {
    return std::all_of(digits.begin(), digits.end(), [&](uint32_t d) { return d == digit; });
  };
  const auto low_rest = low.subspan(1), high_rest = high.subspan(1);
  if (low[0] == high[0]) return rest(low[0], low[0], low_rest, high_rest);
  const std::vector<uint32_t> lowest(low_rest.size(), least), highest(low_rest.size(), most);
  uint32_t first = low[0], last = high[0];
  if (!all_are(low_rest, least)) {
    rest(first, first, low_rest, highest);
    ++first;
  }
  if (!all_are(high_rest, most)) {
    rest(last, last, lowest, high_rest);
    --last;
  }
  if (first <= last) rest(first, last, lowest, highest);
}

std::vector<uint32_t> BytesOf(char32_t code_point) {
  std::string text;
  AppendUtf8(code_point, text);
  std::vector<uint32_t> bytes;
  for (char c : text) bytes.push_back(static_cast<uint8_t>(c));
  return bytes;
}

}  // namespace

void CharacterRules::AddPlain(CodePoints::Range range, StateId from, StateId to) {
  constexpr char32_t kLastOfLength[] = {0x7F, 0x7FF, 0xFFFF, CodePoints::kLast};
  for (char32_t last : kLastOfLength) {
    if (range.low > last || range.low > range.high) continue;
    const std::vector<uint32_t> low = BytesOf(range.low),
                                high = BytesOf(std::min(range.high, last));
    AddDigits(builder_, low, high, 0x80, 0xBF, from, to,
              [&](StateId a, uint32_t first, uint32_t final, StateId b) {
                builder_.AddBytes(a, static_cast<uint8_t>(first), static_cast<uint8_t>(final), b);
              });
    range.low = last + 1;
  }
}

// "u00e9": four digits in both cases.
void CharacterRules::AddHex(uint32_t low, uint32_t high, StateId from, StateId to) {
  const auto digits = [](uint32_t number) {
    return std::vector<uint32_t>{number >> 12, number >> 8 & 15, number >> 4 & 15, number & 15};
  };
  const StateId begin = builder_.NewState();
  builder_.AddBytes(from, 'u', 'u', begin);
  AddDigits(builder_, digits(low), digits(high), 0, 15, begin, to,
            [&](StateId a, uint32_t first, uint32_t last, StateId b) {
              if (first < 10) {
                builder_.AddBytes(a, static_cast<uint8_t>('0' + first),
                                  static_cast<uint8_t>('0' + std::min(last, 9u)), b);
              }
              if (last < 10) return;
              for (char ten : {'A', 'a'}) {
                builder_.AddBytes(a, static_cast<uint8_t>(ten + std::max(first, 10u) - 10),
                                  static_cast<uint8_t>(ten + last - 10), b);
              }
            });
}

// "ud83d\ude00": ten bits in each half.
void CharacterRules::AddPairs(CodePoints::Range range, StateId from, StateId to) {
  const auto halves = [](char32_t code_point) {
    const uint32_t bits = code_point - 0x10000;
    return std::vector<uint32_t>{bits >> 10, bits & 0x3FF};
  };
  bool is_high = true;
  AddDigits(builder_, halves(range.low), halves(range.high), 0, 0x3FF, from, to,
            [&](StateId a, uint32_t first, uint32_t last, StateId b) {
              // The first half leads to a state of its own, the second to the end.
              is_high = b != to;
              const uint32_t base = is_high ? kHighSurrogate : kLowSurrogate;
              StateId begin = a;
              if (!is_high) builder_.AddBytes(a, '\\', '\\', begin = builder_.NewState());
              AddHex(base + first, base + last, begin, b);
            });
}

RuleId CharacterRules::Of(const CodePoints& set) {
  const auto known = rules_.find(set);
  if (known != rules_.end()) return known->second;
  const RuleId rule = builder_.NewRule(/*nests=*/false);
  const StateId start = builder_.StartOf(rule), end = builder_.NewState();
  builder_.SetAccepting(end);
  // JSON wants these escaped.
  const CodePoints plain = set.And(CodePoints{{0, 0x1F}, {'"', '"'}, {'\\', '\\'}}.Complement());
  for (const CodePoints::Range& range : plain.ranges()) AddPlain(range, start, end);
  const StateId escape = builder_.NewState();
  builder_.AddBytes(start, '\\', '\\', escape);
  constexpr struct {
    char32_t character;
    uint8_t letter;
  } kShort[] = {{'"', '"'},  {'\\', '\\'}, {'/', '/'},  {'\b', 'b'},
                {'\f', 'f'}, {'\n', 'n'},  {'\r', 'r'}, {'\t', 't'}};
  for (const auto& [character, letter] : kShort) {
    if (set.Has(character)) builder_.AddBytes(escape, letter, letter, end);
  }
  for (const CodePoints::Range& range : set.ranges()) {
    if (range.low <= kLastOfPlane0) {
      AddHex(range.low, std::min(range.high, kLastOfPlane0), escape, end);
    }
    if (range.high > kLastOfPlane0) {
      AddPairs({std::max<char32_t>(range.low, kLastOfPlane0 + 1), range.high}, escape, end);
    }
  }
  rules_.emplace(set, rule);
  return rule;
}

}  // namespace gemma3n
