// SPDX-License-Identifier: Apache-2.0
// The configurations that `synth --like` knows by name, and a tokenizer to go with one.
#pragma once

#include <string>

#include "checkpoint/json_value.h"

namespace gemma3n {

// config.json of "e2b", "e4b" or "tiny"; empty for other names.
std::string PresetConfig(const std::string& name);

// Files that stand beside config.json, for a configuration.
std::string PresetGenerationConfig(const JsonValue& config);
std::string PresetPreprocessorConfig(const JsonValue& config);
std::string PresetProcessorConfig(const JsonValue& config);
std::string PresetTokenizerConfig();
// Gemma 3n's chat template.
std::string PresetChatTemplate();
// A tokenizer.json in Gemma's form: control tokens at the ids that the configuration gives them,
// bytes, printable ASCII, and fillers.
std::string PresetTokenizer(const JsonValue& config);

}  // namespace gemma3n
