// SPDX-License-Identifier: Apache-2.0
// Prompts with places to fill in: "{summary}".
#pragma once

#include <map>
#include <string>

namespace gemma3n {

// Each "{name}" becomes its word, once: what is filled in is not read again, and other braces stay.
// A line with a place whose word is empty is left out.
std::string Filled(const std::string& prompt, const std::map<std::string, std::string>& words);

// "65:05", as the engine writes the times of a film's frames.
std::string FrameTime(double seconds);

}  // namespace gemma3n
