// SPDX-License-Identifier: Apache-2.0
#include "constraint/text_language.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/utf8.h"

namespace gemma3n {
namespace {

// Of tables that say which lengths can be completed.
constexpr uint64_t kMostTableBits = 16u << 20;

// Edges by the states they begin in, or end in.
template <class T>
std::vector<std::vector<uint32_t>> ByState(const std::vector<T>& edges, size_t states,
                                           uint32_t T::*of) {
  std::vector<std::vector<uint32_t>> lists(states);
  for (uint32_t i = 0; i < edges.size(); ++i) lists[edges[i].*of].push_back(i);
  return lists;
}

// Adds to `states` what can be reached by free edges; `in` says which are there.
void CloseFree(const std::vector<TextLanguage::Free>& frees,
               const std::vector<std::vector<uint32_t>>& by_state, uint32_t TextLanguage::Free::*to,
               std::vector<uint32_t>& states, std::vector<bool>& in) {
  for (size_t i = 0; i < states.size(); ++i) {
    for (uint32_t edge : by_state[states[i]]) {
      const uint32_t next = frees[edge].*to;
      if (in[next]) continue;
      in[next] = true;
      states.push_back(next);
    }
  }
}

// Of each state and count, whether the end can be reached: from the highest count down.
class LengthTable {
 public:
  LengthTable(const TextLanguage& language, const TextLength& length, AutomatonBuilder& builder)
      : language_(language),
        length_(length),
        builder_(builder),
        states_(language.finals.size()),
        last_(length.most == Automaton::kNoLimit ? length.least : length.most) {
    if (states_ * (uint64_t{last_} + 1) > kMostTableBits) {
      builder.Fail("a pattern or format together with a length of " + std::to_string(last_) +
                   " needs too much memory; make one of them smaller");
    }
    free_before_ = ByState(language.frees, states_, &TextLanguage::Free::to);
    edges_before_ = ByState(language.edges, states_, &TextLanguage::Edge::to);
  }

  std::vector<bool> Find() {
    std::vector<bool> table(states_ * (last_ + size_t{1}));
    std::vector<bool> above;  // of the count after this one
    for (size_t count = last_ + size_t{1}; count-- > 0;) {
      std::vector<uint32_t> reached;
      std::vector<bool> in(states_);
      const auto reach = [&](uint32_t state) {
        if (in[state]) return;
        in[state] = true;
        reached.push_back(state);
      };
      for (uint32_t state = 0; state < states_; ++state) {
        if (language_.finals[state] && count >= length_.least) reach(state);
      }
      const bool stays = count == last_ && length_.most == Automaton::kNoLimit;
      if (count < last_) {
        for (const TextLanguage::Edge& edge : language_.edges) {
          if (above[edge.to]) reach(edge.from);
          builder_.CheckTime();
        }
      }
      Close(stays, reached, in);
      for (uint32_t state : reached) table[state * (last_ + size_t{1}) + count] = true;
      above = std::move(in);
    }
    return table;
  }

 private:
  void Close(bool stays, std::vector<uint32_t>& reached, std::vector<bool>& in) {
    for (size_t i = 0; i < reached.size(); ++i) {
      const auto reach = [&](uint32_t state) {
        if (!in[state]) reached.push_back(state);
        in[state] = true;
      };
      const uint32_t state = reached[i];
      for (uint32_t edge : free_before_[state]) reach(language_.frees[edge].from);
      if (!stays) continue;
      for (uint32_t edge : edges_before_[state]) reach(language_.edges[edge].from);
    }
  }

  const TextLanguage& language_;
  const TextLength length_;
  AutomatonBuilder& builder_;
  const size_t states_;
  const uint32_t last_;
  std::vector<std::vector<uint32_t>> free_before_, edges_before_;
};

// The last count of each run of counts that are alike for all states.
std::vector<uint32_t> Runs(const std::vector<bool>& can_end, size_t columns, uint32_t least) {
  std::vector<bool> ends(columns);  // whether a run ends with this count
  ends[columns - 1] = true;
  if (least > 0) ends[least - 1] = true;
  for (size_t at = 0; at + 1 < can_end.size(); ++at) {
    if (at % columns + 1 < columns && can_end[at] != can_end[at + 1]) ends[at % columns] = true;
  }
  std::vector<uint32_t> same_until(columns);
  auto last = static_cast<uint32_t>(columns - 1);
  for (size_t count = columns; count-- > 0;) {
    if (ends[count]) last = static_cast<uint32_t>(count);
    same_until[count] = last;
  }
  return same_until;
}

}  // namespace

bool TextLanguage::IsAny() const {
  return finals.size() == 1 && finals[0] && edges.size() == 1 && edges[0].set == CodePoints::All();
}

TextLanguage TextLanguage::Any() {
  return {.finals = {true}, .edges = {{0, 0, CodePoints::All()}}, .frees = {}};
}

// A tree of the texts; what leaves it is no text of them.
TextLanguage TextLanguage::AllBut(std::span<const std::string_view> texts) {
  TextLanguage language{.finals = {true, true}, .edges = {{1, 1, CodePoints::All()}}, .frees = {}};
  constexpr uint32_t kOutside = 1;
  std::map<std::pair<uint32_t, char32_t>, uint32_t> tree;
  for (std::string_view text : texts) {
    uint32_t at = 0;
    while (!text.empty()) {
      const Utf8Character character = DecodeUtf8(text);
      text.remove_prefix(character.bytes);
      const auto [entry, is_new] = tree.try_emplace({at, character.code_point}, 0);
      if (is_new) {
        entry->second = language.NewState();
        language.finals[entry->second] = true;
      }
      at = entry->second;
    }
    language.finals[at] = false;
  }
  std::map<uint32_t, std::vector<CodePoints::Range>> taken;
  for (const auto& [from, to] : tree) {
    language.edges.push_back({from.first, to, CodePoints::Of(from.second)});
    taken[from.first].push_back({from.second, from.second});
  }
  for (uint32_t state = 0; state < language.finals.size(); ++state) {
    if (state == kOutside) continue;
    language.edges.push_back({state, kOutside, CodePoints(taken[state]).Complement()});
  }
  return language;
}

TextLanguage TextLanguage::Both(const TextLanguage& a, const TextLanguage& b,
                                AutomatonBuilder& builder) {
  if (a.IsAny()) return b;
  if (b.IsAny()) return a;
  const auto a_edges = ByState(a.edges, a.finals.size(), &Edge::from);
  const auto b_edges = ByState(b.edges, b.finals.size(), &Edge::from);
  const auto a_frees = ByState(a.frees, a.finals.size(), &Free::from);
  const auto b_frees = ByState(b.frees, b.finals.size(), &Free::from);
  TextLanguage both;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> numbers;
  std::vector<std::pair<uint32_t, uint32_t>> pairs;
  const auto number = [&](uint32_t in_a, uint32_t in_b) {
    const auto [entry, is_new] = numbers.try_emplace({in_a, in_b}, 0);
    if (is_new) {
      builder.CheckSize(pairs.size());
      entry->second = both.NewState();
      both.finals[entry->second] = a.finals[in_a] && b.finals[in_b];
      pairs.push_back({in_a, in_b});
    }
    return entry->second;
  };
  number(0, 0);
  for (uint32_t at = 0; at < pairs.size(); ++at) {
    const auto [in_a, in_b] = pairs[at];
    for (uint32_t i : a_frees[in_a]) both.frees.push_back({at, number(a.frees[i].to, in_b)});
    for (uint32_t i : b_frees[in_b]) both.frees.push_back({at, number(in_a, b.frees[i].to)});
    for (uint32_t i : a_edges[in_a]) {
      for (uint32_t j : b_edges[in_b]) {
        builder.CheckTime();
        CodePoints set = a.edges[i].set.And(b.edges[j].set);
        if (set.empty()) continue;
        both.edges.push_back({at, number(a.edges[i].to, b.edges[j].to), std::move(set)});
        builder.CheckSize(both.edges.size() / 16);
      }
    }
  }
  return both;
}

bool TextLanguage::Has(std::string_view text) const {
  const auto edges_of = ByState(edges, finals.size(), &Edge::from);
  const auto frees_of = ByState(frees, finals.size(), &Free::from);
  std::vector<uint32_t> now = {0};
  std::vector<bool> in(finals.size());
  in[0] = true;
  CloseFree(frees, frees_of, &Free::to, now, in);
  while (!text.empty()) {
    const Utf8Character character = DecodeUtf8(text);
    text.remove_prefix(character.bytes);
    std::vector<uint32_t> next;
    in.assign(finals.size(), false);
    for (uint32_t state : now) {
      for (uint32_t i : edges_of[state]) {
        if (!edges[i].set.Has(character.code_point) || in[edges[i].to]) continue;
        in[edges[i].to] = true;
        next.push_back(edges[i].to);
      }
    }
    CloseFree(frees, frees_of, &Free::to, next, in);
    now = std::move(next);
  }
  return std::any_of(now.begin(), now.end(), [&](uint32_t state) { return finals[state]; });
}

void AddCharacters(const TextLanguage& language, const TextLength& length, StateId from, StateId to,
                   CharacterRules& characters, AutomatonBuilder& builder) {
  const bool bounded = length.least > 0 || length.most != Automaton::kNoLimit;
  const uint32_t counter = bounded ? builder.NewCounter(length.least, length.most) : 0;
  std::vector<bool> can_end;
  if (bounded && !language.IsAny()) can_end = LengthTable(language, length, builder).Find();
  if (!can_end.empty() && !can_end[0]) return;  // no string of the language has such a length
  std::vector<StateId> states;
  for (size_t i = 0; i < language.finals.size(); ++i) states.push_back(builder.NewState(counter));
  if (!can_end.empty()) {
    Automaton::Counter& counts = builder.counter(counter);
    counts.first_state = states[0];
    counts.columns = static_cast<uint32_t>(can_end.size() / states.size());
    counts.same_until = Runs(can_end, counts.columns, length.least);
    counts.can_end = std::move(can_end);
  }
  builder.AddFree(from, states[0]);
  for (const TextLanguage::Free& edge : language.frees) {
    builder.AddFree(states[edge.from], states[edge.to]);
  }
  for (const TextLanguage::Edge& edge : language.edges) {
    if (edge.set.empty()) continue;
    builder.AddCall(states[edge.from], characters.Of(edge.set), states[edge.to], bounded);
  }
  for (size_t i = 0; i < states.size(); ++i) {
    if (language.finals[i]) builder.AddFree(states[i], to, /*needs_least=*/bounded);
  }
}

}  // namespace gemma3n
