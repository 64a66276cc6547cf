// SPDX-License-Identifier: Apache-2.0
// Which part of a long conversation a model is not given, so that the rest and an answer fit into
// its context: pictures, sounds and films of earlier messages first, the oldest first, then the
// oldest turns.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "gemma3n/content.h"

namespace gemma3n {

// Of a conversation, counted from its beginning.
struct LeftOut {
  int64_t media = 0;  // pictures, sounds and films; a short text stands for each
  int64_t turns = 0;  // without the system's; what is left begins with a user's turn

  bool operator==(const LeftOut&) const = default;
};

// The conversation as it is left. "[an earlier picture]" and the like stand where media were: a
// message that was nothing but a picture must not become an empty one.
std::vector<Turn> WithoutOldest(const std::vector<Turn>& turns, const LeftOut& left_out);

// Positions a prompt may take so that an answer has room: all but max_tokens or a quarter of the
// context, whichever is less.
int64_t RoomForPrompt(int64_t context, int64_t max_tokens);

// How many tokens the prompt of the conversation has without these.
using TokensWithout = std::function<int64_t(const LeftOut& left_out)>;

// What to leave out so that the prompt has at most `room` tokens; `before` (what was left out
// already) where that is enough. Else more than must be: up to `step` tokens, so that what is left
// stays the same, and in a session's cache, for some messages to come. The same conversation
// always gives the same. The system's turn and the last message stay in any case, whether they fit
// or not.
LeftOut FitContext(const std::vector<Turn>& turns, int64_t room, int64_t step,
                   const LeftOut& before, const TokensWithout& tokens);

}  // namespace gemma3n
