// SPDX-License-Identifier: Apache-2.0
// The kernels one by one, beside what the machine can do at most.
//
//   kernel_bench [--threads=N] [Google Benchmark's options]
//
// Arithmetic: one thread, everything in its caches, GMAC/s and the share of the peak in registers.
// "stream": all threads, weights from memory, GB/s and the share of a plain read of the same memory
// just before and after. GEMMA3N_ISA chooses a lower instruction set.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "gemma3n/error.h"
#include "kernels/attention.h"
#include "kernels/float_dot.h"
#include "kernels/int_dot.h"
#include "kernels/isa.h"
#include "kernels/rows.h"
#include "machine_limits.h"
#include "ops/dot_product_attention.h"

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;
using kernels::IntKernels;
using kernels::QuantizedRow;

constexpr int64_t kDepth = 2048;  // E2B's width
constexpr int64_t kBlocks = kDepth / packed::kBlock;
constexpr size_t kStreamBytes = 256 << 20;  // far more than any cache holds

struct Limits {
  Peak integers, floats;
};

// Times `once` and tells its rate and its share of `limit`, both of `work` units a call.
void Rate(benchmark::State& state, const char* unit, double work, double limit,
          const std::function<void()>& once) {
  const Clock::time_point begin = Clock::now();
  for ([[maybe_unused]] auto _ : state) {
    once();
    benchmark::ClobberMemory();
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const double rate = work * static_cast<double>(state.iterations()) / seconds;
  state.counters[unit] = rate / 1e9;
  if (limit > 0) state.counters["share"] = rate / limit;
}

std::vector<float> RandomFloats(size_t count) {
  std::mt19937 generator(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(generator);
  return values;
}

// One tile or row of quantized weights: random elements, scales of some size.
std::vector<std::byte> RandomUnit(DType dtype) {
  std::mt19937 generator(1);
  std::vector<std::byte> unit(static_cast<size_t>(packed::UnitBytes(dtype, kDepth)));
  for (std::byte& byte : unit) byte = static_cast<std::byte>(generator());
  const auto set_scales = [&](size_t at, size_t count) {
    const std::vector<float> scales(count, 0.01f);
    std::memcpy(unit.data() + at, scales.data(), count * sizeof(float));
  };
  switch (dtype) {
    case DType::kQ4Tiles:
      set_scales(0, packed::kTileRows);
      break;
    case DType::kQ8Tiles:
      for (int64_t b = 0; b < kBlocks; ++b) {
        set_scales(static_cast<size_t>(b * packed::kQ8Block), packed::kTileRows);
      }
      break;
    case DType::kQ4Rows:
      set_scales(0, 1);
      break;
    default:
      set_scales(0, kBlocks);
  }
  return unit;
}

// Rows of x in 8 bits.
struct XRows {
  explicit XRows(int count) {
    const size_t bytes = kernels::QuantizedRowBytes(kBlocks);
    memory.Resize(bytes * static_cast<size_t>(count));
    const std::vector<float> x = RandomFloats(kDepth);
    for (int i = 0; i < count; ++i) {
      std::byte* at = memory.data() + static_cast<size_t>(i) * bytes;
      kernels::QuantizeRow(x.data(), kDepth, at);
      rows.push_back(kernels::QuantizedRowAt(at, kBlocks));
    }
  }
  AlignedBuffer<std::byte> memory;
  std::vector<QuantizedRow> rows;
};

void Register(const std::string& name, const std::function<void(benchmark::State&)>& run) {
  benchmark::RegisterBenchmark(name.c_str(), run)->UseRealTime();
}

// --- integers, in cache

void AddTiles(const Limits& limits) {
  const IntKernels& table = kernels::ActiveIntKernels();
  const double peak = limits.integers.one_thread;
  const auto add = [&](const std::string& name, DType dtype, auto multiply, int rows) {
    Register(name + "/rows:" + std::to_string(rows), [=](benchmark::State& state) {
      const std::vector<std::byte> tile = RandomUnit(dtype);
      const XRows x(rows);
      std::vector<float> y(static_cast<size_t>(rows * packed::kTileRows));
      Rate(state, "GMAC/s", static_cast<double>(rows * packed::kTileRows * kDepth), peak, [&] {
        multiply(tile.data(), kBlocks, x.rows.data(), rows, y.data(), packed::kTileRows);
      });
    });
  };
  for (int rows = 1; rows <= IntKernels::kMostRows; ++rows) {
    add("q4_tile", DType::kQ4Tiles, table.q4_tile, rows);
  }
  for (int rows = 1; rows <= IntKernels::kMostRows; ++rows) {
    add("q8_tile", DType::kQ8Tiles, table.q8_tile, rows);
  }
}

void AddPairs(const Limits& limits) {
  const IntKernels& table = kernels::ActiveIntKernels();
  const double peak = limits.integers.one_thread;
  const int rows = IntKernels::kMostRows;
  constexpr int64_t kOutputs = 2 * packed::kTileRows;
  // As ops use them: many rows of x meet the two tiles, which then lie in the second-level cache.
  constexpr int kCalls = 32;
  const double work = static_cast<double>(kCalls * rows * kOutputs * kDepth);
  if (table.q4_pair != nullptr)
    Register("q4_pair/rows:192", [=](benchmark::State& state) {
      std::vector<std::byte> tiles = RandomUnit(DType::kQ4Tiles);
      const std::vector<std::byte> one = tiles;
      tiles.insert(tiles.end(), one.begin(), one.end());
      AlignedBuffer<uint8_t> wide(kOutputs * kDepth);
      for (int64_t i = 0; i < 2; ++i) {
        table.widen_q4_tile(one.data(), kBlocks, wide.data() + i * packed::kTileRows * kDepth);
      }
      const XRows x(kCalls * rows);
      std::vector<float> y(static_cast<size_t>(rows * kOutputs));
      Rate(state, "GMAC/s", work, peak, [&] {
        for (int call = 0; call < kCalls; ++call) {
          table.q4_pair(wide.data(), tiles.data(), kBlocks, x.rows.data() + call * rows, rows,
                        y.data(), kOutputs);
        }
      });
    });
  Register("q8_pair/rows:192", [=](benchmark::State& state) {
    std::vector<std::byte> tiles = RandomUnit(DType::kQ8Tiles);
    const std::vector<std::byte> one = tiles;
    tiles.insert(tiles.end(), one.begin(), one.end());
    const XRows x(kCalls * rows);
    std::vector<float> y(static_cast<size_t>(rows * kOutputs));
    Rate(state, "GMAC/s", work, peak, [&] {
      for (int call = 0; call < kCalls; ++call) {
        table.q8_pair(tiles.data(), kBlocks, x.rows.data() + call * rows, rows, y.data(), kOutputs);
      }
    });
  });
  Register("widen_q4_tile", [=](benchmark::State& state) {
    const std::vector<std::byte> tile = RandomUnit(DType::kQ4Tiles);
    AlignedBuffer<uint8_t> wide(packed::kTileRows * kDepth);
    Rate(state, "Gelement/s", static_cast<double>(packed::kTileRows * kDepth), 0,
         [&] { table.widen_q4_tile(tile.data(), kBlocks, wide.data()); });
  });
}

void AddSingleRows(const Limits& limits) {
  const IntKernels& table = kernels::ActiveIntKernels();
  const auto add_product = [&](const char* name, DType dtype, auto multiply) {
    Register(name, [=, peak = limits.integers.one_thread](benchmark::State& state) {
      const std::vector<std::byte> row = RandomUnit(dtype);
      const XRows x(1);
      Rate(state, "GMAC/s", kDepth, peak,
           [&] { benchmark::DoNotOptimize(multiply(row.data(), kBlocks, x.rows[0])); });
    });
  };
  add_product("q4_row", DType::kQ4Rows, table.q4_row);
  add_product("q8_row", DType::kQ8Rows, table.q8_row);
  const auto add_sum = [&](const char* name, DType dtype, auto add) {
    Register(name, [=, peak = limits.floats.one_thread](benchmark::State& state) {
      const std::vector<std::byte> row = RandomUnit(dtype);
      std::vector<float> y(kDepth);
      Rate(state, "GMAC/s", kDepth, peak,
           [&] { add(row.data(), kBlocks, 0, kBlocks, 1e-3f, y.data()); });
    });
  };
  add_sum("add_q4_row", DType::kQ4Rows, table.add_q4_row);
  add_sum("add_q8_row", DType::kQ8Rows, table.add_q8_row);
  Register("quantize_row", [](benchmark::State& state) {
    const std::vector<float> x = RandomFloats(kDepth);
    AlignedBuffer<std::byte> row(kernels::QuantizedRowBytes(kBlocks));
    Rate(state, "Gelement/s", kDepth, 0,
         [&] { kernels::QuantizeRow(x.data(), kDepth, row.data()); });
  });
}

// --- floats, in cache

template <class T>
void AddDots(const char* name, const Limits& limits) {
  for (const size_t rows : {size_t{1}, size_t{4}, size_t{192}}) {
    Register(std::string(name) + "/rows:" + std::to_string(rows),
             [=, peak = limits.floats.one_thread](benchmark::State& state) {
               constexpr size_t kCols = 32;
               const std::vector<float> x = RandomFloats(rows * kDepth);
               std::vector<T> w(kCols * kDepth);  // zeros: as fast as any number
               std::vector<float> y(rows * kCols);
               const kernels::TileShape shape = {rows, kCols, kDepth, kDepth, kDepth, kCols};
               Rate(state, "GMAC/s", static_cast<double>(rows * kCols * kDepth), peak,
                    [&] { kernels::DotTile(x.data(), w.data(), shape, y.data()); });
             });
  }
}

void AddRows() {
  const auto add = [](const char* name, void (*run)(const float*, size_t, float*)) {
    Register(name, [=](benchmark::State& state) {
      const std::vector<float> x = RandomFloats(kDepth);
      std::vector<float> y(kDepth);
      Rate(state, "Gelement/s", kDepth, 0, [&] { run(x.data(), kDepth, y.data()); });
    });
  };
  add("rms_norm",
      [](const float* x, size_t n, float* y) { kernels::RmsNorm(x, nullptr, 1e-6f, n, y); });
  add("gelu", kernels::Gelu);
  add("softmax", kernels::Softmax);
}

// Rows of keys or values for two heads.
std::vector<std::byte> KeyValueRows(ops::KeyValueType type, int64_t rows, int64_t head_dim) {
  const std::vector<float> x = RandomFloats(static_cast<size_t>(head_dim));
  const int64_t bytes = ops::KeyValueRowBytes(type, head_dim);
  std::vector<std::byte> stored(static_cast<size_t>(rows * bytes));
  for (int64_t row = 0; row < rows; ++row) {
    ops::StoreKeyValueRow(type, x.data(), head_dim, stored.data() + row * bytes);
  }
  return stored;
}

// E2B's heads; one query of a step, or a chunk of a prompt, behind `before` positions.
void AddAttention(int64_t queries, int64_t before, const Limits& limits, ThreadPool& pool) {
  for (const auto& [name, type] :
       {std::pair{"f32", ops::KeyValueType::kF32}, std::pair{"f16", ops::KeyValueType::kF16},
        std::pair{"int8", ops::KeyValueType::kInt8}}) {
    Register(std::string("attention/") + name + "/queries:" + std::to_string(queries) +
                 "/before:" + std::to_string(before),
             [=, kv = type, &pool, peak = limits.floats.all_threads](benchmark::State& state) {
               const ops::AttentionShape shape = {8, 2, 256, 0};
               const int64_t width = shape.num_attention_heads * shape.head_dim;
               const int64_t capacity = (before + queries + 63) / 64 * 64;
               const int64_t rows = shape.num_key_value_heads * capacity;
               const std::vector<std::byte> keys = KeyValueRows(kv, rows, shape.head_dim);
               const std::vector<std::byte> values = KeyValueRows(kv, rows, shape.head_dim);
               const std::vector<float> q = RandomFloats(static_cast<size_t>(queries * width));
               std::vector<float> out(q.size());
               std::vector<float> scratch(ops::AttentionScratchFloats(shape, before + queries));
               const double seen =
                   static_cast<double>(queries) *
                   (static_cast<double>(before) + static_cast<double>(queries + 1) / 2);
               Rate(state, "GMAC/s", 2 * seen * static_cast<double>(width), peak, [&] {
                 const ops::KeyValueSlots slots{keys.data(), values.data(), capacity, kv};
                 if (queries == 1) {
                   const ops::QueryOfSequence one{q.data(), before, slots, scratch, out.data()};
                   ops::OneQueryEach({&one, 1}, shape, pool);
                 } else {
                   ops::CausalAttention({{q.data(), queries, width}, before}, slots, shape,
                                        {out.data(), queries, width}, pool);
                 }
               });
             });
  }
}

// --- weights from memory

// `read` takes units [begin, end) of the memory.
void AddStream(const std::string& name, const std::vector<std::byte>& unit, ThreadPool& pool,
               const std::function<void(const std::byte*, int64_t)>& read) {
  Register("stream/" + name, [=, &pool](benchmark::State& state) {
    static HugeBuffer memory(kStreamBytes);
    std::byte* const bytes = reinterpret_cast<std::byte*>(memory.data());
    const int64_t unit_bytes = static_cast<int64_t>(unit.size());
    const int64_t per_piece = std::max<int64_t>(1, (256 << 10) / unit_bytes);
    const int64_t pieces = static_cast<int64_t>(kStreamBytes) / (per_piece * unit_bytes);
    for (int64_t i = 0; i < pieces * per_piece; ++i) {
      std::memcpy(bytes + i * unit_bytes, unit.data(), unit.size());
    }
    const auto plain_read = [&] {
      return std::max(ReadSpeed(memory.span(), pool), ReadSpeed(memory.span(), pool));
    };
    const double before = plain_read();
    Rate(state, "GB/s", static_cast<double>(pieces * per_piece * unit_bytes), 0, [&] {
      pool.ParallelFor(static_cast<size_t>(pieces), [&](size_t piece) {
        read(bytes + static_cast<int64_t>(piece) * per_piece * unit_bytes, per_piece);
      });
    });
    const double plain = (before + plain_read()) / 2;
    state.counters["read_GB/s"] = plain / 1e9;
    state.counters["share"] = state.counters["GB/s"] * 1e9 / plain;
  });
}

void AddStreams(ThreadPool& pool) {
  const IntKernels& table = kernels::ActiveIntKernels();
  const auto x = std::make_shared<XRows>(IntKernels::kMostRows);
  const auto tiles = [&](const std::string& name, DType dtype, auto multiply, int rows) {
    const std::vector<std::byte> unit = RandomUnit(dtype);
    AddStream(name + "/rows:" + std::to_string(rows), unit, pool,
              [=, bytes = unit.size()](const std::byte* at, int64_t count) {
                float y[IntKernels::kMostRows * packed::kTileRows];
                for (int64_t i = 0; i < count; ++i) {
                  multiply(at + static_cast<size_t>(i) * bytes, kBlocks, x->rows.data(), rows, y,
                           packed::kTileRows);
                }
              });
  };
  tiles("q4_tile", DType::kQ4Tiles, table.q4_tile, 1);
  tiles("q4_tile", DType::kQ4Tiles, table.q4_tile, 4);
  tiles("q8_tile", DType::kQ8Tiles, table.q8_tile, 1);
  const std::vector<std::byte> row = RandomUnit(DType::kQ4Rows);
  AddStream("q4_row", row, pool, [=, bytes = row.size()](const std::byte* at, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      benchmark::DoNotOptimize(
          table.q4_row(at + static_cast<size_t>(i) * bytes, kBlocks, x->rows[0]));
    }
  });
  const auto floats = std::make_shared<std::vector<float>>(RandomFloats(kDepth));
  AddStream("bf16_dot/rows:1", std::vector<std::byte>(kDepth * sizeof(Bf16)), pool,
            [=](const std::byte* at, int64_t count) {
              const size_t n = static_cast<size_t>(count);
              std::vector<float> y(n);
              kernels::DotTile(floats->data(), reinterpret_cast<const Bf16*>(at),
                               {1, n, kDepth, kDepth, kDepth, n}, y.data());
            });
}

// --- the program

void TellPeak(const char* name, const Peak& peak, int threads) {
  char text[160];
  std::snprintf(text, sizeof(text), "%.1f GMAC/s on 1 thread, %.1f on %d (%s)",
                peak.one_thread / 1e9, peak.all_threads / 1e9, threads, peak.instruction.c_str());
  benchmark::AddCustomContext(name, text);
}

// 1, 2, 4, ... threads, and as many as there are.
void TellReadSpeeds(int threads) {
  const HugeBuffer memory(kStreamBytes);
  for (int count = 1;; count = std::min(2 * count, threads)) {
    ThreadPool pool(count);
    std::vector<double> speeds;
    for (int i = 0; i < 9; ++i) speeds.push_back(ReadSpeed(memory.span(), pool));
    std::sort(speeds.begin(), speeds.end());
    char text[120];
    std::snprintf(text, sizeof(text), "%.1f GB/s median of 9 passes, %.1f to %.1f", speeds[4] / 1e9,
                  speeds.front() / 1e9, speeds.back() / 1e9);
    benchmark::AddCustomContext("read from memory, " + std::to_string(count) + " threads", text);
    if (count == threads) return;
  }
}

// Takes --threads=N out of the arguments; 0 when it is not there.
int TakeThreads(int& argc, char** argv) {
  constexpr char kOption[] = "--threads=";
  int threads = 0, kept = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], kOption, sizeof(kOption) - 1) == 0) {
      threads = std::max(0, std::atoi(argv[i] + sizeof(kOption) - 1));
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
  return threads;
}

int Main(int argc, char** argv) {
  kernels::ForceIsaFromEnvironment();
  ThreadPool pool(TakeThreads(argc, argv));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const Limits limits = {IntDotPeak(pool), FloatPeak(pool)};
  benchmark::AddCustomContext("kernels", std::string(kernels::ActiveIntKernels().name) +
                                             " for integers, " + kernels::ActiveIsa() +
                                             " for floats");
  TellPeak("integer peak", limits.integers, pool.num_threads());
  TellPeak("float peak", limits.floats, pool.num_threads());
  TellReadSpeeds(pool.num_threads());
  AddTiles(limits);
  AddPairs(limits);
  AddSingleRows(limits);
  AddDots<float>("f32_dot", limits);
  AddDots<Bf16>("bf16_dot", limits);
  AddRows();
  AddAttention(1, 4096, limits, pool);
  AddAttention(256, 0, limits, pool);
  AddAttention(256, 4096, limits, pool);
  AddStreams(pool);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace gemma3n

int main(int argc, char** argv) {
  try {
    return gemma3n::Main(argc, argv);
  } catch (const gemma3n::Error& error) {
    std::fprintf(stderr, "kernel_bench: %s\n", error.what());
    return 2;
  }
}
