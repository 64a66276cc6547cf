// SPDX-License-Identifier: Apache-2.0
#include "constraint/automaton.h"

#include <algorithm>

#include "base/check.h"
#include "constraint/needs.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

// Of this thread alone: how busy the machine is must not decide whether a schema is taken.
double ProcessorMs() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

// Edges sorted by where they begin; `first` says where those of each state do.
template <class Owned, class Edge>
void SortEdges(const std::vector<Owned>& owned, std::vector<Automaton::State>& states,
               uint32_t Automaton::State::*first, std::vector<Edge>& edges) {
  for (const Owned& entry : owned) ++(states[entry.from + 1].*first);
  for (size_t i = 1; i < states.size(); ++i) states[i].*first += states[i - 1].*first;
  edges.resize(owned.size());
  std::vector<uint32_t> next(states.size());
  for (size_t i = 0; i < states.size(); ++i) next[i] = states[i].*first;
  for (const Owned& entry : owned) edges[next[entry.from]++] = entry.edge;
}

}  // namespace

size_t Automaton::Bytes() const {
  size_t total = states.size() * sizeof(State) + bytes.size() * sizeof(ByteEdge) +
                 frees.size() * sizeof(FreeEdge) + calls.size() * sizeof(Call) +
                 rules.size() * sizeof(Rule);
  for (const Counter& counter : counters)
    total += sizeof(Counter) + counter.can_end.size() / 8 + 4 * counter.same_until.size();
  return total;
}

AutomatonBuilder::AutomatonBuilder(const ConstraintLimits& limits)
    : limits_(limits), begin_ms_(ProcessorMs()) {
  automaton_.counters.emplace_back();
}

void AutomatonBuilder::Fail(const std::string& message) const {
  throw Error(ErrorKind::kRequest, (place_.empty() ? "schema" : place_) + ": " + message);
}

void AutomatonBuilder::CheckTime() {
  if (++ticks_ % 1024 != 0 || ProcessorMs() - begin_ms_ <= limits_.compile_ms) return;
  Fail("the schema takes longer than " + std::to_string(static_cast<int>(limits_.compile_ms)) +
       " ms to compile; make it simpler");
}

void AutomatonBuilder::CheckSize(size_t states) const {
  if (states < limits_.states) return;
  Fail("the schema needs more than " + std::to_string(limits_.states) + " states; make it simpler");
}

StateId AutomatonBuilder::NewState(uint32_t counter) {
  CheckTime();
  CheckSize(automaton_.states.size());
  automaton_.states.push_back({.counter = counter});
  return static_cast<StateId>(automaton_.states.size() - 1);
}

// Edges of one state can be many; all are bounded together.
void AutomatonBuilder::Count() {
  CheckTime();
  if (bytes_.size() + frees_.size() + calls_.size() >= 16 * limits_.states) {
    Fail("the schema needs more than " + std::to_string(16 * limits_.states) +
         " edges; make it simpler");
  }
}

RuleId AutomatonBuilder::NewRule(bool nests) {
  automaton_.rules.push_back({NewState(), nests});
  return static_cast<RuleId>(automaton_.rules.size() - 1);
}

uint32_t AutomatonBuilder::NewCounter(uint32_t least, uint32_t most) {
  automaton_.counters.push_back({.least = least, .most = most});
  return static_cast<uint32_t>(automaton_.counters.size() - 1);
}

void AutomatonBuilder::AddBytes(StateId from, uint8_t low, uint8_t high, StateId to) {
  Count();
  bytes_.push_back({from, {low, high, to}});
}

void AutomatonBuilder::AddFree(StateId from, StateId to, bool needs_least) {
  Count();
  frees_.push_back({from, {to, needs_least}});
}

void AutomatonBuilder::AddCall(StateId from, RuleId rule, StateId to, bool counts) {
  Count();
  calls_.push_back({from, {rule, to, counts}});
}

void AutomatonBuilder::AddTextTo(StateId from, std::string_view text, StateId to) {
  CHECK(!text.empty());
  for (size_t i = 0; i < text.size(); ++i) {
    const StateId next = i + 1 < text.size() ? NewState() : to;
    const auto byte = static_cast<uint8_t>(text[i]);
    AddBytes(from, byte, byte, next);
    from = next;
  }
}

StateId AutomatonBuilder::AddText(StateId from, std::string_view text) {
  const StateId to = NewState();
  AddTextTo(from, text, to);
  return to;
}

StateId AutomatonBuilder::AddSpace(StateId from, uint32_t counter) {
  const StateId to = NewState(counter);
  AddFree(from, to);
  AddBytes(from, ' ', ' ', to);
  AddBytes(from, '\n', '\n', to);
  return to;
}

Automaton AutomatonBuilder::Finish(RuleId root) {
  automaton_.root = root;
  automaton_.states.emplace_back();
  std::vector<Automaton::State>& states = automaton_.states;
  SortEdges(bytes_, states, &Automaton::State::first_byte, automaton_.bytes);
  SortEdges(frees_, states, &Automaton::State::first_free, automaton_.frees);
  SortEdges(calls_, states, &Automaton::State::first_call, automaton_.calls);
  FindNeeds(automaton_);
  if (states[automaton_.rules[root].start].need > Automaton::kMostNesting) {
    place_.clear();
    Fail("nothing can satisfy it");
  }
  return std::move(automaton_);
}

}  // namespace gemma3n
