// SPDX-License-Identifier: Apache-2.0
#include "server/media_reader.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "server/base64.h"
#include "server/content_id.h"
#include "server/refusal.h"

namespace gemma3n::server {
namespace {

constexpr size_t kMostKeptBytes = 64u << 20;

// Whatever its scheme and however that is written; no base64 and no data: has this behind its first
// colon.
bool IsAddress(std::string_view text) {
  const size_t colon = text.find(':');
  return colon != std::string_view::npos && text.substr(colon).starts_with("://");
}

[[noreturn]] void RefuseAddress(const std::string& param) {
  throw Refusal(Reason::kUnsupportedValue,
                param + ": this server fetches nothing; send the bytes as data:TYPE;base64,...",
                param);
}

// Behind "data:TYPE;PARAMETERS;base64,". Nothing where it is not one of these.
std::optional<std::string_view> PayloadOf(std::string_view uri) {
  constexpr std::string_view kScheme = "data:", kCoding = ";base64";
  if (!uri.starts_with(kScheme)) return std::nullopt;
  const size_t comma = uri.find(',');
  if (comma == std::string_view::npos || !uri.substr(0, comma).ends_with(kCoding)) {
    return std::nullopt;
  }
  return uri.substr(comma + 1);
}

Reason ReasonOf(MediaReader::Kind kind) {
  switch (kind) {
    case MediaReader::Kind::kPicture:
      return Reason::kInvalidImage;
    case MediaReader::Kind::kSound:
      return Reason::kInvalidAudio;
    case MediaReader::Kind::kFilm:
      break;
  }
  return Reason::kInvalidVideo;
}

size_t BytesOf(const Image& image) {
  return image.rgb.size();
}
size_t BytesOf(const AudioClip& clip) {
  return clip.samples.size() * sizeof(float);
}
size_t BytesOf(const VideoClip& film) {
  size_t bytes = BytesOf(film.audio);
  for (const VideoFrame& frame : film.frames) bytes += BytesOf(frame.image);
  return bytes;
}
size_t BytesOf(const std::string& text) {
  return text.size();
}
size_t BytesOf(const ImageFile& file) {
  return file.memory_bytes();
}

struct BytesOfContent {
  size_t operator()(const std::string& text) const { return BytesOf(text); }
  template <class T>
  size_t operator()(const std::shared_ptr<const T>& medium) const {
    return BytesOf(*medium);
  }
};

std::span<const uint8_t> AsBytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

MediaReader::Kind KindOfBytes(std::span<const uint8_t> beginning, const std::string& param) {
  const MediaType type = DetectMediaKind(beginning);
  switch (type.kind) {
    case MediaKind::kImage:
      return MediaReader::Kind::kPicture;
    case MediaKind::kAudio:
      return MediaReader::Kind::kSound;
    case MediaKind::kVideo:
      return MediaReader::Kind::kFilm;
    case MediaKind::kUnknown:
      break;
  }
  throw Refusal(Reason::kUnsupportedValue,
                param + ": expected a picture, a sound or a film as data:TYPE;base64,..., found " +
                    (type.format.empty() ? "none of them" : "a " + type.format),
                param);
}

// A spool's bytes, without a copy of them.
class Mapped {
 public:
  explicit Mapped(const Spool& file) : size_(file.size()) {
    if (size_ == 0) return;
    start_ = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
    if (start_ == MAP_FAILED) throw std::bad_alloc();
  }
  ~Mapped() {
    if (size_ > 0) munmap(start_, size_);
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  std::span<const uint8_t> bytes() const { return {static_cast<const uint8_t*>(start_), size_}; }

 private:
  const size_t size_;
  void* start_ = nullptr;
};

}  // namespace

MediaReader::MediaReader(const ModelFacts& facts, const ServerLimits& limits)
    : facts_(facts), most_held_bytes_(limits.all_media_bytes) {
  options_.limits = limits.media;
}

Part MediaReader::Read(Kind kind, const std::string& text, bool bare, const std::string& param,
                       const std::string& owner, const VideoOptions& video, const GoesOn& goes_on) {
  CheckTaken(kind, param);
  if (IsAddress(text)) RefuseAddress(param);
  std::optional<std::string_view> payload = PayloadOf(text);
  if (!payload && bare && !text.starts_with("data:")) payload = text;
  std::optional<std::string> bytes;
  if (payload) bytes = DecodeBase64(*payload);
  if (!bytes) {
    throw Refusal(ReasonOf(kind),
                  param +
                      (bare ? ": expected base64 or data:TYPE;base64,..."
                            : ": expected data:TYPE;base64,... with strict base64") +
                      ", found '" + Shown(text) + "'",
                  param);
  }
  return ReadBytes(kind, AsBytes(*bytes), param, owner, video, goes_on);
}

void MediaReader::CheckTaken(Kind kind, const std::string& param) const {
  if (kind == Kind::kSound ? !facts_.hears : !facts_.sees) {
    throw Refusal(
        Reason::kUnsupportedValue,
        param + (kind == Kind::kSound ? ": this model does not hear" : ": this model does not see"),
        param);
  }
}

Part MediaReader::ReadFile(const Spool& file, const std::string& param, const std::string& owner,
                           const VideoOptions& video, const GoesOn& goes_on) {
  const Mapped mapped(file);
  const Kind kind =
      KindOfBytes(mapped.bytes().first(std::min<size_t>(mapped.bytes().size(), 8192)), param);
  CheckTaken(kind, param);
  return ReadBytes(kind, mapped.bytes(), param, owner, video, goes_on);
}

Part MediaReader::ReadBytes(Kind kind, std::span<const uint8_t> bytes, const std::string& param,
                            const std::string& owner, const VideoOptions& video,
                            const GoesOn& goes_on) {
  const std::string settings = std::to_string(static_cast<int>(kind)) + "," +
                               std::to_string(video.fps) + "," + std::to_string(video.from_s) +
                               "," + std::to_string(video.to_s);
  const ContentId id =
      ContentIdOf({settings, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}});
  if (std::optional<Part> known = Find(owner, id)) return *known;
  Part part = Decode(kind, bytes, video, param, goes_on);
  part.id = id;
  Keep(owner, part);
  return part;
}

MediaReader::Kind MediaReader::KindOf(const std::string& text, const std::string& param) const {
  if (IsAddress(text)) RefuseAddress(param);
  constexpr size_t kBeginning = 8192;  // characters, whole groups of four
  const std::string_view payload = PayloadOf(text).value_or(text);
  const std::optional<std::string> bytes = DecodeBase64(payload.substr(0, kBeginning));
  return KindOfBytes(bytes ? AsBytes(*bytes) : std::span<const uint8_t>(), param);
}

Part MediaReader::Decode(Kind kind, std::span<const uint8_t> data, const VideoOptions& video,
                         const std::string& param, const GoesOn& goes_on) {
  while (!decoders_.try_acquire_for(std::chrono::milliseconds(50))) {
    if (goes_on && !goes_on()) throw Refusal(Reason::kBusy, "the client left");
  }
  struct Release {
    std::counting_semaphore<>& decoders;
    ~Release() { decoders.release(); }
  } const release{decoders_};
  MediaOptions options = options_;
  options.goes_on = goes_on;
  Part part("");
  try {
    switch (kind) {
      case Kind::kPicture:
        part.content = Count(ImageFile({data.begin(), data.end()}, param, options_));
        return part;
      case Kind::kSound:
        part.content = Count(ParseAudio(data, param, options));
        return part;
      case Kind::kFilm:
        break;
    }
    part.content = Count(ParseVideo(data, param, video, options));
    return part;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kMedia) throw;
    throw Refusal(ReasonOf(kind), error.what(), param);
  }
}

size_t MediaReader::BytesOf(const Part& part) {
  return std::visit(BytesOfContent(), part.content);
}

size_t MediaReader::BytesOf(std::span<const Turn> turns) {
  size_t bytes = 0;
  for (const Turn& turn : turns) {
    for (const Part& part : turn.parts) bytes += BytesOf(part);
  }
  return bytes;
}

template <class T>
std::shared_ptr<const T> MediaReader::Count(T medium) {
  const uint64_t bytes = server::BytesOf(medium);
  auto owned = std::make_unique<const T>(std::move(medium));
  {
    const std::lock_guard lock(mutex_);
    while (!kept_.empty() && *held_bytes_ + bytes > most_held_bytes_) {
      kept_bytes_ -= kept_.back().bytes;
      kept_.pop_back();
    }
    if (*held_bytes_ + bytes > most_held_bytes_) {
      throw Refusal(Reason::kBusy,
                    "the pictures, sounds and films of all requests take too much memory; try "
                    "again later");
    }
    *held_bytes_ += bytes;
  }
  return {owned.release(), [bytes, held = held_bytes_](const T* one) {
            delete one;
            *held -= bytes;
          }};
}

std::optional<Part> MediaReader::Find(const std::string& owner, const ContentId& id) {
  const std::lock_guard lock(mutex_);
  for (auto at = kept_.begin(); at != kept_.end(); ++at) {
    if (at->part.id != id || at->owner != owner) continue;
    kept_.splice(kept_.begin(), kept_, at);
    return at->part;
  }
  return std::nullopt;
}

void MediaReader::Keep(const std::string& owner, const Part& part) {
  const size_t bytes = BytesOf(part);
  if (bytes > kMostKeptBytes) return;
  const std::lock_guard lock(mutex_);
  kept_.push_front({owner, part, bytes});
  kept_bytes_ += bytes;
  while (kept_bytes_ > kMostKeptBytes) {
    kept_bytes_ -= kept_.back().bytes;
    kept_.pop_back();
  }
}

}  // namespace gemma3n::server
