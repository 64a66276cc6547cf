// SPDX-License-Identifier: Apache-2.0
#include "cli/lab_answers.h"

#include <map>
#include <new>

#include "cli/answer_metrics.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

// False: cancelled.
bool AnswerOne(Session& session, const LabItem& item, const std::vector<Turn>& turns,
               const GenerateOptions& options, const ProgressCallback& on_progress,
               Answers& answers) {
  const auto goes_on = [&] { return !on_progress || on_progress({"", 0, 0}); };
  ++answers.items;
  try {
    const GenerateResult result = session.Generate(
        turns, options, [&](const std::string&) { return goes_on(); },
        [&](const Progress&) { return goes_on(); });
    if (result.finish_reason == FinishReason::kCancelled) return false;
    const Judgement judgement = Judge(item.item.match, item.item.answer, result.text);
    answers.right += judgement.right;
    answers.word_items += judgement.word_error_rate.has_value();
    answers.word_errors += judgement.word_error_rate.value_or(0);
  } catch (const std::bad_alloc&) {
    ++answers.errors;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kModel) throw;
    ++answers.errors;
  }
  return true;
}

}  // namespace

bool AnswerItems(Engine& engine, const LabData& data, const AnswerOptions& answering,
                 std::span<const ModelSize> sizes, std::span<Answers> answers,
                 const ProgressCallback& on_progress) {
  if (data.items.empty() || sizes.empty()) return true;
  const auto session = engine.NewSession(answering.context);
  GenerateOptions options{.max_tokens = answering.max_tokens, .image_size = answering.image_size};
  options.sampling.temperature = 0;
  int64_t done = 0;
  for (const LabPassage& passage : data.passages) {
    if (passage.item < 0) continue;
    const LabItem& item = data.items[static_cast<size_t>(passage.item)];
    const auto told = [&](const Progress&) {
      return !on_progress ||
             on_progress({"answering with " + std::to_string(sizes.size()) + " sizes", done,
                          static_cast<int64_t>(data.passages.size())});
    };
    if (!told({})) return false;
    // Media are loaded and encoded once for all sizes.
    std::vector<Turn> turns;
    try {
      turns = TurnsOf(item);
    } catch (const Error&) {
      for (Answers& each : answers) {
        ++each.items;
        ++each.errors;
      }
      continue;
    }
    for (size_t i = 0; i < sizes.size(); ++i) {
      options.size = sizes[i];
      if (!AnswerOne(*session, item, turns, options, told, answers[i])) return false;
    }
    ++done;
  }
  return true;
}

bool ChooseAnswers(Lab& lab, const LabData& data, const WindowOptions& windows,
                   std::span<const ModelSize> sizes, std::span<Answers> answers,
                   const ProgressCallback& on_progress) {
  const std::vector<ChoicePassage> choices = ChoicesOf(data);
  if (choices.empty() || sizes.empty()) return true;
  if (!lab.Read(PassagesOf(data, choices), {.windows = windows}, on_progress)) return false;
  const auto scores = lab.Score(sizes, on_progress);
  if (!scores) return false;
  for (size_t size = 0; size < sizes.size(); ++size) {
    std::map<size_t, size_t> likeliest;  // of each item, a place in `choices`
    for (size_t i = 0; i < choices.size(); ++i) {
      const auto loss = [&](size_t place) {
        return (*scores)[size][place].negative_log_likelihood;
      };
      const auto [at, is_new] = likeliest.try_emplace(choices[i].item, i);
      if (!is_new && loss(i) < loss(at->second)) at->second = i;
    }
    for (const auto& [number, place] : likeliest) {
      const Item& item = data.items[number].item;
      ++answers[size].choice_items;
      answers[size].choices_right += item.choices[choices[place].choice] == item.answer;
    }
  }
  return true;
}

}  // namespace gemma3n::cli
