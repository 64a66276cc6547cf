// SPDX-License-Identifier: Apache-2.0
#include "server/embedding.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace gemma3n::server {
namespace {

[[noreturn]] void Wrong(const std::string& param, const std::string& message) {
  throw Refusal(Reason::kInvalidValue, param + ": " + message, param);
}

Ask AskFor(const Service& service, EmbeddingInput& input, const EmbeddingOptions& options,
           const std::string& param) {
  if (input.text.empty() && input.ids.empty()) Wrong(param, "expected texts that are not empty");
  if (!input.text.empty()) input.ids = service.engine.Tokenize(input.text, false, true);
  for (const int32_t id : input.ids) {
    if (id >= 0 && id < service.engine.facts().vocab_size) continue;
    Wrong(param, "expected ids from 0 to " + std::to_string(service.engine.facts().vocab_size - 1) +
                     ", found " + std::to_string(id));
  }
  const size_t most = static_cast<size_t>(service.context);
  if (input.ids.size() > most) {
    if (!options.truncate) {
      throw Refusal(Reason::kContextLength,
                    param + ": expected at most " + std::to_string(most) +
                        " tokens in each, found " + std::to_string(input.ids.size()),
                    param);
    }
    input.ids.resize(most);
  }
  Ask ask;
  ask.options.raw = true;
  ask.options.raw_ids = std::move(input.ids);
  ask.options.max_tokens = 0;
  ask.options.prompt_embedding = true;
  return ask;
}

void Finish(std::vector<float>& vector, const EmbeddingOptions& options) {
  if (options.dimensions) vector.resize(static_cast<size_t>(*options.dimensions));
  if (!options.normalize) return;
  double squares = 0;
  for (const float value : vector) squares += static_cast<double>(value) * value;
  if (squares == 0) return;
  const double length = std::sqrt(squares);
  for (float& value : vector) value = static_cast<float>(value / length);
}

}  // namespace

std::optional<Embeddings> Embed(const Service& service, const Request& request, Exchange& exchange,
                                std::vector<EmbeddingInput> inputs, const EmbeddingOptions& options,
                                const std::string& param) {
  if (inputs.empty() || inputs.size() > kMostEmbeddingInputs) {
    Wrong(param, "expected 1 to " + std::to_string(kMostEmbeddingInputs) + " inputs, found " +
                     std::to_string(inputs.size()));
  }
  Embeddings found;
  std::vector<Ask> asks;
  for (EmbeddingInput& input : inputs) {
    asks.push_back(AskFor(service, input, options, param));
    found.tokens += static_cast<int64_t>(asks.back().options.raw_ids.size());
  }
  inputs.clear();
  exchange.ForgetBody(static_cast<uint64_t>(found.tokens) * sizeof(int32_t));
  const size_t count = asks.size();
  const std::shared_ptr<Answering> answering =
      service.worker.Submit(std::move(asks), {request.owner, request.peer});
  std::vector<GenerateResult> results = Collect(*answering, exchange, count);
  if (results.empty()) return std::nullopt;
  for (GenerateResult& result : results) {
    if (result.prompt_embedding.empty()) {  // its time was up
      throw Refusal(Reason::kBusy, "the texts could not be read in the time there was");
    }
    found.vectors.push_back(std::move(result.prompt_embedding));
    Finish(found.vectors.back(), options);
  }
  return found;
}

std::string NumbersText(const std::vector<float>& vector) {
  std::string text = "[";
  char digits[32];
  for (const float value : vector) {
    const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
    text += text.size() > 1 ? "," : "";
    text.append(digits, end);
  }
  return text + "]";
}

}  // namespace gemma3n::server
