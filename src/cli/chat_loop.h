// SPDX-License-Identifier: Apache-2.0
// The interactive conversation.
#pragma once

#include "cli/options.h"
#include "cli/talk.h"

namespace gemma3n::cli {

struct ChatArgs {
  ModelArgs model;
  OutputArgs output;
  GenerateArgs generate;
  MediaArgs media;
  TalkArgs talk;
};

// Reads lines, or hears what is said, until /bye or the end of input; returns the exit code.
int ChatLoop(const ChatArgs& args);

}  // namespace gemma3n::cli
