// SPDX-License-Identifier: Apache-2.0
// Dijkstra's algorithm backwards from the ends of rules, with the levels of nesting as distances
// (Knuth 1977: a call costs the larger of what the rule and what follows it cost).
#include "constraint/needs.h"

#include <algorithm>
#include <array>

namespace gemma3n {
namespace {

class NeedFinder {
 public:
  explicit NeedFinder(Automaton& automaton) : automaton_(automaton) {
    const size_t states = automaton.states.size();
    before_.Begin(states);
    callers_.Begin(states);
    returns_.Begin(states);
    for (int pass = 0; pass < 2; ++pass) {
      Enter();
      before_.Next();
      callers_.Next();
      returns_.Next();
    }
  }

  void Find() {
    for (StateId state = 0; state + 1 < automaton_.states.size(); ++state) {
      if (automaton_.states[state].accepts) Reach(state, 0);
    }
    for (level_ = 0; level_ < queues_.size(); ++level_) {
      std::vector<StateId>& queue = queues_[level_];
      for (size_t i = 0; i < queue.size(); ++i) {
        if (automaton_.states[queue[i]].need == level_) Leave(queue[i]);
      }
    }
    for (const Automaton::State& state : automaton_.states) FindLoop(state);
  }

 private:
  // Lists of numbers, one for each state, in one array: counted first, then filled.
  struct Lists {
    void Begin(size_t count) { first.assign(count + 1, 0); }
    void Add(size_t list, uint32_t value) {
      if (filling) {
        values[next[list]++] = value;
      } else {
        ++first[list + 1];
      }
    }
    void Next() {
      if (filling) return;
      filling = true;
      for (size_t i = 1; i < first.size(); ++i) first[i] += first[i - 1];
      values.resize(first.back());
      next = first;
    }
    bool filling = false;
    std::vector<uint32_t> first, next, values;
  };

  void Enter() {
    for (StateId from = 0; from + 1 < automaton_.states.size(); ++from) {
      const Automaton::State &state = automaton_.states[from], &end = automaton_.states[from + 1];
      for (uint32_t i = state.first_byte; i < end.first_byte; ++i) {
        before_.Add(automaton_.bytes[i].to, from);
      }
      for (uint32_t i = state.first_free; i < end.first_free; ++i) {
        before_.Add(automaton_.frees[i].to, from);
      }
      for (uint32_t i = state.first_call; i < end.first_call; ++i) {
        const Automaton::Call& call = automaton_.calls[i];
        if (!before_.filling) owners_.push_back(from);
        callers_.Add(automaton_.rules[call.rule].start, i);
        returns_.Add(call.to, i);
      }
    }
  }

  void Reach(StateId state, uint8_t need) {
    if (need >= automaton_.states[state].need) return;
    automaton_.states[state].need = need;
    if (need < queues_.size()) queues_[need].push_back(state);
  }

  uint8_t Cost(const Automaton::Call& call) const {
    const Automaton::Rule& rule = automaton_.rules[call.rule];
    const uint8_t need = automaton_.states[rule.start].need;
    return need == Automaton::kImpossible ? need : static_cast<uint8_t>(need + rule.nests);
  }

  void ReachByCall(uint32_t index) {
    const Automaton::Call& call = automaton_.calls[index];
    Reach(owners_[index], std::max(Cost(call), automaton_.states[call.to].need));
  }

  // All that leads to a state whose need is final.
  void Leave(StateId state) {
    const uint8_t need = automaton_.states[state].need;
    for (uint32_t i = before_.first[state]; i < before_.first[state + 1]; ++i) {
      Reach(before_.values[i], need);
    }
    for (const Lists* lists : {&callers_, &returns_}) {
      for (uint32_t i = lists->first[state]; i < lists->first[state + 1]; ++i) {
        ReachByCall(lists->values[i]);
      }
    }
  }

  void FindLoop(const Automaton::State& state) {
    if (&state == &automaton_.states.back()) return;
    for (uint32_t i = state.first_call; i < (&state)[1].first_call; ++i) {
      const Automaton::Call& call = automaton_.calls[i];
      if (!call.counts) continue;
      uint8_t& need = automaton_.counters[automaton_.states[call.to].counter].loop_need;
      need = std::max(need, Cost(call));
    }
  }

  Automaton& automaton_;
  Lists before_;                 // states with an edge to this one
  Lists callers_, returns_;      // calls of the rule that begins here · that come back here
  std::vector<StateId> owners_;  // of calls
  std::array<std::vector<StateId>, Automaton::kMostNesting + 1> queues_;
  uint8_t level_ = 0;
};

}  // namespace

void FindNeeds(Automaton& automaton) {
  NeedFinder(automaton).Find();
}

}  // namespace gemma3n
