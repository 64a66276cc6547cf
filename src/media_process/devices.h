// SPDX-License-Identifier: Apache-2.0
// Devices by libavdevice. That library brings a hundred others (X11, OpenGL, SDL, ...), so it is
// loaded for these jobs alone, and a system without it lacks microphones, cameras and screens only.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "media_process/libav.h"

namespace gemma3n {

// The device kind of this name, one of `known`. Throws DecoderError(kNoDevices) with what is
// missing: the library, or the kind of device in it.
const AVInputFormat& DeviceInput(const std::string& name,
                                 std::initializer_list<std::string_view> known);

}  // namespace gemma3n
