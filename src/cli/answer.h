// SPDX-License-Identifier: Apache-2.0
// One answer on the terminal: streamed as it comes, or as one JSON object.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"

namespace gemma3n::cli {

// Generates and prints. Ctrl-C ends the answer, not the process; so does a failing standard output,
// with OutputError. `on_text`, where there is one, gets the text after it was printed.
GenerateResult Answer(const Engine& engine, Session& session, const std::vector<Turn>& turns,
                      const GenerateOptions& options, const OutputArgs& output,
                      const TextCallback& on_text = nullptr);

// "text", "token_ids", "prompt_token_ids", "finish_reason", "timings", and "logprobs" where there
// are any.
std::string ResultAsJson(const Engine& engine, const GenerateResult& result);
// One line: media, prompt and answer with their speeds.
std::string StatsLine(const Timings& timings);

}  // namespace gemma3n::cli
