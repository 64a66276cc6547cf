// SPDX-License-Identifier: Apache-2.0
// A client's frames, cut anywhere: what comes out keeps to the rules, and the same frames come out
// wherever the bytes were cut.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "server/frames.h"

namespace {

using namespace gemma3n::server;

constexpr uint64_t kMostBytes = 1000;
constexpr size_t kMostFragments = 8;

void Expect(bool holds) {
  if (!holds) std::abort();
}

// The frames of the bytes in pieces, and what ended them.
struct Found {
  std::vector<Frame> frames;
  int broken = 0;
};

Found Read(std::string_view bytes, size_t piece) {
  FrameReader reader(kMostBytes, kMostFragments);
  Found found;
  try {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
      reader.Add(bytes.substr(0, piece));
      while (auto frame = reader.Next()) found.frames.push_back(std::move(*frame));
    }
  } catch (const BrokenFrame& broken) {
    found.broken = broken.code;
    Expect(!broken.reason.empty() && ClosePayload(broken.code, broken.reason).size() <= 125);
  }
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const Found whole = Read(bytes, SIZE_MAX), cut = Read(bytes, 1 + data[0] % 17);
  Expect(whole.broken == cut.broken && whole.frames.size() == cut.frames.size());
  for (size_t i = 0; i < whole.frames.size(); ++i) {
    const Frame &one = whole.frames[i], &other = cut.frames[i];
    Expect(one.opcode == other.opcode && one.data == other.data && one.code == other.code);
    Expect(one.opcode != Opcode::kMore);
    const bool is_message = one.opcode == Opcode::kText || one.opcode == Opcode::kBinary;
    Expect(one.data.size() <= (is_message ? kMostBytes : 125));
    Expect(FrameBytes(one.opcode, one.data).size() > one.data.size());
  }
  return 0;
}
