// SPDX-License-Identifier: Apache-2.0
#include "engine/peak_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#include <vector>

namespace gemma3n {
namespace {

constexpr int64_t kBytes = int64_t{64} << 20;

// Pages taken and given back at once, which an allocator, above all a sanitizer's, may not do. Of
// each a byte is written: for all of them the thread sanitizer would take four times as much.
class Pages {
 public:
  explicit Pages(int64_t bytes)
      : bytes_(static_cast<size_t>(bytes)),
        data_(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    for (size_t i = 0; data_ != MAP_FAILED && i < bytes_; i += page) {
      static_cast<volatile char*>(data_)[i] = 1;
    }
  }
  ~Pages() {
    if (data_ != MAP_FAILED) munmap(data_, bytes_);
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

 private:
  size_t bytes_;
  void* data_;
};

TEST(PeakMemory, StatusInKibibytes) {
  const auto path = std::filesystem::path(testing::TempDir()) / "gemma3n_peak_memory_test";
  std::ofstream(path) << "Name:\tgemma3n\nVmHWM:\t    5000 kB\nVmRSS:\t    4000 kB\n"
                         "RssAnon:\t    1000 kB\nRssFile:\t    2900 kB\nRssShmem:\t     100 kB\n";
  const PeakMemory memory = ReadProcessStatus(path);
  EXPECT_EQ(memory.resident_bytes, 5000 * 1024);
  EXPECT_EQ(memory.anonymous_bytes, 1000 * 1024);
  EXPECT_EQ(memory.file_bytes, 3000 * 1024);
  std::filesystem::remove(path);
  EXPECT_EQ(ReadProcessStatus(path).resident_bytes, 0);
}

TEST(PeakMemory, CountsWhatWasTakenMeanwhileAndNotBefore) {
  { const Pages before(4 * kBytes); }
  PeakMemoryWatch watch;
  { const Pages meanwhile(kBytes); }
  const int64_t with = watch.Stop().resident_bytes;
  PeakMemoryWatch again;
  const int64_t without = again.Stop().resident_bytes;
  EXPECT_GE(with, without + kBytes / 2);
  EXPECT_LT(with, without + 3 * kBytes);
}

TEST(PeakMemory, PartsAddUpToThePeak) {
  PeakMemoryWatch watch;
  std::vector<char> kept(kBytes, 1);
  const PeakMemory memory = watch.Stop();
  EXPECT_GE(memory.anonymous_bytes, kBytes);
  EXPECT_LE(memory.anonymous_bytes + memory.file_bytes, memory.resident_bytes + kBytes / 4);
  EXPECT_GT(MemoryOfProcess(getpid()).anonymous_bytes, kBytes / 2) << kept[0];
}

}  // namespace
}  // namespace gemma3n
