// SPDX-License-Identifier: Apache-2.0
// How many items sizes answer right: by writing, and by finding the right one of given choices
// likeliest.
#pragma once

#include <span>
#include <vector>

#include "cli/lab_data.h"
#include "gemma3n/engine.h"
#include "gemma3n/lab.h"

namespace gemma3n::cli {

struct Answers {
  int64_t items = 0, right = 0;
  int64_t errors = 0;                           // not answered; they count as wrong
  int64_t word_items = 0;                       // with match "wer"
  double word_errors = 0;                       // sum of their rates
  int64_t choice_items = 0, choices_right = 0;  // items with choices
};

struct AnswerOptions {
  int64_t context = 0;  // of the session, as Engine::NewSession takes it
  int64_t max_tokens = 256;
  int64_t image_size = 0;
};

// Each size answers the items of `data` greedily. False: cancelled. Throws Error (kModel); what
// goes wrong with one item is counted.
bool AnswerItems(Engine& engine, const LabData& data, const AnswerOptions& answering,
                 std::span<const ModelSize> sizes, std::span<Answers> answers,
                 const ProgressCallback& on_progress);

// The choice whose text has the greatest likelihood as a whole answer. `lab` forgets what it has
// read. False: cancelled.
bool ChooseAnswers(Lab& lab, const LabData& data, const WindowOptions& windows,
                   std::span<const ModelSize> sizes, std::span<Answers> answers,
                   const ProgressCallback& on_progress);

}  // namespace gemma3n::cli
