// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "gemma3n/error.h"

namespace gemma3n::cli {

std::string EnvironmentName(const std::string& option) {
  std::string name = "GEMMA3N_";
  for (char c : option.substr(option.find_first_not_of('-'))) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

void NameEnvironment(CLI::App& command) {
  for (CLI::Option* option : command.get_options()) {
    if (option->get_lnames().empty() || option->get_lnames()[0] == "help") continue;
    option->envname(EnvironmentName(option->get_lnames()[0]));
  }
}

std::string TextOrFile(const std::string& text) {
  if (text.empty() || text[0] != '@') return text;
  const std::string path = text.substr(1);
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorKind::kUsage, path + ": cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

void ModelArgs::Add(CLI::App& command) {
  command.add_option("-m,--model", model, "Model directory (Hugging Face form)")->required();
  command.add_option("--threads", threads, "Threads; 0: as many as there are processors")
      ->check(CLI::Range(0, 1024));
  command.add_option("--ctx", context, "Context in tokens; 0: what the model was made for")
      ->check(CLI::NonNegativeNumber);
}

std::shared_ptr<Engine> ModelArgs::Load(bool quiet) const {
  std::shared_ptr<Engine> engine = Engine::Load({.model = model, .threads = threads});
  if (!quiet && !engine->facts().template_note.empty()) {
    std::fprintf(stderr, "note: %s\n", engine->facts().template_note.c_str());
  }
  return engine;
}

void OutputArgs::Add(CLI::App& command) {
  command.add_flag("--json", json, "Print one JSON object instead of text");
  command.add_flag("--quiet", quiet, "No notes and no progress");
  command.add_flag("--stats", stats, "Times and speeds after the answer");
  command.add_flag("--raw-output", raw_output, "Do not make control characters visible");
}

void GenerateArgs::Add(CLI::App& command) {
  command.add_option("--system", system, "System text, or @FILE");
  command.add_option("--temp", temperature_, "Temperature; 0: always the likeliest token")
      ->check(CLI::Range(0.0, 100.0));
  command.add_option("--top-k", top_k_, "Choose among the K likeliest; 0: all")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--top-p", top_p_, "Choose among the likeliest that hold this probability")
      ->check(CLI::Range(0.0, 1.0));
  command
      .add_option("--min-p", options.sampling.min_p,
                  "Leave out tokens below this share of the likeliest's probability")
      ->check(CLI::Range(0.0, 1.0));
  command
      .add_option("--repeat-penalty", options.sampling.repetition_penalty,
                  "Divide the logits of tokens that were seen; 1: off")
      ->check(CLI::PositiveNumber);
  command.add_option("--logit-bias", logit_bias_, "ID=BIAS, added to that token's logit")
      ->allow_extra_args(false);
  command.add_option("--seed", seed_, "Seed of the random choices")->check(CLI::NonNegativeNumber);
  command.add_option("--max-tokens", options.max_tokens, "Longest answer, in tokens")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("--stop", options.stop, "End the answer before this text")
      ->allow_extra_args(false);
  command
      .add_option("--logprobs", options.top_logprobs,
                  "With --json: log-probabilities of the tokens and of N others")
      ->check(CLI::Range(0, 100));
  command
      .add_option("--image-size", options.image_size,
                  "Side pictures are stretched to: 256, 512 or 768 for Google's models")
      ->check(CLI::NonNegativeNumber);
}

void GenerateArgs::Finish() {
  system = TextOrFile(system);
  if (temperature_ >= 0) options.sampling.temperature = temperature_;
  if (top_k_ >= 0) options.sampling.top_k = top_k_;
  if (top_p_ >= 0) options.sampling.top_p = top_p_;
  if (seed_ >= 0) options.sampling.seed = static_cast<uint64_t>(seed_);
  for (const std::string& entry : logit_bias_) {
    int id = 0;
    double bias = 0;
    if (std::sscanf(entry.c_str(), "%d=%lf", &id, &bias) != 2) {
      throw Error(ErrorKind::kUsage, "--logit-bias: expected ID=BIAS, found " + entry);
    }
    options.sampling.logit_bias[id] = bias;
  }
}

void MediaArgs::Add(CLI::App& command) {
  // May stand several times, each time with one file: what follows is the prompt.
  const auto one_each = [&](const char* name, std::vector<std::string>& files, const char* help) {
    command.add_option(name, files, help)->allow_extra_args(false);
  };
  one_each("--image", images, "Picture: PNG, JPEG, WebP, GIF");
  one_each("--audio", audio, "Sound: WAV, FLAC, or anything FFmpeg reads");
  one_each("--video", videos, "Film");
  command.add_option("--fps", video.fps, "Film: frames a second at most")
      ->check(CLI::Range(0.001, 1000.0))
      ->capture_default_str();
  command.add_option("--frames", video.max_frames, "Film: frames at most")
      ->check(CLI::Range(1, 120))
      ->capture_default_str();
  command.add_flag("--allow-unsandboxed-decoder", media.allow_unsandboxed_decoder,
                   "Decode films even where the kernel gives no sandbox");
}

std::vector<Part> MediaArgs::Load() const {
  std::vector<Part> parts;
  for (const std::string& path : images) parts.push_back(Part(LoadImage(path, media)));
  for (const std::string& path : audio) parts.push_back(Part(LoadAudio(path, media)));
  for (const std::string& path : videos) parts.push_back(Part(LoadVideo(path, video, media)));
  return parts;
}

std::optional<Part> MediaArgs::LoadAny(const std::string& path) const {
  constexpr size_t kSniffedBytes = 4096;
  std::ifstream file(path, std::ios::binary);
  std::vector<char> head(kSniffedBytes);
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(head.data()),
                                       static_cast<size_t>(file.gcount()));
  switch (DetectMediaKind(bytes).kind) {
    case MediaKind::kImage:
      return Part(LoadImage(path, media));
    case MediaKind::kAudio:
      return Part(LoadAudio(path, media));
    case MediaKind::kVideo:
      return Part(LoadVideo(path, video, media));
    case MediaKind::kUnknown:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace gemma3n::cli
