// SPDX-License-Identifier: Apache-2.0
#include "constraint/number_language.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>
#include <tuple>

#include "base/check.h"
#include "constraint/format.h"

namespace gemma3n {
namespace {

constexpr size_t kMostIntegerDigits = 18;
constexpr size_t kMostDigits = 15;         // of numbers with a fraction
constexpr size_t kMostPlainFraction = 17;  // digits where there are no bounds

int CompareMagnitudes(const Decimal& a, const Decimal& b) {
  if (a.integer.size() != b.integer.size()) return a.integer.size() < b.integer.size() ? -1 : 1;
  if (const int order = a.integer.compare(b.integer); order != 0) return order;
  return a.fraction.compare(b.fraction);  // no trailing zeros: a prefix is less
}

// The magnitudes of one sign, from `least` to `most`, digit by digit. Where the digits so far are
// those of a bound, the next digit is held to the bound's.
class Magnitudes {
 public:
  using Bound = NumberSet::Bound;
  Magnitudes(bool fractions, int64_t multiple_of, Bound least, std::optional<Bound> most,
             StateId end, AutomatonBuilder& builder)
      : fractions_(fractions),
        multiple_of_(multiple_of),
        least_(std::move(least)),
        most_(std::move(most)),
        end_(end),
        builder_(builder) {}

  void Add(StateId from) {
    const size_t longest = fractions_ ? kMostDigits : kMostIntegerDigits;
    const size_t low = DigitsOf(least_.value), high = most_ ? DigitsOf(most_->value) : longest;
    for (size_t digits = low; digits <= std::min(high, longest); ++digits) {
      const Key key{digits, digits, digits == low, most_ && digits == high, 0};
      AddDigit(from, key, /*is_first=*/true);
      AddWaiting();
    }
  }

 private:
  // So many digits are left of the integer part, of `digits`, or of the fraction; those so far
  // are the same as the bound's, and leave this remainder.
  struct Key {
    size_t digits, left;
    bool at_least, at_most;
    int64_t remainder;
    bool in_fraction = false;
    auto operator<=>(const Key&) const = default;
  };

  static size_t DigitsOf(const Decimal& value) { return std::max<size_t>(1, value.integer.size()); }
  static int DigitAt(const std::string& digits, size_t at) {
    return at < digits.size() ? digits[at] - '0' : 0;
  }

  // States that are no longer held to a bound are shared by numbers of all lengths.
  StateId StateOf(Key key) {
    if (!fractions_ && !key.at_least && !key.at_most) key.digits = 0;
    const auto [entry, is_new] = states_.try_emplace(key, 0);
    if (is_new) {
      entry->second = builder_.NewState();
      waiting_.push_back({key, entry->second});
    }
    return entry->second;
  }

  void AddDigit(StateId from, const Key& key, bool is_first) {
    const size_t at = (key.in_fraction ? FractionDigits(key.digits) : key.digits) - key.left;
    const auto bound = [&](const Decimal& value) {
      return DigitAt(key.in_fraction ? value.fraction : value.integer, at);
    };
    int first = key.at_least ? bound(least_.value) : 0;
    const int last = key.at_most ? bound(most_->value) : 9;
    if (is_first && key.digits > 1) first = std::max(first, 1);
    for (int digit = first; digit <= last; ++digit) {
      Key next = key;
      next.left -= 1;
      next.at_least = key.at_least && digit == bound(least_.value);
      next.at_most = key.at_most && digit == bound(most_->value);
      next.remainder = (key.remainder * 10 + digit) % multiple_of_;
      builder_.AddBytes(from, static_cast<uint8_t>('0' + digit), static_cast<uint8_t>('0' + digit),
                        StateOf(next));
    }
  }

  void AddWaiting() {
    while (!waiting_.empty()) {
      const auto [key, state] = waiting_.back();
      waiting_.pop_back();
      const bool integer_done = key.in_fraction || key.left == 0;
      if (integer_done && CanEnd(key)) builder_.AddFree(state, end_);
      if (key.left > 0) {
        AddDigit(state, key, /*is_first=*/false);
      } else if (!key.in_fraction && fractions_ && FractionDigits(key.digits) > 0) {
        Key next = key;
        next.in_fraction = true;
        next.left = FractionDigits(key.digits);
        const StateId point = builder_.NewState();
        builder_.AddBytes(state, '.', '.', point);
        AddDigit(point, next, /*is_first=*/false);
      }
    }
  }

  static size_t FractionDigits(size_t digits) { return kMostDigits - digits; }

  // Of the digits so far, as they stand.
  bool CanEnd(const Key& key) const {
    if (key.remainder != 0) return false;
    const size_t read = key.in_fraction ? FractionDigits(key.digits) - key.left : 0;
    if (key.at_least && (read < least_.value.fraction.size() || least_.exclusive)) return false;
    return !key.at_most || read < most_->value.fraction.size() || !most_->exclusive;
  }

  const bool fractions_;
  const int64_t multiple_of_;
  const Bound least_;
  const std::optional<Bound> most_;
  const StateId end_;
  AutomatonBuilder& builder_;
  std::map<Key, StateId> states_;
  std::vector<std::pair<Key, StateId>> waiting_;
};

// Any number: a point, an exponent of two digits.
void AddPlainNumbers(StateId from, StateId to, AutomatonBuilder& builder) {
  const auto digits = [&](StateId at, size_t count, StateId end) {
    for (size_t i = 0; i < count; ++i) {
      const StateId next = builder.NewState();
      builder.AddBytes(at, '0', '9', next);
      builder.AddFree(next, end);
      at = next;
    }
  };
  const StateId minus = builder.NewState(), whole = builder.NewState(), first = builder.NewState();
  builder.AddBytes(from, '-', '-', minus);
  builder.AddFree(from, minus);
  builder.AddBytes(minus, '0', '0', whole);
  builder.AddBytes(minus, '1', '9', first);
  builder.AddFree(first, whole);
  digits(first, kMostDigits - 1, whole);
  const StateId point = builder.NewState(), fraction = builder.NewState();
  builder.AddBytes(whole, '.', '.', point);
  builder.AddFree(whole, fraction);
  digits(point, kMostPlainFraction, fraction);
  builder.AddFree(fraction, to);
  const StateId letter = builder.NewState(), sign = builder.NewState();
  for (uint8_t e : {'e', 'E'}) builder.AddBytes(fraction, e, e, letter);
  for (uint8_t s : {'+', '-'}) builder.AddBytes(letter, s, s, sign);
  builder.AddFree(letter, sign);
  digits(sign, 2, to);
}

// An exclusive bound must be told apart from what is just beside it.
void CheckDigits(const NumberBound& bound, const Decimal& value, bool fractions) {
  const size_t digits = value.integer.size() + value.fraction.size();
  if (fractions && bound.exclusive && digits > kMostDigits) {
    RefuseSchema(bound.place, "expected a number of at most " + std::to_string(kMostDigits) +
                                  " digits, found " + bound.value.Dump());
  }
}

// Bounds that lie beyond all numbers that are written hold by themselves, or never.
bool IsBeyond(const NumberBound& bound, const Decimal& value, bool fractions) {
  if (value.integer.size() <= (fractions ? kMostDigits : kMostIntegerDigits)) return false;
  if (value.negative == bound.is_least) return true;
  RefuseSchema(bound.place, "expected a number of at most " +
                                std::to_string(fractions ? kMostDigits : kMostIntegerDigits) +
                                " digits, found " + bound.value.Dump());
}

void Tighten(NumberSet& numbers, bool is_least, const NumberSet::Bound& bound) {
  std::optional<NumberSet::Bound>& known = is_least ? numbers.least : numbers.most;
  const int order = known ? Compare(bound.value, known->value) : 0;
  const bool tighter = is_least ? order > 0 : order < 0;
  if (!known || tighter || (order == 0 && bound.exclusive)) known = bound;
}

}  // namespace

Decimal Decimal::Parse(const std::string& json_number) {
  Decimal value;
  std::string_view text = json_number;
  if (text[0] == '-') {
    value.negative = true;
    text.remove_prefix(1);
  }
  int64_t exponent = 0;
  if (const size_t e = text.find_first_of("eE"); e != std::string_view::npos) {
    const size_t digits = e + (text[e + 1] == '+' ? 2 : 1);
    std::from_chars(text.data() + digits, text.data() + text.size(), exponent);
    text = text.substr(0, e);
  }
  const size_t point = std::min(text.find('.'), text.size());
  std::string digits(text.substr(0, point));
  if (point < text.size()) digits += text.substr(point + 1);
  int64_t before = static_cast<int64_t>(point) + exponent;  // digits before the point
  CHECK_LE(std::abs(exponent), 400);
  if (before < 0) digits.insert(0, static_cast<size_t>(-before), '0');
  before = std::max<int64_t>(before, 0);
  if (static_cast<size_t>(before) > digits.size()) digits.resize(static_cast<size_t>(before), '0');
  value.integer = digits.substr(0, static_cast<size_t>(before));
  value.integer.erase(0, std::min(value.integer.find_first_not_of('0'), value.integer.size()));
  value.fraction = digits.substr(static_cast<size_t>(before));
  value.fraction.erase(value.fraction.find_last_not_of('0') + 1);
  if (value.IsZero()) value.negative = false;
  return value;
}

std::string Decimal::Text() const {
  return (negative ? "-" : "") + integer + "." + fraction;
}

int Compare(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  return a.negative ? CompareMagnitudes(b, a) : CompareMagnitudes(a, b);
}

std::string NumberSet::Name() const {
  std::string name = fractions ? "f" : "i";
  const auto add = [&](const std::optional<Bound>& bound) {
    name += " ";
    if (bound) name += bound->value.Text() + (bound->exclusive ? "!" : "");
  };
  add(least);
  add(most);
  return name + " " + std::to_string(multiple_of);
}

bool NumberSet::Has(const JsonValue& number) const {
  const Decimal value = Decimal::Parse(number.Dump());
  const auto holds = [&](const std::optional<Bound>& bound, int sign) {
    if (!bound) return true;
    const int order = sign * Compare(value, bound->value);
    return order > 0 || (order == 0 && !bound->exclusive);
  };
  if (!holds(least, 1) || !holds(most, -1)) return false;
  if (multiple_of == 1) return fractions || value.fraction.empty();
  return value.fraction.empty() &&
         std::fmod(number.Number(), static_cast<double>(multiple_of)) == 0;
}

NumberSet NumberSetOf(const SchemaTree& tree, const Alternative& nodes, bool fractions) {
  NumberSet numbers{.fractions = fractions};
  for (SchemaId id : nodes) {
    const int64_t multiple = tree[id].multiple_of.value_or(1);
    numbers.multiple_of = std::lcm(numbers.multiple_of, multiple);
    if (tree[id].multiple_of) numbers.fractions = false;
    if (numbers.multiple_of > 1'000'000) {
      RefuseSchema(StepDown(tree[id].place, "multipleOf"),
                   "the steps of several schemas together "
                   "are too large");
    }
    if (tree[id].format == "int32") {
      Tighten(numbers, true, {Decimal::Parse("-2147483648"), false});
      Tighten(numbers, false, {Decimal::Parse("2147483647"), false});
    }
  }
  for (SchemaId id : nodes) {
    for (const NumberBound& bound : tree[id].bounds) {
      const Decimal value = Decimal::Parse(bound.value.Dump());
      CheckDigits(bound, value, numbers.fractions);
      if (IsBeyond(bound, value, numbers.fractions)) continue;
      Tighten(numbers, bound.is_least, {value, bound.exclusive});
    }
  }
  return numbers;
}

void AddNumbers(const NumberSet& numbers, StateId from, StateId to, AutomatonBuilder& builder) {
  if (numbers.fractions && !numbers.least && !numbers.most) {
    return AddPlainNumbers(from, to, builder);
  }
  if (numbers.least && numbers.most && Compare(numbers.least->value, numbers.most->value) > 0) {
    return;
  }
  const NumberSet::Bound zero{{}, /*exclusive=*/false};
  const auto add = [&](const NumberSet::Bound& least, const std::optional<NumberSet::Bound>& most,
                       StateId at) {
    Magnitudes(numbers.fractions, numbers.multiple_of, least, most, to, builder).Add(at);
  };
  if (!numbers.most || !numbers.most->value.negative) {
    const bool above = numbers.least && !numbers.least->value.negative;
    add(above ? *numbers.least : zero, numbers.most, from);
  }
  // Below zero the bounds change places; 0 itself is written without a sign.
  if (numbers.least && !numbers.least->value.negative) return;
  const auto turned = [](NumberSet::Bound bound) {
    bound.value.negative = false;
    return bound;
  };
  const bool below = numbers.most && numbers.most->value.negative;
  const NumberSet::Bound least = below ? turned(*numbers.most) : NumberSet::Bound{{}, true};
  std::optional<NumberSet::Bound> most;
  if (numbers.least) most = turned(*numbers.least);
  const StateId minus = builder.NewState();
  builder.AddBytes(from, '-', '-', minus);
  add(least, most, minus);
}

}  // namespace gemma3n
