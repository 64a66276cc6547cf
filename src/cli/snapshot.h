// SPDX-License-Identifier: Apache-2.0
// One picture of what a camera or a screen shows now.
#pragma once

#include <string>

#include "gemma3n/media.h"

namespace gemma3n::cli {

// "": the first camera; "1": /dev/video1; else the path of a device, or of a film that is shown in
// its place. Waits half a second for a camera to adapt to the light. Throws Error (kMedia,
// kResources).
Image TakePicture(const std::string& camera, const MediaOptions& options);

// ":0", or a part of it from a corner on as ":0+100,200"; "": the screen of this session. Throws
// Error (kUsage, kMedia, kResources).
Image TakeScreen(const std::string& display, const MediaOptions& options);

}  // namespace gemma3n::cli
