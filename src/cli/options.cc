// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

#include "cli/film_span.h"
#include "cli/progress_bar.h"
#include "cli/schema_file.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {

namespace {

constexpr uintmax_t kMostTextBytes = 64u << 20;

Error TooLong(const std::string& name) {
  return Error(ErrorKind::kUsage, name + ": expected at most 64 MiB of text");
}

// CLI11's own Range takes NaN for a number in range.
CLI::Validator NumberIn(double least, double most, bool above_least = false) {
  return {[=](std::string& text) -> std::string {
            const std::optional<double> number = ParseNumber(text);
            const bool high_enough = number && (above_least ? *number > least : *number >= least);
            if (high_enough && *number <= most) return "";
            std::ostringstream message;
            message << "expected a number " << (above_least ? "above " : "from ") << least << " to "
                    << most << ", found " << OneLine(text);
            return message.str();
          },
          "", "number"};
}

}  // namespace

std::optional<double> ParseNumber(const std::string& text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || next != end || std::isnan(number)) return std::nullopt;
  return number;
}

std::optional<uint64_t> ParseSeed(const std::string& text) {
  uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || next != end) return std::nullopt;
  return number;
}

CLI::Validator SeedNumber() {
  return {[](std::string& text) {
            return ParseSeed(text) ? std::string()
                                   : "expected a number from 0 to 2^64 - 1, found " + OneLine(text);
          },
          "", "seed"};
}

std::string TextOrFile(const std::string& text) {
  if (text.empty() || text[0] != '@') return text;
  const std::string path = text.substr(1);
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    throw Error(ErrorKind::kUsage, "'" + path + "': expected a file, found none of this name");
  }
  if (std::filesystem::file_size(path, error) > kMostTextBytes) throw TooLong(path);
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorKind::kUsage, path + ": cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string StandardInput() {
  std::string text;
  std::vector<char> piece(1 << 16);
  while (std::cin.read(piece.data(), static_cast<std::streamsize>(piece.size())),
         std::cin.gcount() > 0) {
    text.append(piece.data(), static_cast<size_t>(std::cin.gcount()));
    if (text.size() > kMostTextBytes) throw TooLong("standard input");
  }
  return text;
}

std::string SizeLine(const Engine& engine, const ModelSize& size) {
  const SizeFacts facts = engine.FactsOf(size);
  char text[96];
  std::snprintf(text, sizeof(text), ": %.2f B effective parameters, up to %.2f GB read for a token",
                static_cast<double>(facts.effective_parameters) / 1e9,
                static_cast<double>(facts.weight_bytes_per_token) / 1e9);
  return OneLine(size.name) + text;
}

void AddKvOption(CLI::App& command, KvType& kv) {
  static const std::map<std::string, KvType> kTypes = {{"auto", KvType::kAuto},
                                                       {"f32", KvType::kF32},
                                                       {"f16", KvType::kF16},
                                                       {"int8", KvType::kInt8}};
  command
      .add_option_function<std::string>(
          "--kv", [&kv](const std::string& name) { kv = kTypes.at(name); },
          "Keys and values of the context: auto, f32, f16, int8; auto: f16 for quantized models, "
          "else f32")
      ->check(CLI::IsMember({"auto", "f32", "f16", "int8"}));
}

void ModelArgs::Add(CLI::App& command, bool with_size) {
  command.add_option("-m,--model", model, kModelHelp)->required();
  command.add_option("--mmproj", projector, kProjectorHelp);
  command.add_option("--threads", threads, "Threads; 0: as many as there are processors")
      ->check(CLI::Range(0, 1024));
  command.add_option("--ctx", context, "Context in tokens; 0: what the model was made for")
      ->check(CLI::NonNegativeNumber);
  AddKvOption(command, kv);
  command.add_flag("--resident", resident, kResidentHelp);
  if (with_size) command.add_option("--size", size, kSizeHelp);
}

std::shared_ptr<Engine> ModelArgs::Load(bool quiet, bool for_session) const {
  ProgressBar bar(!quiet);
  bar.Show({"loading the model", 0, 1});
  std::shared_ptr<Engine> engine =
      Engine::Load({.model = model,
                    .projector = projector,
                    .threads = threads,
                    .context = for_session ? std::optional(context) : std::nullopt,
                    .kv = kv,
                    .resident = resident,
                    .size = size});
  bar.Clear();
  for (const std::string& note : engine->facts().notes) {
    if (!quiet) Tell("note: " + note);
  }
  if (!size.empty() && !quiet) Tell("size: " + SizeLine(*engine, engine->size()));
  return engine;
}

void OutputArgs::Add(CLI::App& command, bool with_stats) {
  command.add_flag("--json", json, "Print one JSON object instead of text");
  if (with_stats) command.add_flag("--stats", stats, "Times and speeds after the answer");
  command.add_flag("--raw-output", raw_output, "Do not make control characters visible");
  AddEverywhere(command);
}

void OutputArgs::AddEverywhere(CLI::App& command) {
  command.add_flag("--quiet", quiet, "No notes and no progress");
  command.add_option("--color", color_, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  command.add_flag("--offline", offline,
                   "Refuse what needs a network, which only `watch --url` does");
}

Color OutputArgs::Colors() const {
  return color_ == "always" ? Color::kAlways : color_ == "never" ? Color::kNever : Color::kAuto;
}

void GenerateArgs::Add(CLI::App& command) {
  command.add_option("--system", system, "System text, or @FILE");
  SamplingOptions& sampling = options.sampling;
  command.add_option("--temp", sampling.temperature, "Temperature; 0: always the likeliest token")
      ->check(NumberIn(0, 100));
  command.add_option("--top-k", sampling.top_k, "Choose among the K likeliest; 0: all")
      ->check(CLI::NonNegativeNumber);
  command
      .add_option("--top-p", sampling.top_p,
                  "Choose among the likeliest that hold this probability")
      ->check(NumberIn(0, 1, /*above_least=*/true));
  command
      .add_option("--min-p", sampling.min_p,
                  "Leave out tokens below this share of the likeliest's probability")
      ->check(NumberIn(0, 1));
  command
      .add_option("--repeat-penalty", sampling.repetition_penalty,
                  "Divide the logits of tokens that were seen; 1: off")
      ->check(NumberIn(0.001, 1000));
  command
      .add_option("--repeat-window", sampling.repetition_window,
                  "Of so many of the last tokens; -1: of all, the prompt's too")
      ->check(CLI::Range(-1, 1'000'000'000));
  command
      .add_option("--presence-penalty", sampling.presence_penalty,
                  "Taken from the logits of tokens that stand in the answer")
      ->check(NumberIn(-2, 2));
  command
      .add_option("--frequency-penalty", sampling.frequency_penalty,
                  "Taken from a token's logit for each time it stands in the answer")
      ->check(NumberIn(-2, 2));
  command
      .add_option("--typical-p", sampling.typical_p,
                  "Choose among the most typical that hold this probability; 1: off")
      ->check(NumberIn(0, 1, /*above_least=*/true));
  command
      .add_option("--logit-bias", logit_bias_,
                  "ID=BIAS, added to that token's logit; several with commas between")
      ->allow_extra_args(false)
      ->delimiter(',');
  command.add_option("--seed", sampling.seed, "Seed of the random choices")->check(SeedNumber());
  command.add_option("--max-tokens", options.max_tokens, "Longest answer, in tokens")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("--stop", options.stop, "End the answer before this text")
      ->allow_extra_args(false);
  CLI::Option* schema =
      command.add_option("--schema", schema_, "The answer is JSON of the schema in this file");
  command.add_flag("--json-object", json_object_, "The answer is a JSON object")->excludes(schema);
  command
      .add_option("--logprobs", options.top_logprobs,
                  "With --json: log-probabilities of the tokens and of N others")
      ->check(CLI::Range(0, 100));
  command
      .add_option("--image-size", options.image_size,
                  "Side pictures are stretched to: 256, 512 or 768 for Google's models")
      ->check(CLI::NonNegativeNumber);
  static const std::map<std::string, Speculation> kWays = {{"off", Speculation::kOff},
                                                           {"lookup", Speculation::kLookup},
                                                           {"draft", Speculation::kDraft},
                                                           {"auto", Speculation::kAuto}};
  command
      .add_option_function<std::string>(
          "--speculate", [this](const std::string& name) { options.speculation = kWays.at(name); },
          "Guess tokens ahead, for the same answer sooner: off, lookup (what followed before in "
          "the "
          "text), draft (a smaller size), auto (both while they pay)")
      ->check(CLI::IsMember({"off", "lookup", "draft", "auto"}));
  command.add_option("--draft", draft_, "The size that guesses, as --size");
  command.add_option(
      "--elastic", elastic_,
      "Move to smaller sizes to keep 12tok/s, 8W, 2s to the first token, 2.5GB of memory (several "
      "with commas between), or only when memory is short, the machine hot or its battery low "
      "(system)");
  command.add_option("--ladder", ladder_,
                     "The sizes to move along, best first, with ; between; else a ladder is made");
  CLI::Option* keep =
      command.add_flag("--keep-cache", keep_cache_,
                       "Another size goes on with what was read at the old one, inexactly");
  command
      .add_flag("--reread-behind", reread_behind_,
                "The old size answers until another one has read the conversation again")
      ->excludes(keep);
}

// "12tok/s,2s".
static ElasticOptions ParseElastic(const std::string& text) {
  ElasticOptions elastic;
  const auto refuse = [&] {
    throw Error(ErrorKind::kUsage,
                "--elastic: expected 12tok/s, 8W, 2s, 2.5GB or system, found " + OneLine(text));
  };
  std::istringstream wishes(text);
  for (std::string wish; std::getline(wishes, wish, ',');) {
    const auto number_before = [&](const char* unit) {
      const size_t length = std::strlen(unit);
      if (wish.size() <= length || wish.substr(wish.size() - length) != unit) return -1.0;
      return ParseNumber(wish.substr(0, wish.size() - length)).value_or(-1);
    };
    if (const double speed = number_before("tok/s"); speed > 0) {
      elastic.tokens_per_second = speed;
    } else if (const double watts = number_before("W"); watts > 0) {
      elastic.watts = watts;
    } else if (const double seconds = number_before("s"); seconds > 0) {
      elastic.first_token_seconds = seconds;
    } else if (const double gigabytes = number_before("GB"); gigabytes > 0 && gigabytes < 1e6) {
      elastic.memory_bytes = static_cast<int64_t>(gigabytes * 1e9);
    } else if (wish != "system") {
      refuse();
    }
  }
  return elastic;
}

void GenerateArgs::ReadSizes(const Engine& engine) {
  if (draft_.empty()) {
    options.draft.reset();
  } else {
    options.draft = engine.ParseSize(draft_);
  }
  ReadElastic(engine);
}

void GenerateArgs::ReadElastic(const Engine& engine) {
  options.size_change = keep_cache_      ? SizeChange::kKeepCache
                        : reread_behind_ ? SizeChange::kRereadBehind
                                         : SizeChange::kReread;
  options.elastic.reset();
  if (elastic_.empty() && !ladder_.empty()) {
    throw Error(ErrorKind::kUsage, "--ladder: expected --elastic with it, found none");
  }
  if (elastic_.empty()) return;
  ElasticOptions elastic = ParseElastic(elastic_);
  std::istringstream sizes(ladder_);
  for (std::string size; std::getline(sizes, size, ';');) {
    elastic.ladder.push_back(engine.ParseSize(size));
  }
  options.elastic = elastic;
}

void GenerateArgs::Finish() {
  system = TextOrFile(system);
  if (!schema_.empty()) options.constraint = ReadSchema(schema_);
  if (json_object_) options.constraint = Constraint::JsonObject();
  for (const std::string& entry : logit_bias_) {
    const size_t equals = std::min(entry.find('='), entry.size());
    const std::optional<uint64_t> id = ParseSeed(entry.substr(0, equals));
    const std::optional<double> bias =
        equals < entry.size() ? ParseNumber(entry.substr(equals + 1)) : std::nullopt;
    if (!id || *id > INT32_MAX || !bias) {
      throw Error(ErrorKind::kUsage, "--logit-bias: expected ID=BIAS, found " + entry);
    }
    options.sampling.logit_bias[static_cast<int32_t>(*id)] = *bias;
  }
}

void MediaArgs::Add(CLI::App& command) {
  // May stand several times, each time with one file: what follows is the prompt.
  const auto one_each = [&](const char* name, std::vector<std::string>& files, const char* help) {
    command.add_option(name, files, help)->allow_extra_args(false);
  };
  one_each("--image", images, "Picture: PNG, JPEG, WebP, GIF");
  one_each("--audio", audio, "Sound: WAV, FLAC, or anything FFmpeg reads");
  one_each("--video", videos, "Film, or \"FILE FROM-TO\" for a span of it: 65-80, 1:05-1:20");
  AddFrames(command);
}

void MediaArgs::AddFrames(CLI::App& command) {
  command.add_option("--fps", video.fps, "Film: frames a second at most")
      ->check(CLI::Range(0.001, 1000.0))
      ->capture_default_str();
  command.add_option("--frames", video.max_frames, "Film: frames at most")
      ->check(CLI::Range(1, 120))
      ->capture_default_str();
  // Less than one where it is set to false.
  const auto by_scenes = [this](int64_t count) {
    video.pick = count > 0 ? FramePick::kScenes : FramePick::kRate;
  };
  command.add_flag_function("--scenes", by_scenes,
                            "Film: the first frame of each scene, in place of so many a second");
  command
      .add_option("--scene-change", video.scene_change,
                  "Film: by how much of full scale a picture differs that begins a scene")
      ->check(NumberIn(0, 1, /*above_least=*/true))
      ->capture_default_str();
  command.add_flag("--allow-unsandboxed-decoder", media.allow_unsandboxed_decoder,
                   "Decode films even where the kernel gives no sandbox");
}

void CheckPictures(size_t count) {
  if (count <= MediaArgs::kMostPictures) return;
  throw Error(ErrorKind::kUsage, "expected at most " + std::to_string(MediaArgs::kMostPictures) +
                                     " pictures in one message, found " + std::to_string(count));
}

std::vector<Part> MediaArgs::Load() const {
  CheckPictures(images.size());
  std::vector<Part> parts;
  for (const std::string& path : images) parts.push_back(Part(ImageFile(path, media)));
  for (const std::string& path : audio) parts.push_back(Part(LoadAudio(path, media)));
  for (const std::string& typed : videos) parts.push_back(LoadFilm(typed));
  return parts;
}

Part MediaArgs::LoadFilm(const std::string& typed) const {
  const FilmSpan film = ParseFilmSpan(typed, video);
  return Part(LoadVideo(film.path, film.video, media));
}

std::optional<Part> MediaArgs::LoadAny(const std::string& path) const {
  constexpr size_t kSniffedBytes = 4096;
  std::ifstream file(path, std::ios::binary);
  std::vector<char> head(kSniffedBytes);
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(head.data()),
                                       static_cast<size_t>(file.gcount()));
  const MediaType type = DetectMediaKind(bytes);
  switch (type.kind) {
    case MediaKind::kImage:
      return Part(ImageFile(path, media));
    case MediaKind::kAudio:
      return Part(LoadAudio(path, media));
    case MediaKind::kVideo:
      return Part(LoadVideo(path, video, media));
    case MediaKind::kUnknown:
      break;
  }
  if (!type.format.empty()) {
    throw Error(ErrorKind::kMedia, path +
                                       ": expected a picture (PNG, JPEG, WebP, GIF), a sound or "
                                       "a film, found a file of the kind " +
                                       type.format + "; convert it first");
  }
  return std::nullopt;
}

}  // namespace gemma3n::cli
