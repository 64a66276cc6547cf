// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>
#include <unistd.h>

#include <array>

#include "gemma3n/error.h"
#include "gemma3n/sound_stream.h"

namespace {

// As it would come through a pipe: a file that does not stand at its start is read like one.
void ReadAsPipe(const uint8_t* data, size_t size, const gemma3n::MediaOptions& options) {
  const int fd = memfd_create("fuzz", MFD_CLOEXEC);
  const bool written =
      write(fd, "x", 1) == 1 && write(fd, data, size) == static_cast<ssize_t>(size);
  lseek(fd, 1, SEEK_SET);
  try {
    const auto stream = gemma3n::SoundStream::OpenDescriptor(fd, "fuzz", {}, options);
    std::array<float, 1000> samples;
    while (written && stream->Read(samples) > 0) {
    }
  } catch (const gemma3n::Error&) {
  }
  close(fd);
}

}  // namespace

// WAV and FLAC, which are read in this process; for all else no decoder is found.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  gemma3n::MediaOptions options;
  options.limits.sound_seconds = 5;
  options.limits.sound_stream_seconds = 5;
  options.decoder_program = "/nonexistent";
  try {
    gemma3n::ParseAudio({data, size}, "fuzz", options);
  } catch (const gemma3n::Error&) {
  }
  // What is no WAV would be written to a file and read as above.
  if (gemma3n::DetectMediaKind({data, size}).format == "WAV") ReadAsPipe(data, size, options);
  return 0;
}
