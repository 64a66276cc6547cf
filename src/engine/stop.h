// SPDX-License-Identifier: Apache-2.0
// Watches the answer for texts that end it, holding back only what may be the beginning of one.
#pragma once

#include <string>
#include <vector>

namespace gemma3n {

class StopMatcher {
 public:
  // Throws Error (kRequest) for an empty stop text.
  explicit StopMatcher(std::vector<std::string> stops);

  // Takes the next text and returns what can be shown; stopped() tells whether a stop text came,
  // which is left out together with all that follows.
  std::string Push(const std::string& text);
  // What is still held back, when the answer ends otherwise.
  std::string Finish();
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace gemma3n
