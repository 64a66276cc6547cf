// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/fit_context.h"

#include <algorithm>

#include "base/check.h"

namespace gemma3n {
namespace {

bool IsMedium(const Part& part) {
  return !std::holds_alternative<std::string>(part.content);
}

const char* Placeholder(const Part& part) {
  if (part.is_picture()) return "[an earlier picture]";
  const bool sound = std::holds_alternative<std::shared_ptr<const AudioClip>>(part.content);
  return sound ? "[an earlier sound]" : "[an earlier film]";
}

// Where the conversation begins behind its system text.
size_t FirstTurn(const std::vector<Turn>& turns) {
  const auto first = std::find_if(turns.begin(), turns.end(),
                                  [](const Turn& turn) { return turn.role != Role::kSystem; });
  return static_cast<size_t>(first - turns.begin());
}

// All that may be left out, each step more than the one before it and than `before`.
std::vector<LeftOut> Steps(const std::vector<Turn>& turns, const LeftOut& before) {
  std::vector<LeftOut> steps;
  int64_t media = 0;
  for (size_t i = 0; i + 1 < turns.size(); ++i) {
    media += std::count_if(turns[i].parts.begin(), turns[i].parts.end(), IsMedium);
  }
  for (int64_t m = before.media + 1; m <= media; ++m) steps.push_back({m, before.turns});
  const size_t first = FirstTurn(turns);
  for (size_t i = first + static_cast<size_t>(before.turns) + 1; i < turns.size(); ++i) {
    if (turns[i].role == Role::kUser) {
      steps.push_back({std::max(media, before.media), static_cast<int64_t>(i - first)});
    }
  }
  return steps;
}

}  // namespace

std::vector<Turn> WithoutOldest(const std::vector<Turn>& turns, const LeftOut& left_out) {
  std::vector<Turn> left;
  int64_t media = 0;
  const size_t first = FirstTurn(turns);
  for (size_t i = 0; i < turns.size(); ++i) {
    Turn turn = turns[i];
    for (Part& part : turn.parts) {
      if (IsMedium(part) && media++ < left_out.media) part = Part(Placeholder(part));
    }
    const bool kept = i < first || i >= first + static_cast<size_t>(left_out.turns);
    if (kept) left.push_back(std::move(turn));
  }
  return left;
}

int64_t RoomForPrompt(int64_t context, int64_t max_tokens) {
  return context - std::clamp<int64_t>(max_tokens, 1, std::max<int64_t>(1, context / 4));
}

LeftOut FitContext(const std::vector<Turn>& turns, int64_t room, int64_t step,
                   const LeftOut& before, const TokensWithout& tokens) {
  CHECK(step > 0);
  const int64_t now = tokens(before);
  if (now <= room) return before;
  const std::vector<LeftOut> steps = Steps(turns, before);
  if (steps.empty()) return before;
  // Whole steps of the conversation as it was said, not of what is left of it: a longer one that
  // begins alike is cut at the same place until the next step is due.
  const int64_t whole = before == LeftOut{} ? now : tokens({});
  const int64_t over = (whole - room + step - 1) / step * step;
  const auto too_long = [&](const LeftOut& one) { return tokens(one) > whole - over; };
  auto step_to = std::partition_point(steps.begin(), steps.end(), too_long);
  // Of models whose pictures are a few tokens, the text that stands for one may be longer.
  while (step_to != steps.end() && too_long(*step_to)) ++step_to;
  return step_to != steps.end() ? *step_to : steps.back();
}

}  // namespace gemma3n
