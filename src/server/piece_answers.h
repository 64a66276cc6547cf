// SPDX-License-Identifier: Apache-2.0
// Answers the questions of a long work by handing them to the worker.
#pragma once

#include <list>
#include <memory>

#include "gemma3n/answerer.h"
#include "server/worker.h"

namespace gemma3n::server {

class PieceAnswers : public Answerer {
 public:
  PieceAnswers(Worker& worker, const Asker& asker) : worker_(worker), asker_(asker) {}

  // One more than are answered at once is ready when one of these ends.
  size_t most() const override;
  size_t size() const override { return under_way_.size(); }
  void Add(BatchRequest request) override;
  void Advance() override;

 private:
  struct UnderWay {
    BatchRequest request;
    std::shared_ptr<Answering> answering;  // letting go of it cancels it
  };
  bool Take(std::list<UnderWay>::iterator one, std::chrono::milliseconds patience);

  Worker& worker_;
  const Asker asker_;
  std::list<UnderWay> under_way_;
};

}  // namespace gemma3n::server
