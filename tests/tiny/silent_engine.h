// SPDX-License-Identifier: Apache-2.0
// An engine and a session without a model, for tests that say themselves what is answered: they
// override what they need; all else is empty.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gemma3n/engine.h"
#include "gemma3n/lab.h"
#include "gemma3n/listening.h"

namespace gemma3n {

class SilentEngine : public Engine {
 public:
  const ModelFacts& facts() const override { return facts_; }
  const ModelSize& size() const override { return size_; }
  ModelSize ParseSize(const std::string&) const override { return size_; }
  SizeFacts FactsOf(const ModelSize&) const override { return {}; }
  std::vector<ModelSize> Ladder(const ModelSize&) const override { return {}; }
  std::vector<int32_t> Tokenize(const std::string&, bool, bool) const override { return {}; }
  std::string Detokenize(std::span<const int32_t>, bool) const override { return ""; }
  std::string Piece(int32_t) const override { return ""; }
  std::vector<int32_t> PromptIds(const std::vector<Turn>&, const GenerateOptions&) override {
    return {};
  }
  std::string PromptText(const std::vector<Turn>&, const GenerateOptions&) override { return ""; }
  bool WriteLogits(std::span<const int32_t>, const std::filesystem::path&,
                   const ProgressCallback&) override {
    return false;
  }
  bool Dump(const std::vector<Turn>&, const GenerateOptions&, const std::filesystem::path&,
            const ProgressCallback&) override {
    return false;
  }
  std::optional<PerplexityReport> Perplexity(const Passages&, const PerplexityOptions&,
                                             const ProgressCallback&) override {
    return std::nullopt;
  }
  std::unique_ptr<Lab> NewLab() override { return nullptr; }

  ModelFacts facts_;

 private:
  ModelSize size_;
};

class SilentSession : public Session {
 public:
  explicit SilentSession(int64_t context) : context_(context) {}
  std::unique_ptr<Listening> Listen(const std::vector<Turn>&, const GenerateOptions&) override {
    return nullptr;
  }
  void Share(std::shared_ptr<PrefixCache>, const std::string&) override {}
  int64_t context() const override { return context_; }
  int64_t position() const override { return 0; }

 private:
  int64_t context_;
};

}  // namespace gemma3n
