// SPDX-License-Identifier: Apache-2.0
// Microphones where there is none: ALSA's own devices that read a file or nothing, a PulseAudio
// server that plays to nobody (where it is installed), and programs in the decoder's place.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "gemma3n/sound_stream.h"
#include "media/test_files.h"

namespace gemma3n {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test_files::MessageOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Stream = std::unique_ptr<SoundStream>;

std::string TempPath(const std::string& name) {
  return ::testing::TempDir() + "/microphone_" + std::to_string(getpid()) + "_" + name;
}

// ALSA with two devices: "recorded", which hears the file, and "nothing".
void UseAlsaOf(const std::string& file) {
  const std::string config = TempPath("alsa.conf");
  std::ofstream(config) << "pcm.nothing { type null }\n"
                        << "pcm.recorded { type file slave.pcm \"nothing\" file \"/dev/null\" "
                        << "infile \"" << file << "\" format \"raw\" }\n";
  setenv("ALSA_CONFIG_PATH", config.c_str(), 1);
}

std::vector<float> ReadSome(SoundStream& stream, size_t count) {
  std::vector<float> all(count);
  for (size_t have = 0; have < count;) have += stream.Read(std::span(all).subspan(have));
  return all;
}

void ExpectNoChildren() {
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(Microphone, HearsWhatAlsaGives) {
  const std::string path = TempPath("sound");
  std::vector<int16_t> sound;  // 2 s in two channels
  for (int64_t i = 0; i < 2 * 2 * 48000; ++i) sound.push_back(static_cast<int16_t>(i * i % 30011));
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(sound.data()),
             static_cast<std::streamsize>(sound.size() * 2));
  UseAlsaOf(path);
  const Stream stream = SoundStream::OpenMicrophone("recorded");
  EXPECT_EQ(stream->duration_s(), 0);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const Stream file =
      SoundStream::OpenDescriptor(fd, "file", RawSound{48000, 2, RawSound::Format::kS16});
  EXPECT_EQ(ReadSome(*stream, 30000), ReadSome(*file, 30000));
  close(fd);
}

TEST(Microphone, hostile_F08_DeviceThatIsNotThere) {
  UseAlsaOf("/dev/null");
  EXPECT_THAT(MessageOf([] { SoundStream::OpenMicrophone("hw:7"); }),
              StartsWith("microphone hw:7: cannot be opened: there is no such device"));
  setenv("PULSE_SERVER", "/nonexistent/pulse", 1);
  EXPECT_THAT(MessageOf([] { SoundStream::OpenMicrophone("pulse:desk"); }),
              StartsWith("microphone pulse:desk: cannot be opened"));
  unsetenv("PULSE_SERVER");
  ExpectNoChildren();
}

TEST(Microphone, hostile_F08_DeviceThatGoesAway) {
  const std::string path = TempPath("program");
  const std::string lost =
      "printf '\\005\\0\\0\\0\\100\\0\\0\\0\\015\\0\\0\\0'; head -c 60 /dev/zero";
  for (const auto& [script, text] : std::vector<std::pair<std::string, std::string>>{
           {lost, "gives no sound any more: the device is gone"},
           {"kill -SEGV $$", "gives no sound any more: its reader ended"},
           {"kill -SYS $$", "its reader tried something forbidden and was stopped"}}) {
    // Half a second of silence comes first.
    std::ofstream(path)
        << "#!/bin/sh\nprintf '\\001\\0\\0\\0\\020\\0\\0\\0'; head -c 16 /dev/zero\n"
        << "printf '\\003\\0\\0\\0\\010\\175\\0\\0\\200\\076\\0\\0\\001\\0\\0\\0'; "
        << "head -c 32000 /dev/zero\n"
        << script << "\n";
    chmod(path.c_str(), 0755);
    MediaOptions options;
    options.decoder_program = path;
    const Stream stream = SoundStream::OpenMicrophone("hw:1", options);
    EXPECT_EQ(ReadSome(*stream, 8000), std::vector<float>(8000));
    float sample = 0;
    for (int i = 0; i < 2; ++i)
      EXPECT_EQ(MessageOf([&] { stream->Read({&sample, 1}); }), "microphone hw:1: " + text);
  }
}

TEST(Microphone, WhatIsNotReadInTimeIsAnError) {
  UseAlsaOf("/dev/null");
  MediaOptions options;
  options.limits.microphone_buffer_seconds = 2;
  const Stream stream = SoundStream::OpenMicrophone("nothing", options);
  std::this_thread::sleep_for(milliseconds(1000));  // this device gives more than it should
  size_t count = 0;
  std::vector<float> samples(16000);
  const std::string message = MessageOf([&] {
    for (;;) count += stream->Read(samples);
  });
  EXPECT_THAT(message, HasSubstr("was not read in time: more than 2 s of it are waiting"));
  EXPECT_GE(count, 32000u);  // what came before stands
}

TEST(Microphone, EndsAtOnceWhenItIsDropped) {
  UseAlsaOf("/dev/null");
  Stream stream = SoundStream::OpenMicrophone("nothing");
  const auto start = steady_clock::now();
  stream.reset();
  EXPECT_LT(steady_clock::now() - start, milliseconds(1500));
  ExpectNoChildren();
}

int StatusOf(const std::string& call) {
  const std::string probe = std::string(GEMMA3N_BINARY_DIR) + "/bin/sandbox_probe --sound ";
  return std::system(("exec " + probe + call + " < /dev/zero > /dev/null 2> /dev/null").c_str());
}

TEST(Microphone, hostile_V08_SandboxAllowsWhatIsOpenAndNoMore) {
  const int status = StatusOf("compute");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    GTEST_SKIP() << "this kernel cannot filter system calls";
  for (const char* call :
       {"open", "create", "stat", "unlink", "socket", "fork", "thread", "execute", "map_executable",
        "make_executable", "duplicate", "kill", "signal_parent", "ptrace", "ioctl", "io_uring",
        "raise_limit", "memfd"}) {
    const int ended = StatusOf(call);
    EXPECT_TRUE(WIFSIGNALED(ended)) << call;
    EXPECT_EQ(WTERMSIG(ended), SIGSYS) << call;
  }
  for (const char* call : {"read", "write", "write_elsewhere", "poll", "pcm_ioctl", "memory"})
    EXPECT_EQ(StatusOf(call), 0) << call;
}

// A PulseAudio server of our own, in a directory of its own, whose one source is a tone of 1 kHz.
class PulseServer {
 public:
  PulseServer() {
    std::filesystem::create_directories(directory_);
    std::filesystem::permissions(directory_, std::filesystem::perms::owner_all);
    const std::string socket = directory_ + "/server";
    running_ =
        Run("-n --daemonize=yes --fail=yes --exit-idle-time=60 --load='module-native-protocol-"
            "unix socket=" +
            socket + "' --load='module-sine-source rate=48000 frequency=1000'");
    setenv("PULSE_SERVER", ("unix:" + socket).c_str(), 1);
  }
  ~PulseServer() {
    Stop();
    unsetenv("PULSE_SERVER");
    std::filesystem::remove_all(directory_);
  }
  bool running() const { return running_; }
  void Stop() {
    if (running_) Run("--kill");
    running_ = false;
  }

 private:
  bool Run(const std::string& words) const {
    const std::string command = "HOME=" + directory_ + " XDG_RUNTIME_DIR=" + directory_ +
                                " pulseaudio " + words + " > /dev/null 2>&1";
    return std::system(command.c_str()) == 0;
  }

  std::string directory_ = TempPath("pulse");
  bool running_ = false;
};

TEST(Microphone, HearsAPulseAudioServer) {
  if (std::system("command -v pulseaudio > /dev/null 2>&1") != 0)
    GTEST_SKIP() << "pulseaudio is not installed";
  PulseServer server;
  if (!server.running()) GTEST_SKIP() << "pulseaudio does not start here";
  const Stream stream = SoundStream::OpenMicrophone("pulse:sine_input");
  const std::vector<float> heard = ReadSome(*stream, 32000);
  int crossings = 0;  // of zero, upwards, in the second half: a tone of 1 kHz
  for (size_t i = 16001; i < heard.size(); ++i) crossings += heard[i - 1] < 0 && heard[i] >= 0;
  EXPECT_NEAR(crossings, 1000, 2);
  server.Stop();
  EXPECT_EQ(MessageOf([&] { ReadSome(*stream, 1 << 20); }),
            "microphone pulse:sine_input: gives no sound any more: the device is gone");
}

}  // namespace
}  // namespace gemma3n
