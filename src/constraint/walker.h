// SPDX-License-Identifier: Apache-2.0
// Follows an Automaton byte by byte, all ways at once. Where it can be is a Place: states with the
// calls they are in, interned, so that equal places are one number and each step is looked up after
// the first time. Ways that call the same rule at the same byte share the call, so that there are
// never more of them than states, however deep they are.
//
// A walker is one answer's; it is not for several threads at once. No step leads to where the end
// cannot be reached.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "constraint/automaton.h"

namespace gemma3n {

class Walker {
 public:
  using Place = uint32_t;
  static constexpr Place kDead = 0;

  // `automaton` is borrowed.
  explicit Walker(const Automaton& automaton);

  Place Start();
  Place Step(Place place, uint8_t byte) {
    Row& row = RowOf(place);
    if (row[byte] == kUnknown) return Compute(place, byte);
    return row[byte];
  }
  // Whether the text may end here; whether nothing can follow.
  bool MayEnd(Place place) const { return places_[place].may_end; }
  bool MustEnd(Place place) const { return MayEnd(place) && places_[place].items.empty(); }

  // A place where the next `bytes` bytes can be the same ones as here: counters that are far from
  // their limits are forgotten.
  Place Far(Place place, uint32_t bytes);
  // The same text for the same place in every walker of the automaton.
  std::string Name(Place place) const;

  // Memory taken, about. Forget when it gets too much.
  static constexpr size_t kMostBytes = 32 << 20;
  size_t Bytes() const { return bytes_; }
  // Forgets all places but these, which get new numbers.
  void Forget(std::span<Place> keep);

  // Steps that are not known yet are work. From here on so many ways may be followed until the next
  // call of this; beyond that steps throw Error (kRequest).
  void LimitWork(uint64_t ways) { work_left_ = ways; }

 private:
  static constexpr uint32_t kUnknown = ~0u;
  static constexpr uint32_t kTop = 0;  // the call of the root rule
  using Row = std::array<Place, 256>;
  // A state of a rule, in which call of it, and what its counter says.
  struct Item {
    StateId state;
    uint32_t call, count;
    auto operator<=>(const Item&) const = default;
  };
  // All places that called a rule at one byte: where each goes on.
  struct OpenCall {
    std::vector<Item> after;
    uint8_t depth;
  };
  struct PlaceData {
    std::vector<Item> items;  // sorted; those with bytes to read
    bool may_end = false;
    std::unique_ptr<Row> row = nullptr;
  };
  struct Pending {
    RuleId rule;
    uint8_t depth;
    std::vector<Item> after;
  };
  using Names = std::unordered_map<std::string, uint32_t, SeededHash, std::equal_to<>>;

  Row& RowOf(Place place);
  Place Compute(Place place, uint8_t byte);
  // The place that the items of todo_ make, with all that can be reached without a byte.
  Place Close();
  void Push(StateId state, uint32_t call, uint32_t count);
  void PushFree(const Item& item);
  void PushReturns(const Item& item, bool& may_end);
  void PushCalls(const Item& item);
  void EnterPending();
  bool CanEnd(const Item& item) const;
  Item Moved(const Item& item, StateId to) const;
  bool Counted(Item& item) const;

  uint32_t InternCall(std::vector<Item> after, uint8_t depth);
  Place InternPlace(std::vector<Item> items, bool may_end);
  Item FarItem(const Item& item, uint32_t bytes, std::vector<uint32_t>& far_calls);
  uint32_t FarCall(uint32_t call, uint32_t bytes, std::vector<uint32_t>& far_calls);
  void AppendName(uint32_t call, std::vector<uint32_t>& numbers, std::string& name) const;
  void Clear();
  static uint32_t Copy(uint32_t call, const std::vector<OpenCall>& from,
                       std::vector<uint32_t>& copies, Walker& to);

  const Automaton& automaton_;
  std::vector<OpenCall> calls_;
  std::vector<PlaceData> places_;
  Names call_names_, place_names_;
  size_t bytes_ = 0;
  uint64_t work_left_ = ~uint64_t{0};
  // Of Close().
  std::vector<Item> todo_;
  std::vector<Pending> pending_;
  struct ItemHash {
    size_t operator()(const Item& item) const {
      return HashNumber(uint64_t{item.state} << 32 | item.call, item.count);
    }
  };
  std::unordered_map<Item, bool, ItemHash> seen_;
};

}  // namespace gemma3n
