// SPDX-License-Identifier: Apache-2.0
// A film's span -> windows that follow one another without gap or overlap, and what of a window
// the context holds. Sizes are those that the engine lays out, so no model's numbers stand here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gemma3n/describe.h"

namespace gemma3n {

// As few windows as none is longer than `longest_s`, all equally long up to milliseconds: the times
// where they begin, and the end of the last one. from_s <= to_s.
std::vector<double> WindowBorders(double from_s, double to_s, double longest_s);

// What is asked about a window: `text` with its places filled in.
std::string PromptFor(const std::string& text, const DescribeOptions& options,
                      const FilmWindow& window, const std::string& summary,
                      const std::string& title = "");

// What a window may take of the context.
struct WindowPlan {
  double longest_s = 0;
  int frames = 0;
  bool sound = false;
  int64_t answer_tokens = 0, summary_tokens = 0;
  int64_t context = 0;  // positions that a session needs for it
};
// Of a film that ends at `end_s`. Throws Error (kRequest) when not even one frame fits.
WindowPlan PlanWindows(Engine& engine, const DescribeOptions& options, double end_s);

// The film's frames, then its sound as clips that the model takes.
std::vector<Part> PartsOf(VideoClip film, double max_clip_seconds);

}  // namespace gemma3n
