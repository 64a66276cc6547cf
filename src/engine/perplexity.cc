// SPDX-License-Identifier: Apache-2.0
#include "engine/perplexity.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "engine/logits_file.h"
#include "engine/passage.h"
#include "model/decoder.h"
#include "model/logits.h"

namespace gemma3n {
namespace {

constexpr size_t kAtOnce = 64;  // positions whose logits are held: 67 MB of Gemma 3n's vocabulary

struct Mean {
  double mean = 0, standard_error = 0;
};
Mean MeanOf(std::span<const PositionScore> scores, double PositionScore::*field) {
  const double n = static_cast<double>(scores.size());
  double sum = 0, squares = 0;
  for (const PositionScore& score : scores) sum += score.*field;
  for (const PositionScore& score : scores) {
    squares += (score.*field - sum / n) * (score.*field - sum / n);
  }
  return {sum / n, n > 1 ? std::sqrt(squares / (n - 1) / n) : 0};
}

// Scores window after window.
class Scorer {
 public:
  Scorer(LoadedModel& model, const PerplexityOptions& options)
      : model_(model), decoder_(model.NewDecoder()) {
    const int64_t vocabulary = decoder_->vocab_size();
    if (!options.reference.empty()) reference_.emplace(options.reference, vocabulary);
    if (!options.save_logits.empty()) writer_.emplace(options.save_logits, vocabulary);
    logits_.resize(kAtOnce * static_cast<size_t>(vocabulary));
  }

  // `told` is called between pieces and cancels with false.
  bool Add(const Window& window, const std::function<bool()>& told) {
    const std::span<const DecoderInput> inputs(window.inputs);
    DecoderState state(model_.config.text, {.context_length = static_cast<int64_t>(inputs.size()),
                                            .kv_type = model_.kv_type});
    // The last position before a target predicts it; what stands before needs no logits.
    const size_t before = window.first_target - 1;
    for (size_t from = 0; from < before; from += kBefore) {
      if (!told()) return false;
      decoder_->Prefill(state, inputs.subspan(from, std::min(kBefore, before - from)),
                        LogitsWanted::kNone, {});
    }
    for (size_t from = before; from + 1 < inputs.size(); from += kAtOnce) {
      if (!told()) return false;
      const size_t count = std::min(kAtOnce, inputs.size() - 1 - from);
      const std::span<float> logits =
          std::span(logits_).first(count * static_cast<size_t>(decoder_->vocab_size()));
      decoder_->Prefill(state, inputs.subspan(from, count), LogitsWanted::kAll, logits);
      Score(inputs.subspan(from + 1, count), logits);
    }
    return true;
  }

  PerplexityReport Finish() {
    if (scores_.empty()) throw Error(ErrorKind::kUsage, "expected text to score, found no token");
    if (reference_) reference_->CheckEnd();
    model_.checkpoint->CheckUnchanged();  // else the numbers would be wrong
    if (writer_) writer_->Finish();
    return Summary(scores_, reference_.has_value());
  }

 private:
  static constexpr size_t kBefore = 256;  // the decoder's chunk

  void Score(std::span<const DecoderInput> targets, std::span<const float> logits) {
    std::vector<int32_t> ids;
    for (const DecoderInput& target : targets) ids.push_back(target.id);
    const std::span<const float> reference =
        reference_ ? reference_->Next(ids) : std::span<const float>();
    const size_t width = static_cast<size_t>(decoder_->vocab_size()), first = scores_.size();
    scores_.resize(first + ids.size());
    model_.pool.ParallelFor(ids.size(), [&](size_t i) {
      scores_[first + i] = gemma3n::Score(
          logits.subspan(i * width, width),
          reference.empty() ? reference : reference.subspan(i * width, width), ids[i]);
    });
    if (writer_) writer_->Add(logits, ids);
  }

  LoadedModel& model_;
  std::unique_ptr<Decoder> decoder_;
  std::optional<LogitsReader> reference_;
  std::optional<LogitsWriter> writer_;
  std::vector<float> logits_;
  std::vector<PositionScore> scores_;
};

void CheckPaths(const PerplexityOptions& options) {
  std::error_code ignored;
  if (options.reference.empty() || options.save_logits.empty()) return;
  if (options.reference != options.save_logits &&
      !std::filesystem::equivalent(options.reference, options.save_logits, ignored)) {
    return;
  }
  throw Error(ErrorKind::kUsage, options.save_logits.string() +
                                     ": is the reference; save the logits under another name");
}

}  // namespace

PositionScore Score(std::span<const float> logits, std::span<const float> reference,
                    int32_t target) {
  PositionScore score{.negative_log_likelihood = LogSum(logits) - logits[target]};
  if (reference.empty()) return score;
  score.divergence = Divergence(reference, logits);
  score.reference_negative_log_likelihood = LogSum(reference) - reference[target];
  score.same_likeliest = Likeliest(logits) == Likeliest(reference);
  return score;
}

PerplexityReport Summary(std::span<const PositionScore> scores, bool with_reference) {
  const Mean loss = MeanOf(scores, &PositionScore::negative_log_likelihood);
  PerplexityReport report{.tokens = static_cast<int64_t>(scores.size()),
                          .negative_log_likelihood = loss.mean,
                          .standard_error = loss.standard_error,
                          .perplexity = std::exp(loss.mean)};
  if (!with_reference) return report;
  const Mean mean = MeanOf(scores, &PositionScore::divergence);
  std::vector<double> sorted;
  int64_t same = 0;
  for (const PositionScore& score : scores) {
    sorted.push_back(score.divergence);
    same += score.same_likeliest;
  }
  std::sort(sorted.begin(), sorted.end());
  const size_t n = sorted.size();
  report.divergence = DivergenceReport{
      .mean = mean.mean,
      .median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2,
      // The smallest value that 99 % of all do not exceed.
      .most_of_99_percent = sorted[(n * 99 + 99) / 100 - 1],
      .most = sorted.back(),
      .standard_error = mean.standard_error,
      .same_likeliest = static_cast<double>(same) / static_cast<double>(n),
      .reference_perplexity =
          std::exp(MeanOf(scores, &PositionScore::reference_negative_log_likelihood).mean)};
  return report;
}

std::optional<PerplexityReport> Perplexity(LoadedModel& model, const Passages& passages,
                                           const PerplexityOptions& options,
                                           const ProgressCallback& on_progress) {
  CheckPaths(options);
  PassageReader reader(model, options.windows);
  Scorer scorer(model, options);
  for (int64_t i = 0; i < passages.count; ++i) {
    const bool several = passages.count > 1;
    Progress progress{"scoring", i, passages.count};
    const auto told = [&] { return !on_progress || on_progress(progress); };
    if (!told()) return std::nullopt;
    // Of several passages their number is shown, of a single one its windows.
    const ProgressCallback cancels_only = [&](const Progress&) { return told(); };
    const bool whole = reader.Read(passages.at(i), cancels_only,
                                   [&](const Window& window, int64_t number, int64_t count) {
                                     if (!several) progress = {"scoring", number, count};
                                     return scorer.Add(window, told);
                                   });
    if (!whole) return std::nullopt;
  }
  return scorer.Finish();
}

}  // namespace gemma3n
