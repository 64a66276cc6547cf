// SPDX-License-Identifier: Apache-2.0
// What is told of a prompt's own positions, while it is read: log-probabilities of its tokens, the
// mean of its hidden states. None can be taken from the cache then, which holds neither.
#include <algorithm>

#include "engine/session.h"

namespace gemma3n {

void SessionOfModel::ReadScored(Request& request, size_t from, size_t end) {
  const std::vector<Prompt::Item>& items = request.prompt.items;
  const size_t vocab = logits_.size(), count = end - from;
  std::vector<TokenLogprob>& scores = request.result.prompt_logprobs;
  scores.resize(items.size());
  scores[0] = {.id = items[0].id, .logprob = 0, .likeliest = {}};
  request.scored.resize(vocab * static_cast<size_t>(kScoredAtOnce));
  const std::span<float> rows = std::span(request.scored).first(vocab * count);
  Compute(request.prompt, from, end, LogitsWanted::kAll, rows);
  const size_t targets = std::min(end, items.size() - 1) - from;  // nothing follows the last one
  model_.pool.ParallelFor(targets, [&](size_t i) {
    scores[from + i + 1] = Sampler::Logprob(rows.subspan(i * vocab, vocab), items[from + i + 1].id,
                                            request.options.top_logprobs);
  });
  const std::span<const float> last = rows.subspan((count - 1) * vocab, vocab);
  std::copy(last.begin(), last.end(), logits_.begin());
  if (end < items.size()) return;
  request.scored = {};
  if (!request.options.on_logprob) return;
  for (const TokenLogprob& score : scores) request.options.on_logprob(score);
}

void SessionOfModel::ReadEmbedded(Request& request, size_t from, size_t end) {
  const size_t width = static_cast<size_t>(decoder_->hidden_size());
  std::vector<float> rows(width * (end - from));
  decoder_->PrefillHidden(state_, Inputs(request.prompt, from, end), rows);
  NoteDone(request.prompt, from, end);
  // In the order of positions, so that pieces make no difference.
  request.embedded.resize(width);
  for (size_t i = 0; i < rows.size(); ++i) request.embedded[i % width] += rows[i];
  const size_t total = request.prompt.items.size();
  if (end < total) return;
  for (double sum : request.embedded) {
    request.result.prompt_embedding.push_back(static_cast<float>(sum / static_cast<double>(total)));
  }
}

}  // namespace gemma3n
