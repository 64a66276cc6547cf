// SPDX-License-Identifier: Apache-2.0
#include "server/piece_answers.h"

#include <algorithm>
#include <utility>

namespace gemma3n::server {
namespace {

constexpr size_t kMostPieces = 8;  // more at once gain little: docs/benchmarks.md
constexpr std::chrono::milliseconds kGlance(50);

}  // namespace

size_t PieceAnswers::most() const {
  return std::min(kMostPieces, worker_.sessions());
}

void PieceAnswers::Add(BatchRequest request) {
  Ask ask{.turns = std::move(request.turns), .options = request.options};
  request.turns.clear();
  std::shared_ptr<Answering> answering =
      worker_.Submit({std::move(ask)}, asker_, Patience::kLongWork);
  under_way_.push_back({std::move(request), std::move(answering)});
}

void PieceAnswers::Advance() {
  bool came = false;
  for (auto one = under_way_.begin(); one != under_way_.end();) {
    const auto next = std::next(one);
    came |= Take(one, std::chrono::milliseconds(0));
    one = next;
  }
  if (came || under_way_.empty()) return;
  if (!Take(under_way_.begin(), kGlance) && under_way_.front().request.on_progress) {
    under_way_.front().request.on_progress({.what = "waiting", .done = 0, .total = 0});
  }
}

// What has come of one of them; whether anything has.
bool PieceAnswers::Take(std::list<UnderWay>::iterator one, std::chrono::milliseconds patience) {
  std::optional<AnswerEvent> event = one->answering->Next(patience);
  if (!event) return false;
  const BatchRequest& request = one->request;
  if (!event->text.empty() && request.on_text && !request.on_text(event->text)) {
    one->answering->Cancel();
  }
  if (!event->result && event->error == nullptr) return true;
  const auto on_done = one->request.on_done;
  under_way_.erase(one);  // it may add another one
  on_done(event->result ? std::move(*event->result) : GenerateResult(), event->error);
  return true;
}

}  // namespace gemma3n::server
