// SPDX-License-Identifier: Apache-2.0
// A clip that grows: its encoder's stream, its soft tokens, and how far the session has read them.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "audio/stream.h"
#include "engine/media_encoder.h"
#include "engine/prompt.h"
#include "gemma3n/listening.h"

namespace gemma3n {

class SessionOfModel;

class ListeningOfSession : public Listening {
 public:
  // As Session::Listen. Reads what stands before the clip.
  ListeningOfSession(SessionOfModel& session, LoadedModel& model, const std::vector<Turn>& turns,
                     const GenerateOptions& options);
  ~ListeningOfSession() override;

  void Push(std::span<const float> samples) override;
  bool ReadOn() override;
  const std::vector<Turn>& Conversation() override;
  Timings timings() const override { return timings_; }

 private:
  // Known tokens wait until the decoder's kernels can take so many together: each time the weights
  // of encoder and decoder are read.
  static constexpr int64_t kLeastTokens = 6;
  // Positions that ReadOn reads at a time.
  static constexpr size_t kPiece = 48;

  void ReadTo(size_t end);
  // What the session has read of the conversation that was given is ours again.
  void TakeBack();
  void TakeTokens(const Tensor& features);
  // The rows behind the known ones, were this the end.
  void CloseHere();
  size_t PositionOfRow(int64_t row) const { return first_ + static_cast<size_t>(row); }

  SessionOfModel& session_;
  LoadedModel& model_;
  GenerateOptions options_;
  std::shared_ptr<AudioClip> clip_;  // it grows, and is given to nobody
  std::vector<Turn> turns_;
  Part* place_ = nullptr;  // of the clip, in turns_
  Prompt prompt_;
  MediumKey medium_;
  std::optional<MediumKey> given_;  // a copy of the clip, which stands in turns_
  size_t first_ = 0;                // position of the clip's first soft token
  AudioStream stream_;
  std::shared_ptr<Tensor> soft_tokens_;  // [audio tokens, hidden]
  int64_t known_ = 0;                    // rows that no later sample changes
  bool closed_ = false;                  // the rows behind them are those of a clip that ends here
  Timings timings_;
};

}  // namespace gemma3n
