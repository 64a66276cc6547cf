// SPDX-License-Identifier: Apache-2.0
// What `/set` changes.
#pragma once

#include <string>

#include "cli/options.h"

namespace gemma3n::cli {

struct ChatSettings {
  GenerateOptions options;
  OutputArgs output;
  std::string ask;      // the text that goes with each utterance
  bool history = true;  // whether lines are kept for the next chat
  std::string schema;   // the file of the answers' schema, or "object", where /set named it

  // "temp 0.7". Throws Error (kUsage). The system text is the conversation's, not ours.
  void Set(const std::string& name, const std::string& value);
  std::string List() const;
};

}  // namespace gemma3n::cli
