// SPDX-License-Identifier: Apache-2.0
// Options that several commands share. Each is also an environment variable GEMMA3N_* and a key of
// the configuration file.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/terminal.h"
#include "gemma3n/engine.h"

namespace gemma3n::cli {

constexpr char kResidentHelp[] =
    "Copy the weights of text into memory, on huge pages; faster where the file's are small";
constexpr char kModelHelp[] =
    "Model: a packed file, a GGUF file, or a directory as Hugging Face lays it out";
constexpr char kSizeHelp[] =
    "Part of the model that runs: full, e2b, a published size, 2.54B, 'ffn=8192 skip=20-24' or "
    "FILE.json";
constexpr char kProjectorHelp[] = "Of a GGUF model: the file with its encoders";

// --kv.
void AddKvOption(CLI::App& command, KvType& kv);

struct ModelArgs {
  std::string model, projector, size;
  int threads = 0;
  int64_t context = 0;
  KvType kv = KvType::kAuto;
  bool resident = false;

  // `with_size`: whether one size is asked for.
  void Add(CLI::App& command, bool with_size = true);
  // `for_session`: whether sessions of this context will follow, which must fit into memory.
  std::shared_ptr<Engine> Load(bool quiet, bool for_session = false) const;
};

// "official E2B Model: 1.91 B effective parameters, up to 1.36 GB read for a token"
std::string SizeLine(const Engine& engine, const ModelSize& size);

struct OutputArgs {
  bool json = false, quiet = false, stats = false, raw_output = false;
  bool offline = false;  // only `watch --url` could need a network
  Color Colors() const;

  // `with_stats`: whether the command knows times to show.
  void Add(CLI::App& command, bool with_stats = true);
  // What every command takes, so that a script may give it to any: --quiet, --offline, --color.
  void AddEverywhere(CLI::App& command);

 private:
  std::string color_ = "auto";
};

struct GenerateArgs {
  GenerateOptions options;
  std::string system;

  void Add(CLI::App& command);
  // Reads "@FILE" forms; call after parsing.
  void Finish();
  // Reads the size that guesses (--draft), which depends on the model. Throws Error (kUsage).
  void ReadSizes(const Engine& engine);

 private:
  std::string draft_, elastic_, ladder_, schema_;
  bool json_object_ = false;
  bool keep_cache_ = false, reread_behind_ = false;
  void ReadElastic(const Engine& engine);
  std::vector<std::string> logit_bias_;
};

struct MediaArgs {
  static constexpr size_t kMostPictures = 64;  // in one message

  std::vector<std::string> images, audio, videos;
  VideoOptions video;
  MediaOptions media;

  void Add(CLI::App& command);
  // Of those only what chooses the frames of films, and --allow-unsandboxed-decoder.
  void AddFrames(CLI::App& command);
  // Loads what the options name, in the order pictures, sounds, films.
  std::vector<Part> Load() const;
  // Loads a film, or the span of it that stands behind its name.
  Part LoadFilm(const std::string& typed) const;
  // Loads one file as what its content says it is; nullopt when it is nothing we know. Throws Error
  // (kMedia) also for formats that we know and do not read.
  std::optional<Part> LoadAny(const std::string& path) const;
};

// Throws Error (kUsage) when there are more pictures than one message takes.
void CheckPictures(size_t count);

// The whole text as a number: nullopt for anything else, NaN included.
std::optional<double> ParseNumber(const std::string& text);
std::optional<uint64_t> ParseSeed(const std::string& text);
// For options that take a seed: CLI11 reads "-1" as a large number.
CLI::Validator SeedNumber();

// The text itself, or the content of FILE for "@FILE". Throws Error (kUsage).
std::string TextOrFile(const std::string& text);
// All of standard input. Throws Error (kUsage) when it does not end.
std::string StandardInput();

}  // namespace gemma3n::cli
