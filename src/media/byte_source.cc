// SPDX-License-Identifier: Apache-2.0
#include "media/byte_source.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "media/media_error.h"

namespace gemma3n {

void ByteSource::Skip(uint64_t count) {
  std::array<uint8_t, 4096> dropped;
  while (count > 0) {
    const size_t got = Read(dropped.data(), std::min<uint64_t>(count, dropped.size()));
    if (got == 0) return;
    count -= got;
  }
}

size_t ByteSource::ReadFully(void* to, size_t count) {
  size_t have = 0;
  while (have < count) {
    const size_t got = Read(static_cast<uint8_t*>(to) + have, count - have);
    if (got == 0) break;
    have += got;
  }
  return have;
}

size_t SeekableSource::Read(void* to, size_t count) {
  const size_t want = std::min<uint64_t>(count, size_ - position_);
  if (want == 0) return 0;
  const size_t got = ReadAt(position_, to, want);
  position_ += got;
  return got;
}

void SeekableSource::Skip(uint64_t count) {
  position_ += std::min(count, size_ - position_);
}

size_t MemorySource::ReadAt(uint64_t position, void* to, size_t count) {
  std::memcpy(to, bytes_.data() + position, count);
  return count;
}

size_t FileSource::ReadAt(uint64_t position, void* to, size_t count) {
  for (;;) {
    const ssize_t got = pread(file_.descriptor.get(), to, count, static_cast<off_t>(position));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) ThrowMedia(name_, std::strerror(errno));
    if (got == 0) ThrowMedia(name_, "the file became shorter while it was read");
    return static_cast<size_t>(got);
  }
}

void PipeSource::Wait() {
  pollfd waits[] = {{stop_, POLLIN, 0}, {pipe_.get(), POLLIN, 0}};
  while (poll(waits, 2, -1) < 0 && errno == EINTR) {
  }
  if (waits[0].revents != 0) ThrowMedia(name_, "nobody waits for more of it");
}

size_t PipeSource::ReadPipe(void* to, size_t count) {
  for (;;) {
    if (stop_ >= 0) Wait();
    const ssize_t got = read(pipe_.get(), to, count);
    if (got >= 0) {
      read_bytes_ += static_cast<uint64_t>(got);
      if (read_bytes_ > most_bytes_)
        ThrowMedia(name_, "more bytes came than the limit of " + std::to_string(most_bytes_));
      return static_cast<size_t>(got);
    }
    if (errno == EAGAIN) {  // whoever gave it to us does not wait; we do
      Wait();
    } else if (errno != EINTR) {
      ThrowMedia(name_, std::strerror(errno));
    }
  }
}

size_t PipeSource::Read(void* to, size_t count) {
  const size_t again = std::min(count, peeked_.size() - peeked_used_);
  if (again == 0) return count == 0 ? 0 : ReadPipe(to, count);
  std::memcpy(to, peeked_.data() + peeked_used_, again);
  peeked_used_ += again;
  return again;
}

std::span<const uint8_t> PipeSource::Peek(size_t count) {
  size_t have = peeked_.size();
  peeked_.resize(std::max(have, count));
  while (have < count) {
    const size_t got = ReadPipe(peeked_.data() + have, count - have);
    if (got == 0) break;
    have += got;
  }
  peeked_.resize(have);
  return std::span(peeked_).first(std::min(count, have));
}

}  // namespace gemma3n
