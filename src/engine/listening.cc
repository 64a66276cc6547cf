// SPDX-License-Identifier: Apache-2.0
#include "engine/listening.h"

#include <algorithm>
#include <chrono>

#include "base/free_memory.h"
#include "engine/elapsed.h"
#include "engine/session.h"
#include "model/soft_tokens.h"

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;

// The one clip without samples. Throws Error (kUsage).
Part* PlaceOfClip(std::vector<Turn>& turns) {
  std::vector<Part*> found;
  for (Turn& turn : turns) {
    for (Part& part : turn.parts) {
      const auto* clip = std::get_if<std::shared_ptr<const AudioClip>>(&part.content);
      if (clip != nullptr && (*clip)->samples.empty()) found.push_back(&part);
    }
  }
  if (found.size() == 1) return found[0];
  throw Error(ErrorKind::kUsage,
              "listening: expected a conversation with one clip that has no samples yet, found " +
                  std::to_string(found.size()));
}

const AudioEncoder& EncoderOf(const LoadedModel& model) {
  if (model.audio) return *model.audio;
  throw Error(ErrorKind::kRequest, "this model does not hear: it has no audio encoder");
}

}  // namespace

ListeningOfSession::ListeningOfSession(SessionOfModel& session, LoadedModel& model,
                                       const std::vector<Turn>& turns,
                                       const GenerateOptions& options)
    : session_(session),
      model_(model),
      options_(options),
      clip_(std::make_shared<AudioClip>()),
      turns_(turns),
      place_(PlaceOfClip(turns_)),
      stream_(EncoderOf(model).Stream(kLeastTokens)) {
  clip_->sample_rate_hz =
      std::get<std::shared_ptr<const AudioClip>>(place_->content)->sample_rate_hz;
  place_->content = std::shared_ptr<const AudioClip>(clip_);
  place_->id = {};
  prompt_ = LayOut(model_, turns_, options_, /*open_answer=*/true);
  const auto medium = std::find_if(prompt_.media.begin(), prompt_.media.end(),
                                   [this](const Medium& one) { return one.clip == clip_.get(); });
  CHECK(medium != prompt_.media.end());
  medium_ = medium->key;
  const int index = static_cast<int>(medium - prompt_.media.begin());
  while (prompt_.items[first_].medium != index) ++first_;
  soft_tokens_ =
      std::make_shared<Tensor>(Shape({model_.facts.audio_tokens, model_.config.text.hidden_size}));
  model_.CheckEncoder(kAudioTensors);
  session_.BeginListening(prompt_, options_);
  ReadTo(first_);
}

ListeningOfSession::~ListeningOfSession() {
  model_.checkpoint->GiveBack(kAudioTensors);
  GiveBackFreedMemory();
}

void ListeningOfSession::ReadTo(size_t end) {
  session_.media().Know(medium_, soft_tokens_);
  session_.ReadAhead(prompt_, end, timings_);
}

void ListeningOfSession::TakeBack() {
  if (given_) session_.Rename(*given_, medium_);
  given_.reset();
}

void ListeningOfSession::TakeTokens(const Tensor& features) {
  const int64_t rows = features.shape()[0];
  if (rows == 0) return;
  CHECK_LE(known_ + rows, soft_tokens_->shape()[0]);
  const MultimodalEmbedder& embedder = *model_.weights.embedding.audio;
  EmbedFeatures(embedder, {features.data(), rows, embedder.width()},
                {soft_tokens_->row(known_), rows, soft_tokens_->shape()[1]}, model_.pool);
}

void ListeningOfSession::Push(std::span<const float> samples) {
  if (samples.empty()) return;
  session_.CheckUnused();
  CheckClip(model_, static_cast<int64_t>(clip_->samples.size() + samples.size()),
            clip_->sample_rate_hz);
  model_.checkpoint->CheckUnchanged();
  TakeBack();
  if (closed_) session_.ForgetRows(medium_, known_);
  closed_ = false;
  clip_->samples.insert(clip_->samples.end(), samples.begin(), samples.end());
  const Clock::time_point begin = Clock::now();
  const Tensor features = stream_.Push(samples, model_.pool);
  TakeTokens(features);
  known_ += features.shape()[0];
  timings_.audio_tokens = known_;
  timings_.audio_ms += MillisecondsSince(begin);
  if (features.shape()[0] == 0) return;
  ReadTo(PositionOfRow(known_));
}

void ListeningOfSession::CloseHere() {
  if (closed_) return;
  const Clock::time_point begin = Clock::now();
  AudioStream ending = stream_;
  const Tensor features = ending.Finish(model_.pool);
  TakeTokens(features);
  FillClip(model_, known_ + features.shape()[0], *soft_tokens_);
  timings_.audio_ms += MillisecondsSince(begin);
  closed_ = true;
}

bool ListeningOfSession::ReadOn() {
  TakeBack();
  CloseHere();
  // All but the last position, which an answer computes anew for its logits, and no further than
  // from where the session can come back.
  const size_t from = session_.CountRead(prompt_), certain = PositionOfRow(known_);
  const size_t all = prompt_.items.size() - 1;
  const size_t end = std::min(all, std::max(from, certain) + kPiece);
  if (from >= all || !session_.CouldComeBack(certain, end)) return false;
  ReadTo(end);
  return end < all;
}

const std::vector<Turn>& ListeningOfSession::Conversation() {
  if (given_) return turns_;
  CloseHere();
  // A copy of both: rows behind the known ones become others when the clip goes on.
  const auto clip = std::make_shared<const AudioClip>(*clip_);
  place_->content = clip;
  given_ = Medium(clip, *clip, ContentId{}, 0).key;
  session_.Rename(medium_, *given_);
  session_.media().Know(*given_, std::make_shared<const Tensor>(soft_tokens_->Copy()));
  return turns_;
}

}  // namespace gemma3n
