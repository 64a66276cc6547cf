// SPDX-License-Identifier: Apache-2.0
#include "media_process/devices.h"

#include <dlfcn.h>

#include <algorithm>

#include "media_process/job.h"

extern "C" {
#include <libavdevice/version_major.h>
}

namespace gemma3n {
namespace {

void LoadDevices() {
  const std::string library = "libavdevice.so." + std::to_string(LIBAVDEVICE_VERSION_MAJOR);
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL);
  void* symbol = handle == nullptr ? nullptr : dlsym(handle, "avdevice_register_all");
  if (symbol == nullptr) throw DecoderError{DecoderFailure::kNoDevices, library};
  reinterpret_cast<void (*)()>(symbol)();
}

}  // namespace

const AVInputFormat& DeviceInput(const std::string& name,
                                 std::initializer_list<std::string_view> known) {
  LoadDevices();
  const bool ours = std::find(known.begin(), known.end(), name) != known.end();
  const AVInputFormat* input = ours ? av_find_input_format(name.c_str()) : nullptr;
  if (input == nullptr) throw DecoderError{DecoderFailure::kNoDevices, name};
  return *input;
}

}  // namespace gemma3n
