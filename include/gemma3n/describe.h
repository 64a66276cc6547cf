// SPDX-License-Identifier: Apache-2.0
// Films of any length, seen and heard window by window -> what happens in each, a summary that is
// carried along, chapters. docs/vision.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gemma3n/engine.h"
#include "gemma3n/media.h"

namespace gemma3n {

// What is asked about each window, one after another in a conversation of the window's own. In all
// of it {summary} stands for the summary of the film so far, {from} and {to} for the window's times
// as "mm:ss" (as the frames have them), {title} for the title of the chapter so far, {yes} and {no}
// for the words below. A line with a {summary} is left out while there is none.
struct DescribeOptions {
  std::string system;  // before each conversation; may be empty
  std::string prompt =
      "What happened in the film before: {summary}\n"
      "This part of the film goes from {from} to {to}. What happens in it?";
  std::string summary_prompt =
      "Summary of the film before this part: {summary}\n"
      "Write a summary of the film up to the end of this part, in at most five sentences. Answer "
      "with the summary only.";
  std::string continues_prompt =
      "The chapter of the film before this part has the title \"{title}\". Does this part still "
      "belong to that chapter? Answer {yes} or {no}.";
  std::string title_prompt =
      "Give this part of the film a title of at most six words. Answer with the title only.";
  // The chapter goes on where the first is the likelier answer: by the probabilities of the words,
  // not by what would be sampled.
  std::string yes = "yes", no = "no";
  bool with_summary = true, with_chapters = true;
  // Length of a window; 0: what `video.max_frames` at `video.fps` hold and the model hears in one
  // clip. All windows of a film are equally long, and none is longer than this. The sound of longer
  // windows is cut into several clips; frames that the context does not hold are left out, evenly.
  double window_seconds = 0;
  int64_t context = 0;  // positions to use at most; 0: as many as the model was made for
  VideoOptions video;   // of the whole film: the span; of each window: the frames at most
  MediaOptions media;
  GenerateOptions generate;  // sampling: unset temperature is 0 here
};

struct FilmWindow {
  double from_s = 0, to_s = 0;  // since the film's first frame
  std::string text;             // what happens in it
  std::string summary;          // of the film up to its end
};

struct Chapter {
  double from_s = 0, to_s = 0;
  std::string title;
};

struct FilmReport {
  double duration_s = 0;  // of the film as far as it was looked at, whatever the span
  std::string summary;
  std::vector<Chapter> chapters;  // one after another, from the span's beginning to its end
  bool complete = false;          // else ended by a callback: what there was then
  int64_t windows = 0, frames = 0, clips = 0;
  double load_ms = 0, answer_ms = 0;  // decoding the film; in the model
};

// Each may be empty; false ends the work.
struct DescribeEvents {
  // A window begins; `film_to_s` is where the last one will end.
  std::function<bool(const FilmWindow& window, double film_to_s)> on_begin;
  TextCallback on_text;  // of the window's description, as it comes
  std::function<bool(const FilmWindow& window)> on_window;
  ProgressCallback on_progress;  // of the work in a window
};

// "0:01:05", for people. Cut to whole seconds, as players do.
std::string FilmTime(double seconds);

// Reads films in memory that does not grow with their length: a window's frames and sound are
// decoded when it is its turn. Not safe to use from two threads at once, nor beside other sessions
// of the engine at the same time.
class FilmDescriber {
 public:
  // Throws Error (kUsage, kRequest) for options out of range and a model that does not see.
  static std::unique_ptr<FilmDescriber> New(std::shared_ptr<Engine> engine,
                                            const DescribeOptions& options);
  virtual ~FilmDescriber() = default;

  // Throws Error: what LoadVideo and Session::Generate throw, and (kRequest) when the context does
  // not hold a window of one frame.
  virtual FilmReport Describe(const std::filesystem::path& film, const DescribeEvents& events) = 0;
};

}  // namespace gemma3n
