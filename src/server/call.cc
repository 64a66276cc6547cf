// SPDX-License-Identifier: Apache-2.0
#include "server/call.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <nlohmann/json.hpp>
#include <random>

#include "server/base64.h"
#include "server/clips.h"
#include "server/content_id.h"

namespace gemma3n::server {
namespace {

constexpr size_t kMostStops = 16, kMostStopBytes = 256, kMostBiases = 1024;
std::atomic<uint64_t> unknown_fields = 0;

}  // namespace

void CannotDo(const Field& field, const std::string& what) {
  throw Refusal(Reason::kUnsupportedValue, field.path() + ": " + what, field.path());
}

void Expected(const Field& field, const std::string& what) {
  throw Refusal(Reason::kInvalidValue, field.path() + ": expected " + what, field.path());
}

std::vector<std::string> ReadStops(const Field& field) {
  if (!field.present()) return {};
  std::vector<std::string> stops;
  for (const Field& stop : field.is_text() ? std::vector{field} : field.Items(kMostStops)) {
    stops.push_back(stop.Text());
    if (stops.back().empty() || stops.back().size() > kMostStopBytes) {
      Expected(stop, "1 to " + std::to_string(kMostStopBytes) + " bytes, found " +
                         std::to_string(stops.back().size()));
    }
  }
  return stops;
}

std::map<int32_t, double> ReadBiases(const Field& field, int64_t vocab_size) {
  std::map<int32_t, double> biases;
  if (!field.present()) return biases;
  if (!field.json().is_object()) Expected(field, "an object");
  if (field.json().size() > kMostBiases) {
    Expected(field, "at most " + std::to_string(kMostBiases) + " tokens");
  }
  for (const auto& [key, value] : field.json().items()) {
    int64_t id = -1;
    const char* const end = key.data() + key.size();
    const auto [next, error] = std::from_chars(key.data(), end, id);
    if (error != std::errc() || next != end || id < 0 || id >= vocab_size) {
      Expected(field, "token ids from 0 to " + std::to_string(vocab_size - 1) + ", found '" +
                          Shown(key) + "'");
    }
    biases[static_cast<int32_t>(id)] =
        Field(value, field.path() + "." + key).Number(-100, 100).value_or(0);
  }
  return biases;
}

void AddChoices(Ask& ask, const Service& service, Call& call) {
  if (ask.prompt.empty()) service.worker.LayOut(ask);
  for (size_t i = 0; i < call.choices_per_prompt; ++i) {
    call.asks.push_back(ask);
    std::optional<uint64_t>& seed = call.asks.back().options.sampling.seed;
    if (seed) *seed += i;
  }
}

Part MediaParts::Picture(const Field& uri, bool bare) {
  CountPictures(1, uri);
  return CountBytes(service_.media.Read(MediaReader::Kind::kPicture, uri.Text(), bare, uri.path(),
                                        owner_, {}, service_.client_waits),
                    uri);
}

Part MediaParts::Sound(const Field& uri) {
  ++call_.clips;
  return CountBytes(service_.media.Read(MediaReader::Kind::kSound, uri.Text(), true, uri.path(),
                                        owner_, {}, service_.client_waits),
                    uri);
}

Part MediaParts::Film(const Field& uri, const VideoOptions& video, bool bare) {
  Part part = service_.media.Read(MediaReader::Kind::kFilm, uri.Text(), bare, uri.path(), owner_,
                                  video, service_.client_waits);
  CountFilm(*std::get<std::shared_ptr<const VideoClip>>(part.content), uri);
  return CountBytes(std::move(part), uri);
}

void MediaParts::CountFilm(const VideoClip& film, const Field& field) {
  CountPictures(static_cast<int64_t>(film.frames.size()), field);
  call_.clips += !film.audio.samples.empty() && service_.engine.facts().hears;
}

std::vector<Part> MediaParts::RawClips(const Field& data, const RawSound& raw) {
  const ModelFacts& facts = service_.engine.facts();
  if (!facts.hears) CannotDo(data, "this model does not hear");
  const std::optional<std::string> bytes = DecodeBase64(data.Text());
  if (!bytes) Expected(data, "strict base64");
  std::vector<float> samples;
  const auto decoder = SoundDecoder::New(raw);
  decoder->Push({reinterpret_cast<const uint8_t*>(bytes->data()), bytes->size()}, samples);
  decoder->Finish(samples);
  if (samples.empty()) {
    throw Refusal(Reason::kInvalidAudio, data.path() + ": no sound", data.path());
  }
  const Clips clips = CutClips(samples, facts.max_clip_seconds);
  call_.clips += static_cast<int64_t>(clips.size());
  std::vector<Part> parts = PartsOf(clips);
  for (size_t i = 0; i < parts.size(); ++i) {
    parts[i].id =
        ContentIdOf({*bytes, std::to_string(static_cast<int>(raw.format)),
                     std::to_string(raw.rate_hz), std::to_string(raw.channels), std::to_string(i)});
    parts[i] = CountBytes(std::move(parts[i]), data);
  }
  return parts;
}

Part MediaParts::Any(const Field& uri, const VideoOptions& video) {
  switch (service_.media.KindOf(uri.Text(), uri.path())) {
    case MediaReader::Kind::kPicture:
      return Picture(uri, /*bare=*/true);
    case MediaReader::Kind::kSound:
      return Sound(uri);
    case MediaReader::Kind::kFilm:
      break;
  }
  return Film(uri, video, /*bare=*/true);
}

Part MediaParts::File(const Field& field, const std::string& id, const VideoOptions& video) {
  const StoredFile file = service_.files.Get(owner_, id);
  Part part =
      service_.media.ReadFile(*file.bytes, field.path(), owner_, video, service_.client_waits);
  if (part.is_picture()) {
    CountPictures(1, field);
  } else if (const auto* film = std::get_if<std::shared_ptr<const VideoClip>>(&part.content)) {
    CountFilm(**film, field);
  } else {
    ++call_.clips;
  }
  return CountBytes(std::move(part), field);
}

Part MediaParts::CountBytes(Part part, const Field& field) {
  const uint64_t most = service_.options.limits.request_media_bytes;
  bytes_ += MediaReader::BytesOf(part);
  if (bytes_ > most) {
    throw Refusal(Reason::kTooLarge,
                  field.path() + ": the pictures, sounds and films of one request take at most " +
                      std::to_string(most >> 20) + " MiB of memory",
                  field.path());
  }
  return part;
}

void MediaParts::CountPart(const Field& part) {
  if (++parts_ > kMostParts) {
    Expected(part, "at most " + std::to_string(kMostParts) + " parts in one request");
  }
}

void MediaParts::CountPictures(int64_t count, const Field& field) {
  call_.pictures += count;
  if (call_.pictures > static_cast<int64_t>(kMostPictures)) {
    throw Refusal(
        Reason::kInvalidValue,
        field.path() + ": more than " + std::to_string(kMostPictures) + " pictures in one request",
        field.path());
  }
}

std::string NewId(const std::string& prefix) {
  static thread_local std::random_device random;
  constexpr char kDigits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string id = prefix;
  for (int i = 0; i < 24; ++i) id += kDigits[random() % (sizeof(kDigits) - 1)];
  return id;
}

uint64_t CountUnknownFields() {
  return unknown_fields;
}

Headers IgnoredHeader(const std::vector<std::string>& names) {
  unknown_fields += names.size();
  constexpr size_t kMostNames = 20, kMostBytes = 64;
  // It is the client who wrote them.
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
  std::string list;
  for (size_t i = 0; i < std::min(names.size(), kMostNames); ++i) {
    if (names[i].size() > kMostBytes || names[i].empty()) continue;
    if (names[i].find_first_not_of(kAllowed) != std::string::npos) continue;
    list += (list.empty() ? "" : ",") + names[i];
  }
  return list.empty() ? Headers() : Headers{{"x-gemma3n-ignored", list}};
}

}  // namespace gemma3n::server
