// SPDX-License-Identifier: Apache-2.0
// Thompson's construction (1968), with ^ and $ as edges that ask where they stand. They are then
// taken away: states are told apart by whether a character has been read, and whether one may
// still be.
#include "constraint/pattern.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "constraint/pattern_parser.h"

namespace gemma3n {
namespace {

using Kind = PatternTree::Kind;

class Construction {
 public:
  Construction(const PatternTree& tree, AutomatonBuilder& builder)
      : tree_(tree), builder_(builder) {}

  // What is before and after the place where the pattern is found is any text.
  TextLanguage Build() {
    const uint32_t before = NewState();
    sets_.push_back({before, before, CodePoints::All()});
    const uint32_t after = NewState();
    sets_.push_back({after, after, CodePoints::All()});
    Connect(Add(tree_.root, before), after, Ask::kNothing);
    return Trim(Resolve(before, after));
  }

 private:
  enum class Ask : uint8_t { kNothing, kBegin, kEnd };
  struct Free {
    uint32_t from, to;
    Ask ask;
  };

  uint32_t NewState() {
    builder_.CheckTime();
    builder_.CheckSize(count_);
    return count_++;
  }
  void Connect(uint32_t from, uint32_t to, Ask ask) { frees_.push_back({from, to, ask}); }

  // Reads the node after `from`; where it has been read. Recursion ends at the groups' depth.
  uint32_t Add(uint32_t index, uint32_t from) {
    const PatternTree::Node& node = tree_.nodes[index];
    switch (node.kind) {
      case Kind::kSet: {
        const uint32_t to = NewState();
        sets_.push_back({from, to, node.set});
        return to;
      }
      case Kind::kBegin:
      case Kind::kEnd: {
        const uint32_t to = NewState();
        Connect(from, to, node.kind == Kind::kBegin ? Ask::kBegin : Ask::kEnd);
        return to;
      }
      case Kind::kSequence:
        for (uint32_t part : node.parts) from = Add(part, from);
        return from;
      case Kind::kChoice: {
        const uint32_t to = NewState();
        for (uint32_t part : node.parts) Connect(Add(part, from), to, Ask::kNothing);
        return to;
      }
      case Kind::kRepeat:
        return Repeat(node, from);
    }
    return from;
  }

  uint32_t Repeat(const PatternTree::Node& node, uint32_t from) {
    for (uint32_t i = 0; i < node.least; ++i) from = Add(node.parts[0], from);
    const uint32_t to = NewState();
    if (node.most == Automaton::kNoLimit) {
      const uint32_t loop = NewState();
      Connect(from, loop, Ask::kNothing);
      Connect(Add(node.parts[0], loop), loop, Ask::kNothing);
      Connect(loop, to, Ask::kNothing);
      return to;
    }
    for (uint32_t i = node.least; i < node.most; ++i) {
      Connect(from, to, Ask::kNothing);
      from = Add(node.parts[0], from);
    }
    Connect(from, to, Ask::kNothing);
    return to;
  }

  TextLanguage Resolve(uint32_t before, uint32_t after) {
    std::vector<std::vector<uint32_t>> sets(count_), frees(count_);
    for (uint32_t i = 0; i < sets_.size(); ++i) sets[sets_[i].from].push_back(i);
    for (uint32_t i = 0; i < frees_.size(); ++i) frees[frees_[i].from].push_back(i);
    using Place = std::tuple<uint32_t, bool, bool>;  // state, some character read, none may follow
    TextLanguage language;
    std::map<Place, uint32_t> numbers;
    std::vector<Place> places;
    const auto number = [&](const Place& place) {
      const auto [entry, is_new] = numbers.try_emplace(place, 0);
      if (is_new) {
        builder_.CheckTime();
        builder_.CheckSize(places.size());
        entry->second = language.NewState();
        language.finals[entry->second] = std::get<0>(place) == after;
        places.push_back(place);
      }
      return entry->second;
    };
    number({before, false, false});
    for (uint32_t at = 0; at < places.size(); ++at) {
      const auto [state, begun, ended] = places[at];
      for (uint32_t i : frees[state]) {
        const Free& edge = frees_[i];
        if (edge.ask == Ask::kBegin && begun) continue;
        language.frees.push_back({at, number({edge.to, begun, ended || edge.ask == Ask::kEnd})});
      }
      if (ended) continue;
      for (uint32_t i : sets[state]) {
        language.edges.push_back({at, number({sets_[i].to, true, false}), sets_[i].set});
      }
    }
    return language;
  }

  // Leaves out what does not lead to an end.
  static TextLanguage Trim(const TextLanguage& language) {
    const size_t states = language.finals.size();
    std::vector<std::vector<uint32_t>> before(states);
    for (const auto& edge : language.edges) {
      if (!edge.set.empty()) before[edge.to].push_back(edge.from);
    }
    for (const auto& edge : language.frees) before[edge.to].push_back(edge.from);
    std::vector<bool> ends = language.finals;
    std::vector<uint32_t> open;
    for (uint32_t state = 0; state < states; ++state) {
      if (ends[state]) open.push_back(state);
    }
    while (!open.empty()) {
      const uint32_t state = open.back();
      open.pop_back();
      for (uint32_t from : before[state]) {
        if (ends[from]) continue;
        ends[from] = true;
        open.push_back(from);
      }
    }
    TextLanguage trimmed;
    std::vector<uint32_t> numbers(states);
    for (uint32_t state = 0; state < states; ++state) {
      if (state != 0 && !ends[state]) continue;
      numbers[state] = trimmed.NewState();
      trimmed.finals[numbers[state]] = language.finals[state];
    }
    for (const auto& edge : language.edges) {
      if (!ends[edge.to] || !ends[edge.from] || edge.set.empty()) continue;
      trimmed.edges.push_back({numbers[edge.from], numbers[edge.to], edge.set});
    }
    for (const auto& edge : language.frees) {
      if (ends[edge.to] && ends[edge.from]) {
        trimmed.frees.push_back({numbers[edge.from], numbers[edge.to]});
      }
    }
    return trimmed;
  }

  const PatternTree& tree_;
  AutomatonBuilder& builder_;
  uint32_t count_ = 0;
  std::vector<TextLanguage::Edge> sets_;
  std::vector<Free> frees_;
};

}  // namespace

TextLanguage PatternLanguage(std::string_view pattern, AutomatonBuilder& builder) {
  const PatternTree tree = ParsePattern(pattern, builder);
  return Construction(tree, builder).Build();
}

}  // namespace gemma3n
