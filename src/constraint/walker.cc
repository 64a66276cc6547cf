// SPDX-License-Identifier: Apache-2.0
#include "constraint/walker.h"

#include <algorithm>
#include <cstring>

#include "gemma3n/error.h"

namespace gemma3n {
namespace {

template <class Item>
std::string BytesOf(const std::vector<Item>& items, uint8_t also) {
  std::string bytes(items.size() * sizeof(Item) + 1, '\0');
  if (!items.empty()) std::memcpy(bytes.data(), items.data(), items.size() * sizeof(Item));
  bytes.back() = static_cast<char>(also);
  return bytes;
}

template <class Item>
void SortUnique(std::vector<Item>& items) {
  std::sort(items.begin(), items.end());
  items.erase(std::unique(items.begin(), items.end()), items.end());
}

}  // namespace

Walker::Walker(const Automaton& automaton) : automaton_(automaton) {
  Clear();
}

void Walker::Clear() {
  calls_.clear();
  places_.clear();
  call_names_.clear();
  place_names_.clear();
  bytes_ = 0;
  InternCall({}, 0);       // kTop
  InternPlace({}, false);  // kDead
}

Walker::Place Walker::Start() {
  todo_.clear();
  seen_.clear();
  Push(automaton_.rules[automaton_.root].start, kTop, 0);
  return Close();
}

Walker::Row& Walker::RowOf(Place place) {
  std::unique_ptr<Row>& row = places_[place].row;
  if (row == nullptr) {
    row = std::make_unique<Row>();
    row->fill(place == kDead ? kDead : kUnknown);
    bytes_ += sizeof(Row);
  }
  return *row;
}

Walker::Place Walker::Compute(Place place, uint8_t byte) {
  todo_.clear();
  seen_.clear();
  for (const Item& item : places_[place].items) {
    const Automaton::State* state = &automaton_.states[item.state];
    for (uint32_t i = state[0].first_byte; i < state[1].first_byte; ++i) {
      const Automaton::ByteEdge& edge = automaton_.bytes[i];
      if (byte < edge.low || byte > edge.high) continue;
      const Item moved = Moved(item, edge.to);
      Push(moved.state, moved.call, moved.count);
    }
  }
  const Place next = todo_.empty() ? kDead : Close();
  RowOf(place)[byte] = next;
  return next;
}

// Counters live in their states alone.
Walker::Item Walker::Moved(const Item& item, StateId to) const {
  const uint32_t counter = automaton_.states[to].counter;
  const bool stays = counter != 0 && counter == automaton_.states[item.state].counter;
  return {to, item.call, stays ? item.count : 0};
}

// Adds one; false where the counter has reached its most. Without a most, only what is missing to
// the least counts.
bool Walker::Counted(Item& item) const {
  const Automaton::Counter& counter = automaton_.counters[automaton_.states[item.state].counter];
  if (counter.most == Automaton::kNoLimit) {
    item.count = std::min(item.count + 1, counter.least);
    return true;
  }
  return ++item.count <= counter.most;
}

bool Walker::CanEnd(const Item& item) const {
  const Automaton::State& state = automaton_.states[item.state];
  const Automaton::Counter& counter = automaton_.counters[state.counter];
  if (state.must_count && item.count >= counter.most) return false;
  int need = state.need;
  if (item.count < counter.least && state.counter != 0) {
    need = std::max<int>(need, counter.loop_need);
  }
  if (calls_[item.call].depth + need > Automaton::kMostNesting) return false;
  if (counter.can_end.empty()) return true;
  return counter.can_end[size_t{item.state - counter.first_state} * counter.columns + item.count];
}

void Walker::Push(StateId state, uint32_t call, uint32_t count) {
  const Item item{state, call, count};
  if (!CanEnd(item) || !seen_.emplace(item, true).second) return;
  todo_.push_back(item);
}

void Walker::PushFree(const Item& item) {
  const Automaton::State* state = &automaton_.states[item.state];
  for (uint32_t i = state[0].first_free; i < state[1].first_free; ++i) {
    const Automaton::FreeEdge& edge = automaton_.frees[i];
    if (edge.needs_least && item.count < automaton_.counters[state->counter].least) continue;
    const Item moved = Moved(item, edge.to);
    Push(moved.state, moved.call, moved.count);
  }
}

void Walker::PushReturns(const Item& item, bool& may_end) {
  if (!automaton_.states[item.state].accepts) return;
  if (item.call == kTop) may_end = true;
  for (size_t i = 0; i < calls_[item.call].after.size(); ++i) {
    const Item after = calls_[item.call].after[i];
    Push(after.state, after.call, after.count);
  }
}

void Walker::PushCalls(const Item& item) {
  const Automaton::State* state = &automaton_.states[item.state];
  for (uint32_t i = state[0].first_call; i < state[1].first_call; ++i) {
    const Automaton::Call& call = automaton_.calls[i];
    Item after = item;
    if (call.counts && !Counted(after)) continue;
    after = Moved(after, call.to);
    const Automaton::Rule& rule = automaton_.rules[call.rule];
    const int depth = calls_[item.call].depth + rule.nests;
    const int need = automaton_.states[rule.start].need;
    if (depth + need > Automaton::kMostNesting || !CanEnd(after)) continue;
    const auto same = std::find_if(pending_.begin(), pending_.end(), [&](const Pending& pending) {
      return pending.rule == call.rule && pending.depth == depth;
    });
    if (same != pending_.end()) {
      same->after.push_back(after);
    } else {
      pending_.push_back({call.rule, static_cast<uint8_t>(depth), {after}});
    }
  }
}

void Walker::EnterPending() {
  std::vector<Pending> pending;
  pending.swap(pending_);
  for (Pending& call : pending) {
    SortUnique(call.after);
    const uint32_t number = InternCall(std::move(call.after), call.depth);
    Push(automaton_.rules[call.rule].start, number, 0);
  }
}

Walker::Place Walker::Close() {
  std::vector<Item> items;
  bool may_end = false;
  pending_.clear();
  for (size_t i = 0; i < todo_.size(); ++i) {
    const Item item = todo_[i];
    const Automaton::State* state = &automaton_.states[item.state];
    if (state[0].first_byte < state[1].first_byte) items.push_back(item);
    PushFree(item);
    PushReturns(item, may_end);
    PushCalls(item);
    if (i + 1 == todo_.size()) EnterPending();
  }
  if (todo_.size() > work_left_) {
    throw Error(ErrorKind::kRequest,
                "constraint: too many ways at once to read a text; make the schema simpler");
  }
  work_left_ -= todo_.size();
  std::sort(items.begin(), items.end());
  return items.empty() && !may_end ? kDead : InternPlace(std::move(items), may_end);
}

uint32_t Walker::InternCall(std::vector<Item> after, uint8_t depth) {
  const auto [entry, is_new] =
      call_names_.emplace(BytesOf(after, depth), static_cast<uint32_t>(calls_.size()));
  if (is_new) {
    bytes_ += 2 * entry->first.size() + 128;
    calls_.push_back({std::move(after), depth});
  }
  return entry->second;
}

Walker::Place Walker::InternPlace(std::vector<Item> items, bool may_end) {
  const auto [entry, is_new] =
      place_names_.emplace(BytesOf(items, may_end), static_cast<uint32_t>(places_.size()));
  if (is_new) {
    bytes_ += 2 * entry->first.size() + 128;
    places_.push_back({std::move(items), may_end});
  }
  return entry->second;
}

Walker::Item Walker::FarItem(const Item& item, uint32_t bytes, std::vector<uint32_t>& far_calls) {
  Item far = item;
  far.call = FarCall(item.call, bytes, far_calls);
  const Automaton::Counter& counter = automaton_.counters[automaton_.states[item.state].counter];
  if (!counter.can_end.empty()) {
    const uint32_t last = counter.same_until[item.count];
    if (item.count + uint64_t{bytes} < last) far.count = last - bytes;
    return far;
  }
  const uint64_t count = item.count;
  const bool bounded = counter.most != Automaton::kNoLimit;
  if (count < counter.least) {
    // Short of the least for longer than this, and of the most all the more.
    if (count + bytes < counter.least) far.count = counter.least - bytes - 1;
  } else if (bounded && count + bytes < counter.most) {
    far.count = std::max(counter.least, counter.most - bytes - 1);
  }
  return far;
}

// Calls only point to earlier ones, so they are made anew from the outermost on; far_calls has
// their numbers.
uint32_t Walker::FarCall(uint32_t call, uint32_t bytes, std::vector<uint32_t>& far_calls) {
  if (call == kTop) return kTop;
  if (far_calls.size() <= call) far_calls.resize(call + 1, kUnknown);
  if (far_calls[call] != kUnknown) return far_calls[call];
  std::vector<Item> after;  // recursion ends at kMostNesting and the one call of a character
  for (size_t i = 0; i < calls_[call].after.size(); ++i) {
    const Item item = calls_[call].after[i];
    after.push_back(FarItem(item, bytes, far_calls));
  }
  SortUnique(after);
  const uint8_t depth = calls_[call].depth;
  return far_calls[call] = InternCall(std::move(after), depth);
}

Walker::Place Walker::Far(Place place, uint32_t bytes) {
  std::vector<uint32_t> far_calls;
  std::vector<Item> items;
  for (size_t i = 0; i < places_[place].items.size(); ++i) {
    const Item item = places_[place].items[i];
    items.push_back(FarItem(item, bytes, far_calls));
  }
  SortUnique(items);
  if (items.empty()) return place;
  return InternPlace(std::move(items), places_[place].may_end);
}

// Calls are numbered by when they are first named, which does not depend on the walker: items are
// in the order of their states first.
void Walker::AppendName(uint32_t call, std::vector<uint32_t>& numbers, std::string& name) const {
  if (numbers.size() <= call) numbers.resize(call + 1, 0);
  const uint32_t number = call == kTop ? kUnknown : numbers[call];
  name.append(reinterpret_cast<const char*>(&number), sizeof(number));
  if (number != 0) return;
  numbers[call] = 1 + static_cast<uint32_t>(name.size());
  const OpenCall& open = calls_[call];
  name += static_cast<char>(open.depth);
  const auto size = static_cast<uint32_t>(open.after.size());
  name.append(reinterpret_cast<const char*>(&size), sizeof(size));
  for (const Item& item : open.after) {
    name.append(reinterpret_cast<const char*>(&item.state), sizeof(item.state));
    name.append(reinterpret_cast<const char*>(&item.count), sizeof(item.count));
    AppendName(item.call, numbers, name);
  }
}

std::string Walker::Name(Place place) const {
  std::vector<uint32_t> numbers;
  std::string name(1, static_cast<char>(places_[place].may_end));
  for (const Item& item : places_[place].items) {
    name.append(reinterpret_cast<const char*>(&item.state), sizeof(item.state));
    name.append(reinterpret_cast<const char*>(&item.count), sizeof(item.count));
    AppendName(item.call, numbers, name);
  }
  return name;
}

// The call with those it goes on in, which are made before it: recursion ends at kMostNesting and
// the one call of a character.
uint32_t Walker::Copy(uint32_t call, const std::vector<OpenCall>& from,
                      std::vector<uint32_t>& copies, Walker& to) {
  if (copies[call] != kUnknown) return copies[call];
  std::vector<Item> after = from[call].after;
  for (Item& item : after) item.call = Copy(item.call, from, copies, to);
  SortUnique(after);
  return copies[call] = to.InternCall(std::move(after), from[call].depth);
}

void Walker::Forget(std::span<Place> keep) {
  const std::vector<OpenCall> calls = std::move(calls_);
  const std::vector<PlaceData> places = std::move(places_);
  Clear();
  std::vector<uint32_t> copies(calls.size(), kUnknown);
  copies[kTop] = kTop;
  for (Place& place : keep) {
    std::vector<Item> items = places[place].items;
    for (Item& item : items) item.call = Copy(item.call, calls, copies, *this);
    std::sort(items.begin(), items.end());
    place = InternPlace(std::move(items), places[place].may_end);
  }
}

}  // namespace gemma3n
