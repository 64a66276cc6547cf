// SPDX-License-Identifier: Apache-2.0
#include "engine/prompt.h"

#include <algorithm>
#include <cstdio>

#include "engine/answer.h"

namespace gemma3n {
namespace {

// Gathers the parts of a conversation in the order in which their placeholders will stand.
class Collector {
 public:
  Collector(const LoadedModel& model, int64_t image_size) : model_(model), image_size_(image_size) {
    if (image_size_ == 0) image_size_ = model.facts.default_image_size;
    if (model.vision && (image_size_ % VisionEncoder::kSizeMultiple != 0 || image_size_ < 32 ||
                         image_size_ > 4096)) {
      throw Error(ErrorKind::kRequest,
                  "image size: expected a multiple of 32 in [32, 4096], found " +
                      std::to_string(image_size_));
    }
  }

  ChatTurn Take(const Turn& turn) {
    static constexpr const char* kRoles[] = {"system", "user", "model"};
    chat_turn_ = {kRoles[static_cast<int>(turn.role)], {}};
    for (const Part& part : turn.parts) {
      std::visit([&](const auto& content) { Add(content, part.id); }, part.content);
    }
    if (turn.role != Role::kUser) {
      for (const ChatPart& part : chat_turn_.parts) {
        if (part.kind != ChatPart::Kind::kText) {
          throw Error(ErrorKind::kRequest, "pictures and sound belong into a user's turn");
        }
      }
    }
    return std::move(chat_turn_);
  }

  std::vector<Medium> media;

 private:
  void Add(const std::string& text, const ContentId& = {}) {
    chat_turn_.parts.push_back({ChatPart::Kind::kText, text});
  }
  void Add(const std::shared_ptr<const Image>& image, const ContentId& id) {
    AddPicture({image, *image, id, 0, image_size_});
  }
  void Add(const std::shared_ptr<const ImageFile>& file, const ContentId& id) {
    AddPicture({file, id, image_size_});
  }
  void Add(const std::shared_ptr<const AudioClip>& clip, const ContentId& id) {
    AddClip({clip, *clip, id, 0});
  }
  void Add(const std::shared_ptr<const VideoClip>& film, const ContentId& id) {
    int64_t index = 0;
    for (const VideoFrame& frame : film->frames) {
      const int64_t seconds = static_cast<int64_t>(frame.time_s);
      char time[32];
      std::snprintf(time, sizeof(time), "%02d:%02d", static_cast<int>(seconds / 60),
                    static_cast<int>(seconds % 60));
      Add(std::string(time));
      AddPicture({film, frame.image, id, index++, image_size_});
    }
    if (!film->audio.samples.empty() && model_.audio) AddClip({film, film->audio, id, index});
  }

  void AddPicture(Medium picture) {
    if (!model_.vision) {
      throw Error(ErrorKind::kRequest, "this model does not see: it has no vision encoder");
    }
    media.push_back(std::move(picture));
    chat_turn_.parts.push_back({ChatPart::Kind::kImage, {}});
  }

  void AddClip(Medium sound) {
    if (!model_.audio) {
      throw Error(ErrorKind::kRequest, "this model does not hear: it has no audio encoder");
    }
    CheckClip(model_, static_cast<int64_t>(sound.clip->samples.size()), sound.clip->sample_rate_hz);
    media.push_back(std::move(sound));
    chat_turn_.parts.push_back({ChatPart::Kind::kAudio, {}});
  }

  const LoadedModel& model_;
  int64_t image_size_;
  ChatTurn chat_turn_;
};

// Gives every placeholder its medium. Typed text cannot make placeholders, and loading has checked
// the tokens of media; yet a tokenizer.json may hold tokens that join a placeholder with what
// stands before it, and only the whole prompt shows that.
void AssignMedia(const LoadedModel& model, const std::vector<int32_t>& ids, Prompt& prompt) {
  const auto check = [&](bool holds) {
    if (holds) return;
    throw Error(ErrorKind::kModel,
                (model.checkpoint->directory() / "tokenizer.json").string() +
                    ": expected one token for each row of a picture or clip in this prompt, found "
                    "others; the file is damaged or not this model's");
  };
  size_t medium = 0;
  int64_t row = 0;
  for (int32_t id : ids) {
    Prompt::Item item{id, -1, 0};
    const bool is_image = model.vision && id == model.config.image_token_id;
    const bool is_audio = model.audio && id == model.config.audio_token_id;
    if (is_image || is_audio) {
      check(medium < prompt.media.size() && prompt.media[medium].is_picture() == is_image);
      item.medium = static_cast<int>(medium);
      item.row = row;
      if (++row == (is_image ? model.facts.image_tokens : model.facts.audio_tokens)) {
        ++medium;
        row = 0;
      }
    }
    prompt.items.push_back(item);
  }
  check(medium == prompt.media.size());
}

}  // namespace

void CheckClip(const LoadedModel& model, int64_t samples, int sample_rate_hz) {
  const AudioEncoder& encoder = *model.audio;
  if (sample_rate_hz != encoder.sampling_rate_hz()) {
    throw Error(ErrorKind::kMedia, "sound: expected " + std::to_string(encoder.sampling_rate_hz()) +
                                       " samples a second, found " +
                                       std::to_string(sample_rate_hz));
  }
  if (encoder.NumTokens(samples) <= model.facts.audio_tokens) return;
  // Samples as well: a clip may be too long by one of them.
  const int64_t most = encoder.MostSamples(model.facts.audio_tokens);
  const double rate = sample_rate_hz;
  char text[200];
  std::snprintf(text, sizeof(text),
                "sound: expected at most %.1f seconds (%lld samples), which is what this model "
                "hears in one clip, found %.1f (%lld samples); cut it into pieces",
                static_cast<double>(most) / rate, static_cast<long long>(most),
                static_cast<double>(samples) / rate, static_cast<long long>(samples));
  throw Error(ErrorKind::kMedia, text);
}

PromptPosition Prompt::At(size_t index) const {
  const Item& item = items[index];
  return {item.id, item.medium < 0 ? MediumKey() : media[static_cast<size_t>(item.medium)].key,
          item.row};
}

std::vector<int32_t> Prompt::ids() const {
  std::vector<int32_t> result;
  for (const Item& item : items) result.push_back(item.id);
  return result;
}

std::vector<PromptPosition> Prompt::positions() const {
  std::vector<PromptPosition> result;
  result.reserve(items.size());
  for (size_t i = 0; i < items.size(); ++i) result.push_back(At(i));
  return result;
}

namespace {

// Ids as they are; none of them stands for a medium.
Prompt LayOutIds(const LoadedModel& model, const std::vector<Turn>& turns,
                 const GenerateOptions& options) {
  if (!options.raw || !turns.empty()) {
    throw Error(ErrorKind::kUsage, "raw_ids: only together with raw, and without turns");
  }
  Prompt prompt;
  const std::vector<int32_t> media = BannedIds(model.config);
  for (int32_t id : options.raw_ids) {
    if (id < 0 || id >= model.config.text.vocab_size) {
      throw Error(ErrorKind::kRequest, "token ids: expected 0 to " +
                                           std::to_string(model.config.text.vocab_size - 1) +
                                           ", found " + std::to_string(id));
    }
    if (std::find(media.begin(), media.end(), id) != media.end()) {
      throw Error(ErrorKind::kRequest, "token ids: " + std::to_string(id) +
                                           " belongs to pictures and sound, which ids cannot be");
    }
    prompt.items.push_back({id});
  }
  prompt.text = model.tokenizer->Decode(options.raw_ids, /*skip_control_tokens=*/false);
  return prompt;
}

}  // namespace

Prompt LayOut(const LoadedModel& model, const std::vector<Turn>& turns,
              const GenerateOptions& options, bool open_answer) {
  // Before the work: an answer from weights that changed meanwhile would be wrong in silence.
  model.checkpoint->CheckUnchanged();
  if (!options.raw_ids.empty()) return LayOutIds(model, turns, options);
  if (turns.empty()) throw Error(ErrorKind::kRequest, "expected a conversation, found no turn");
  Collector collector(model, options.image_size);
  std::vector<ChatTurn> chat_turns;
  for (const Turn& turn : turns) chat_turns.push_back(collector.Take(turn));
  Prompt prompt;
  RenderedPrompt rendered = options.raw ? model.chat_template.RenderRaw(chat_turns)
                                        : model.chat_template.Render(chat_turns, open_answer);
  prompt.media = std::move(collector.media);
  AssignMedia(model, model.tokenizer->Encode(rendered.text, rendered.plain), prompt);
  prompt.text = std::move(rendered.text);
  return prompt;
}

}  // namespace gemma3n
