// SPDX-License-Identifier: Apache-2.0
#include "media_process/records.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace gemma3n {

void RecordWriter::Bytes(const void* bytes, size_t count) {
  const char* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t wrote = write(fd_, next, count);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) _exit(1);
    next += wrote;
    count -= static_cast<size_t>(wrote);
  }
}

void RecordWriter::Film(const FilmBody& body) {
  const RecordHead head = {RecordKind::kFilm, sizeof(FilmBody)};
  Bytes(&head, sizeof head);
  Bytes(&body, sizeof body);
}

void RecordWriter::Frame(const FrameHead& frame) {
  const auto bytes = static_cast<uint32_t>(sizeof frame + size_t{3} * frame.width * frame.height);
  const RecordHead head = {RecordKind::kFrame, bytes};
  Bytes(&head, sizeof head);
  Bytes(&frame, sizeof frame);
}

void RecordWriter::Sound(int rate_hz, int channels, std::span<const float> interleaved) {
  const SoundHead sound = {static_cast<uint32_t>(rate_hz), static_cast<uint32_t>(channels)};
  const size_t frame = static_cast<size_t>(channels);
  const size_t most = (kMaxSoundRecordBytes - sizeof sound) / sizeof(float) / frame * frame;
  while (!interleaved.empty()) {
    const auto piece = interleaved.first(std::min(most, interleaved.size()));
    const RecordHead head = {RecordKind::kSound,
                             static_cast<uint32_t>(sizeof sound + piece.size_bytes())};
    Bytes(&head, sizeof head);
    Bytes(&sound, sizeof sound);
    Bytes(piece.data(), piece.size_bytes());
    interleaved = interleaved.subspan(piece.size());
  }
}

void RecordWriter::Done() {
  const RecordHead head = {RecordKind::kDone, 0};
  Bytes(&head, sizeof head);
}

void RecordWriter::Failure(DecoderFailure reason, const std::string& detail) {
  const RecordHead head = {RecordKind::kFailure, sizeof(FailureBody)};
  FailureBody body = {reason, {}};
  std::memcpy(body.detail, detail.data(), std::min(detail.size(), sizeof body.detail - 1));
  Bytes(&head, sizeof head);
  Bytes(&body, sizeof body);
}

}  // namespace gemma3n
