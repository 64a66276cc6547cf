// SPDX-License-Identifier: Apache-2.0
#include "engine/passage.h"

#include <algorithm>

#include "engine/prompt.h"

namespace gemma3n {
namespace {

void CheckRange(const char* name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return;
  throw Error(ErrorKind::kRequest, std::string(name) + ": expected a number in [" +
                                       std::to_string(least) + ", " + std::to_string(most) +
                                       "], found " + std::to_string(value));
}

}  // namespace

PassageReader::PassageReader(LoadedModel& model, const WindowOptions& options)
    : model_(model), options_(options), media_(model) {
  CheckRange("context", options_.window, 2, model_.facts.max_context);
  CheckRange("stride", options_.stride, 1, options_.window - 1);
}

bool PassageReader::Read(const Passage& passage, const ProgressCallback& on_progress,
                         const Take& take) {
  return passage.turns.empty() ? ReadText(passage.text, take)
                               : ReadAnswer(passage, on_progress, take);
}

bool PassageReader::ReadText(const std::string& text, const Take& take) {
  const std::vector<int32_t> ids =
      model_.tokenizer->Encode(text, Tokenizer::ControlTokens::kAsText);
  const int64_t total = static_cast<int64_t>(ids.size());
  const int64_t length = options_.window - 1;  // tokens of a window, behind <bos>
  const int64_t beyond = std::max<int64_t>(0, total - length);
  const int64_t count = total == 0 ? 0 : 1 + (beyond + options_.stride - 1) / options_.stride;
  int64_t scored = 0;
  for (int64_t number = 0; number < count; ++number) {
    const int64_t begin = number * options_.stride, end = std::min(total, begin + length);
    Window window{{{.id = model_.config.bos_token_id}}, static_cast<size_t>(1 + scored - begin)};
    for (int64_t i = begin; i < end; ++i) window.inputs.push_back({.id = ids[i]});
    if (!take(window, number, count)) return false;
    scored = end;
  }
  return true;
}

bool PassageReader::ReadAnswer(const Passage& passage, const ProgressCallback& on_progress,
                               const Take& take) {
  const GenerateOptions options{.image_size = options_.image_size};
  const Prompt prompt = LayOut(model_, passage.turns, options, /*open_answer=*/true);
  std::vector<int32_t> answer =
      model_.tokenizer->Encode(passage.answer, Tokenizer::ControlTokens::kAsText);
  if (const auto end = model_.tokenizer->Find("<end_of_turn>")) answer.push_back(*end);
  const size_t length = prompt.items.size() + answer.size();
  if (static_cast<int64_t>(length) > model_.facts.max_context) {
    throw Error(ErrorKind::kRequest,
                "expected at most " + std::to_string(model_.facts.max_context) +
                    " tokens, the model's context, found " + std::to_string(length));
  }
  Timings ignored;
  if (!media_.Encode(prompt, on_progress, ignored)) return false;
  Window window{{}, prompt.items.size()};
  for (const Prompt::Item& item : prompt.items) {
    window.inputs.push_back(
        {.id = item.id, .soft_token = item.medium < 0 ? nullptr : media_.SoftToken(prompt, item)});
  }
  for (int32_t id : answer) window.inputs.push_back({.id = id});
  return take(window, 0, 1);
}

}  // namespace gemma3n
