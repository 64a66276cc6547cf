// SPDX-License-Identifier: Apache-2.0
// What texts a constraint admits: rules over bytes that may call each other, as the values of JSON
// do. A rule is a nondeterministic automaton whose edges read a byte, read nothing, or read all
// that another rule admits. Nothing is determinized here: constraint/walker follows all ways at
// once, so no schema or pattern makes more states than it has places.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/constraint.h"

namespace gemma3n {

using StateId = uint32_t;
using RuleId = uint32_t;

// Immutable once built; made by AutomatonBuilder.
struct Automaton {
  static constexpr uint32_t kNoLimit = ~0u;
  static constexpr uint32_t kMostCount = kNoLimit - 1;
  // How deeply objects and arrays of an answer may be nested: what readers of JSON take.
  static constexpr uint8_t kMostNesting = 64;
  static constexpr uint8_t kImpossible = 255;

  struct ByteEdge {
    uint8_t low, high;
    StateId to;
  };
  struct FreeEdge {  // reads nothing
    StateId to;
    bool needs_least;  // only once the counter has reached its least
  };
  struct Call {
    RuleId rule;
    StateId to;
    bool counts;  // adds one to the counter, which is below its most
  };
  struct State {
    uint32_t first_byte = 0, first_free = 0, first_call = 0;  // they end where the next one's begin
    uint32_t counter = 0;                                     // 0: none
    uint8_t need = kImpossible;  // levels of nesting that the shortest way to the rule's end takes
    bool accepts = false;        // the rule may end here
    bool must_count = false;     // no way on but a call that counts
  };
  struct Rule {
    StateId start;
    bool nests;  // a call takes one level of nesting
  };
  // How often calls may be made while in states that have this counter. It begins at 0 where such
  // a state is entered from one without.
  struct Counter {
    uint32_t least = 0, most = kNoLimit;
    uint8_t loop_need = 0;  // as `need`, of one more call
    // Where ways to the end have lengths of their own: [states from first_state on][columns],
    // whether the end can be reached with that count. Empty: always.
    StateId first_state = 0;
    uint32_t columns = 0;
    std::vector<bool> can_end = {};
    // [columns]: up to which count nothing changes. Empty where can_end is.
    std::vector<uint32_t> same_until = {};
  };

  std::vector<State> states;  // and one more, whose edges would follow the last ones
  std::vector<ByteEdge> bytes;
  std::vector<FreeEdge> frees;
  std::vector<Call> calls;
  std::vector<Rule> rules;
  std::vector<Counter> counters;  // the first one is that of states without
  RuleId root = 0;

  size_t Bytes() const;  // memory taken
};

// Throws Error (kRequest) beyond the limits, naming the place that is being compiled.
class AutomatonBuilder {
 public:
  explicit AutomatonBuilder(const ConstraintLimits& limits);

  const ConstraintLimits& limits() const { return limits_; }
  // A JSON pointer, for messages.
  void SetPlace(std::string place) { place_ = std::move(place); }
  const std::string& place() const { return place_; }
  [[noreturn]] void Fail(const std::string& message) const;

  StateId NewState(uint32_t counter = 0);
  RuleId NewRule(bool nests);
  StateId StartOf(RuleId rule) const { return automaton_.rules[rule].start; }
  uint32_t NewCounter(uint32_t least, uint32_t most);
  Automaton::Counter& counter(uint32_t index) { return automaton_.counters[index]; }

  void AddBytes(StateId from, uint8_t low, uint8_t high, StateId to);
  void AddFree(StateId from, StateId to, bool needs_least = false);
  void AddCall(StateId from, RuleId rule, StateId to, bool counts = false);
  void SetAccepting(StateId state) { automaton_.states[state].accepts = true; }
  void SetMustCount(StateId state) { automaton_.states[state].must_count = true; }
  // Reads exactly `text`, which is not empty; returns the state after it.
  StateId AddText(StateId from, std::string_view text);
  void AddTextTo(StateId from, std::string_view text, StateId to);
  // Reads at most one space or new line.
  StateId AddSpace(StateId from, uint32_t counter = 0);

  // For work that makes no states: may be called for each of its steps.
  void CheckTime();
  // Fails where so many states would be too many.
  void CheckSize(size_t states) const;
  size_t states() const { return automaton_.states.size(); }

  // Finds what cannot be completed. The builder is used up.
  Automaton Finish(RuleId root);

 private:
  template <class Edge>
  struct Owned {
    StateId from;
    Edge edge;
  };
  void Count();

  ConstraintLimits limits_;
  double begin_ms_;
  uint64_t ticks_ = 0;
  std::string place_;
  Automaton automaton_;
  std::vector<Owned<Automaton::ByteEdge>> bytes_;
  std::vector<Owned<Automaton::FreeEdge>> frees_;
  std::vector<Owned<Automaton::Call>> calls_;
};

}  // namespace gemma3n
