// SPDX-License-Identifier: Apache-2.0
// The decoder process from both sides: programs in its place that die, lie or take too long, and
// its sandbox, tried call by call from inside.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gemma3n/error.h"
#include "gemma3n/media.h"
#include "media/test_files.h"
#include "media_process/film_maker.h"

namespace gemma3n {
namespace {

using namespace film_maker;
using test_files::BigEndian;
using test_files::MessageOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

VideoClip Read(const Bytes& bytes, const MediaOptions& options = {}) {
  return ParseVideo(bytes, "film", {}, options);
}

std::string Text(const Bytes& bytes) {
  return {bytes.begin(), bytes.end()};
}

std::string Refusal(const Bytes& bytes, const MediaOptions& options) {
  return MessageOf([&] { Read(bytes, options); });
}

// A program that stands in for gemma3n-media and misbehaves.
MediaOptions WithProgram(const std::string& script) {
  static int number = 0;
  const std::string path = ::testing::TempDir() + "/decoder_" + std::to_string(getpid()) + "_" +
                           std::to_string(number++);
  std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
  chmod(path.c_str(), 0755);
  MediaOptions options;
  options.decoder_program = path;
  return options;
}

// One record as bytes for printf: kind, length, body.
std::string PrintRecord(int kind, unsigned bytes, const std::string& body) {
  char head[64];
  std::snprintf(head, sizeof head, "\\%03o\\000\\000\\000\\%03o\\%03o\\%03o\\%03o", kind,
                bytes & 255, bytes >> 8 & 255, bytes >> 16 & 255, bytes >> 24 & 255);
  return "printf '" + std::string(head) + body + "'";
}

const char* const kZeros8 = "\\000\\000\\000\\000\\000\\000\\000\\000";

TEST(Decoder, hostile_V07_DecoderThatDiesOrLies) {
  const Bytes film = MakeFilm({.audio_codec = ""});
  const std::string film_record = PrintRecord(1, 16, std::string(kZeros8) + kZeros8);
  const std::vector<std::pair<std::string, const char*>> scripts = {
      {"exit 0", "ended without an answer"},
      {"exit 3", "ended without an answer"},
      {"kill -SEGV $$", "ended without an answer"},
      {"kill -SYS $$", "something forbidden"},
      {"head -c 100000 /dev/urandom", "wrong answer"},
      {"head -c 100000 /dev/zero", "wrong answer"},
      {film_record, "ended without an answer"},
      {film_record + "; " + film_record, "wrong answer"},
      {PrintRecord(4, 0, ""), "wrong answer"},                       // done before anything
      {film_record + "; " + PrintRecord(4, 0, ""), "wrong answer"},  // no frame
      // A frame of 65536 x 65536 pixels, one whose length does not fit, sound of 0 channels.
      {film_record + "; " +
           PrintRecord(2, 24,
                       std::string(kZeros8) + "\\000\\000\\001\\000\\000\\000\\001\\000" + kZeros8),
       "wrong answer"},
      {film_record + "; " + PrintRecord(2, 0xffffffff, ""), "answer"},
      {film_record + "; " + PrintRecord(3, 8, kZeros8), "found 0"},
      {film_record + "; " + PrintRecord(3, 0x7fffffff, ""), "answer"},
  };
  for (const auto& [script, text] : scripts) {
    EXPECT_THAT(Refusal(film, WithProgram(script)), HasSubstr(text)) << script;
    EXPECT_THAT(Read(film).frames, SizeIs(5));  // the next one is not disturbed
  }
  MediaOptions missing;
  missing.decoder_program = "/nowhere/gemma3n-media";
  EXPECT_THROW(Read(film, missing), Error);
}

TEST(Decoder, hostile_V07_DecoderThatTakesTooMuch) {
  const Bytes film = MakeFilm({.audio_codec = ""});
  MediaOptions spinning = WithProgram("while :; do :; done");
  spinning.limits.decoder_cpu_seconds = 1;
  EXPECT_THAT(Refusal(film, spinning), HasSubstr("took too long"));
  MediaOptions sleeping = WithProgram("exec sleep 1000");
  sleeping.limits.decoder_cpu_seconds = 0;  // ten times that may pass on the clock
  EXPECT_THAT(Refusal(film, sleeping), HasSubstr("took too long"));
  // A large file has more time: this one has a hole of 30 GB at its end, in a box that says so.
  const std::string large = ::testing::TempDir() + "/large_" + std::to_string(getpid());
  constexpr uint64_t kHole = 30'000'000'000;
  std::ofstream(large, std::ios::binary)
      << Text(film) << std::string("\0\0\0\1free", 8) << Text(BigEndian(kHole, 8));
  std::filesystem::resize_file(large, film.size() + kHole);
  MediaOptions hasty;
  hasty.limits.decoder_cpu_seconds = 0;
  hasty.limits.video_file_bytes = uint64_t{64} << 30;
  EXPECT_THAT(LoadVideo(large, {}, hasty).frames, SizeIs(5));
  std::filesystem::remove(large);
  // The real program with hardly any memory.
  MediaOptions hungry;
  hungry.limits.decoder_memory_bytes = 16 << 20;
  EXPECT_NE(Refusal(film, hungry), "");
}

int StatusOf(const std::string& words) {
  const std::string probe = std::string(GEMMA3N_BINARY_DIR) + "/bin/sandbox_probe ";
  return std::system(("exec " + probe + words + " < /dev/zero > /dev/null 2> /dev/null").c_str());
}

bool HaveSandbox() {
  const int status = StatusOf("compute");
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(Sandbox, hostile_V08_ForbiddenCallsEndTheProcess) {
  if (!HaveSandbox()) GTEST_SKIP() << "this kernel cannot filter system calls";
  for (const char* call : {"open",
                           "create",
                           "stat",
                           "unlink",
                           "socket",
                           "fork",
                           "thread",
                           "execute",
                           "map_executable",
                           "make_executable",
                           "write_elsewhere",
                           "read_elsewhere",
                           "duplicate",
                           "kill",
                           "signal_parent",
                           "ptrace",
                           "ioctl",
                           "io_uring",
                           "raise_limit",
                           "memfd"}) {
    const int status = StatusOf(call);
    EXPECT_TRUE(WIFSIGNALED(status)) << call;
    EXPECT_EQ(WTERMSIG(status), SIGSYS) << call;
  }
  for (const char* call : {"compute", "read", "write", "memory"}) {
    const int status = StatusOf(call);
    EXPECT_TRUE(WIFEXITED(status)) << call;
    EXPECT_EQ(WEXITSTATUS(status), 0) << call;
  }
  const int spun = StatusOf("spin");
  EXPECT_TRUE(WIFSIGNALED(spun));
  EXPECT_EQ(WTERMSIG(spun), SIGXCPU);
}

TEST(Sandbox, hostile_V08_ForbiddenCallsAreCounted) {
  if (!HaveSandbox()) GTEST_SKIP() << "this kernel cannot filter system calls";
  const Bytes film = MakeFilm({.audio_codec = ""});
  const auto probe = [](const std::string& call) {
    return WithProgram("exec " + std::string(GEMMA3N_BINARY_DIR) + "/bin/sandbox_probe " + call);
  };
  const int64_t before = ForbiddenDecoderCalls();
  int64_t count = 0;
  for (const char* call : {"open", "socket", "fork", "map_executable"}) {
    EXPECT_THAT(Refusal(film, probe(call)), HasSubstr("something forbidden")) << call;
    EXPECT_EQ(ForbiddenDecoderCalls() - before, ++count) << call;
  }
  // Other deaths, and none, do not count.
  EXPECT_NE(Refusal(film, probe("compute")), "");
  EXPECT_NE(Refusal(film, WithProgram("kill -SEGV $$")), "");
  EXPECT_THAT(Read(film).frames, SizeIs(5));
  EXPECT_EQ(ForbiddenDecoderCalls() - before, count);
}

TEST(Sandbox, hostile_V09_WithoutItFilmsAreOffUnlessAllowed) {
  if (!HaveSandbox()) GTEST_SKIP() << "needs a filter of its own to take the sandbox away";
  const std::string bin = std::string(GEMMA3N_BINARY_DIR) + "/bin/";
  MediaOptions options = WithProgram("exec " + bin + "sandbox_probe --without-seccomp " + bin +
                                     "gemma3n-media \"$@\"");
  const Bytes film = MakeFilm({.audio_codec = ""});
  EXPECT_THAT(Refusal(film, options), HasSubstr("--allow-unsandboxed-decoder"));
  options.allow_unsandboxed_decoder = true;
  EXPECT_THAT(Read(film, options).frames, SizeIs(5));
}

}  // namespace
}  // namespace gemma3n
