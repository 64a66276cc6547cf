// SPDX-License-Identifier: Apache-2.0
// What `watch` is asked for: where pictures come from, what about them, when to end.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "gemma3n/picture_stream.h"
#include "gemma3n/watch.h"

namespace gemma3n::cli {

struct WatchArgs {
  ModelArgs model;
  OutputArgs output;
  GenerateArgs generate;
  MediaOptions media;
  WatchOptions watch;
  CameraOptions camera_asked;
  std::vector<std::string> words;
  std::string camera, screen, url, file;  // one of them, after CheckArgs
  std::string every, length, answers, exec, question;
  bool use_camera = false, use_screen = false, on_change = false, show_prompt = false;
  std::optional<double> speed;
  double seconds = 0;  // `length` in seconds; 0: no limit
  int64_t count = 0;

  // Pictures come by themselves and have no other end than Ctrl-C.
  bool is_device() const { return use_camera || use_screen; }
  // They have a time of their own, and not only one of the day.
  bool is_film() const { return !file.empty() && file != "-"; }
};

void AddWatchOptions(CLI::App& command, WatchArgs& args);

// Reads what needs reading, and tells the source from the question. Throws Error (kUsage).
void CheckArgs(WatchArgs& args);

// "2s", "10min", "1.5h", "2" -> seconds. Throws Error (kUsage) in the name of `option`.
double ParseDuration(const std::string& option, const std::string& text);

// Null when Ctrl-C came first.
std::unique_ptr<PictureStream> OpenPictures(const WatchArgs& args);

}  // namespace gemma3n::cli
