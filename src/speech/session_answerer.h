// SPDX-License-Identifier: Apache-2.0
// Answers questions about speech in sessions made for it.
#pragma once

#include <memory>
#include <vector>

#include "gemma3n/answerer.h"
#include "gemma3n/listening.h"
#include "gemma3n/transcribe.h"

namespace gemma3n {

class SessionAnswerer : public Answerer {
 public:
  // As many sessions as options.together says. Throws Error (kUsage, kRequest, kResources).
  SessionAnswerer(Engine& engine, const TranscribeOptions& options);

  size_t most() const override { return sessions_.size(); }
  size_t size() const override { return batch_->size(); }
  void Add(BatchRequest request) override;
  void Advance() override { batch_->Advance(); }

  // In the session that the next request will be answered in.
  std::unique_ptr<Listening> Listen(const std::vector<Turn>& turns,
                                    const GenerateOptions& options) {
    return free_.back()->Listen(turns, options);
  }

 private:
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<Session*> free_;  // those without a request under way
  std::unique_ptr<Batch> batch_;
};

}  // namespace gemma3n
