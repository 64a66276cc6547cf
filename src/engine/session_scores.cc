// SPDX-License-Identifier: Apache-2.0
// Log-probabilities of a prompt's own tokens, while it is read. No position can be taken from the
// cache then: it holds no logits.
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
  if (end == items.size()) request.scored = {};
}

}  // namespace gemma3n
