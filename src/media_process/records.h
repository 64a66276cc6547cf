// SPDX-License-Identifier: Apache-2.0
// Writes the records of decoder_protocol.h to a descriptor. A parent that is gone ends us
// (SIGPIPE).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "media/decoder_protocol.h"

namespace gemma3n {

class RecordWriter {
 public:
  explicit RecordWriter(int fd) : fd_(fd) {}

  void Film(const FilmBody& body);
  // Rows of width * 3 bytes follow through Bytes.
  void Frame(const FrameHead& head);
  void Sound(int rate_hz, int channels, std::span<const float> interleaved);
  void Done();
  void Failure(DecoderFailure reason, const std::string& detail);
  void Bytes(const void* bytes, size_t count);

 private:
  int fd_;
};

}  // namespace gemma3n
