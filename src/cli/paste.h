// SPDX-License-Identifier: Apache-2.0
// What a terminal and a person's other programs hand over: dropped paths, the clipboard, an editor.
#pragma once

#include <string>

namespace gemma3n::cli {

// A path as somebody typed, quoted or dropped it: without the marks of bracketed paste, without
// quotes around it, "\ " as a space.
std::string PlainPath(const std::string& typed);

// Hands text to the terminal's clipboard (OSC 52). Throws Error (kUsage) where there is none.
void CopyToClipboard(const std::string& text);

// The text after somebody edited it in $VISUAL or $EDITOR. Throws Error (kUsage, kResources).
std::string EditText(const std::string& text);

}  // namespace gemma3n::cli
