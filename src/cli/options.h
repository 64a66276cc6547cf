// SPDX-License-Identifier: Apache-2.0
// Options that several commands share. Each is also an environment variable GEMMA3N_* and a key of
// the configuration file.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "gemma3n/engine.h"

namespace gemma3n::cli {

struct ModelArgs {
  std::string model;
  int threads = 0;
  int64_t context = 0;

  void Add(CLI::App& command);
  std::shared_ptr<Engine> Load(bool quiet) const;
};

struct OutputArgs {
  bool json = false, quiet = false, stats = false, raw_output = false;

  void Add(CLI::App& command);
};

struct GenerateArgs {
  GenerateOptions options;
  std::string system;

  void Add(CLI::App& command);
  // Reads "@FILE" forms; call after parsing.
  void Finish();

 private:
  double temperature_ = -1, top_p_ = -1;
  int64_t top_k_ = -1, seed_ = -1;
  std::vector<std::string> logit_bias_;
};

struct MediaArgs {
  std::vector<std::string> images, audio, videos;
  VideoOptions video;
  MediaOptions media;

  void Add(CLI::App& command);
  // Loads what the options name, in the order pictures, sounds, films.
  std::vector<Part> Load() const;
  // Loads one file as what its content says it is; nullopt when it is neither.
  std::optional<Part> LoadAny(const std::string& path) const;
};

// The text itself, or the content of FILE for "@FILE".
std::string TextOrFile(const std::string& text);
// "GEMMA3N_TOP_K" for "--top-k".
std::string EnvironmentName(const std::string& option);
// Gives every option of `command` its environment variable.
void NameEnvironment(CLI::App& command);

}  // namespace gemma3n::cli
