// SPDX-License-Identifier: Apache-2.0
#include "engine/energy.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace gemma3n {
namespace {

class Energy : public testing::Test {
 protected:
  void SetUp() override {
    place_ =
        std::filesystem::temp_directory_path() / ("gemma3n_energy_" + std::to_string(getpid()));
  }
  void TearDown() override { std::filesystem::remove_all(place_); }
  void Write(const std::string& name, int64_t now, int64_t range) {
    std::filesystem::create_directories(place_ / name);
    std::ofstream(place_ / name / "energy_uj") << now << "\n";
    std::ofstream(place_ / name / "max_energy_range_uj") << range << "\n";
  }
  std::filesystem::path place_;
};

TEST_F(Energy, AddsPackagesAndNotTheirParts) {
  Write("intel-rapl:0", 1000000, 10000000);
  Write("intel-rapl:0:0", 1000000, 10000000);
  Write("intel-rapl:1", 9000000, 10000000);
  EnergyMeter meter(place_);
  meter.Begin();
  Write("intel-rapl:0", 3500000, 10000000);
  Write("intel-rapl:0:0", 9500000, 10000000);
  Write("intel-rapl:1", 500000, 10000000);  // began anew
  ASSERT_TRUE(meter.Joules());
  EXPECT_DOUBLE_EQ(*meter.Joules(), 2.5 + 1.5);
}

TEST_F(Energy, IsAbsentWhereNothingCanBeRead) {
  EnergyMeter meter(place_);
  meter.Begin();
  EXPECT_FALSE(meter.Joules());
}

}  // namespace
}  // namespace gemma3n
