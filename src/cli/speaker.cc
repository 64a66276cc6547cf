// SPDX-License-Identifier: Apache-2.0
#include "cli/speaker.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "cli/options.h"
#include "cli/terminal.h"
#include "gemma3n/error.h"

extern char** environ;

namespace gemma3n::cli {
namespace {

constexpr auto kToEnd = std::chrono::milliseconds(500);  // after which a program is killed

bool IsInstalled(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::filesystem::path file = std::filesystem::path(folder) / program;
    if (access(file.c_str(), X_OK) == 0) return true;
  }
  return false;
}

// A voice of Piper's says in FILE.onnx.json how many samples a second it makes.
std::string RateOf(const std::string& voice) {
  const std::string file = voice + ".json";
  try {
    const auto json = nlohmann::json::parse(TextOrFile("@" + file));
    return std::to_string(json.at("audio").at("sample_rate").get<int>());
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorKind::kUsage, file + ": expected audio.sample_rate in it, found none");
  }
}

Pipeline Piper(const std::string& voice) {
  if (!IsInstalled("piper")) {
    throw Error(ErrorKind::kUsage, "--speak " + voice + ": expected the program piper, found none");
  }
  const std::string rate = RateOf(voice);
  const std::vector<std::string> piper = {"piper", "--model", voice, "--output_raw"};
  if (IsInstalled("paplay")) {
    return {piper, {"paplay", "--raw", "--rate=" + rate, "--format=s16le", "--channels=1"}};
  }
  if (IsInstalled("aplay")) {
    return {piper, {"aplay", "-q", "-t", "raw", "-r", rate, "-f", "S16_LE", "-c", "1"}};
  }
  throw Error(ErrorKind::kUsage,
              "--speak: expected paplay (pulseaudio-utils) or aplay "
              "(alsa-utils) to play what piper says, found neither");
}

void CloseUnlessNone(int descriptor) {
  if (descriptor >= 0) close(descriptor);
}

// With `input` and `output` as its descriptors 0 and 1, which are closed here.
pid_t Spawn(const std::vector<std::string>& words, int input, int output, pid_t group) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
  if (output >= 0) {
    posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  } else {
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  }
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  for (int signal : {SIGPIPE, SIGINT}) sigaddset(&defaults, signal);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setpgroup(&attributes, group);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = -1;
  const int failed =
      posix_spawnp(&pid, arguments[0], &files, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  close(input);
  CloseUnlessNone(output);
  if (failed == 0) return pid;
  throw Error(ErrorKind::kResources,
              "speaking: " + words[0] + " cannot be started: " + std::strerror(failed));
}

}  // namespace

Pipeline FindSpeaker(const std::string& voice, const std::string& with) {
  if (!with.empty()) return {{"/bin/sh", "-c", with}};
  if (std::filesystem::path(voice).extension() == ".onnx") return Piper(voice);
  if (!IsInstalled("espeak-ng")) {
    throw Error(ErrorKind::kUsage,
                "--speak: expected the program espeak-ng, or a voice of piper's as --speak "
                "FILE.onnx, found neither; --speak-with takes any program that reads text");
  }
  // Without words to say espeak-ng takes its input line by line.
  if (voice.empty()) return {{"espeak-ng"}};
  return {{"espeak-ng", "-v", voice}};
}

std::string Speaker::Name() const {
  const std::vector<std::string>& words = pipeline_[0];
  return words[0] == "/bin/sh" ? words.back() : words[0];
}

void Speaker::Start() {
  finished_ = failed_ = false;
  int ends[2];
  const auto pipe_or_throw = [&] {
    if (pipe2(ends, O_CLOEXEC) != 0) {
      throw Error(ErrorKind::kResources, std::string("speaking: ") + std::strerror(errno));
    }
  };
  pipe_or_throw();
  input_ = ends[1];
  fcntl(input_, F_SETFL, O_NONBLOCK);
  int input = ends[0];
  for (size_t i = 0; i < pipeline_.size(); ++i) {
    const bool last = i + 1 == pipeline_.size();
    if (!last) pipe_or_throw();
    pid_t pid = -1;
    try {
      pid = Spawn(pipeline_[i], input, last ? -1 : ends[1], std::max(0, group_));
    } catch (...) {
      if (!last) close(ends[0]);
      throw;
    }
    if (running_.empty()) EndWithUs(group_ = pid);
    running_.push_back(pid);
    input = ends[0];
  }
}

void Speaker::Say(const std::string& line) {
  if (running_.empty()) {
    try {
      Start();
    } catch (...) {
      Stop();
      throw;
    }
  }
  waiting_ += line + "\n";
  Feed();
}

void Speaker::Feed() {
  while (input_ >= 0 && !waiting_.empty()) {
    const ssize_t written = write(input_, waiting_.data(), waiting_.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) return;
    if (written <= 0) {  // it reads no more: whether it failed, its end will tell
      waiting_.clear();
      break;
    }
    waiting_.erase(0, static_cast<size_t>(written));
  }
  if (!finished_ || !waiting_.empty()) return;
  CloseUnlessNone(std::exchange(input_, -1));
}

bool Speaker::Reap() {
  std::erase_if(running_, [this](pid_t pid) {
    int status = 0;
    const pid_t ended = waitpid(pid, &status, WNOHANG);
    failed_ = failed_ || (ended == pid && status != 0);
    return ended != 0;
  });
  return running_.empty();
}

bool Speaker::Speaking() {
  if (running_.empty()) return false;
  Feed();
  if (!Reap()) return true;
  const bool failed = failed_;
  Stop();
  if (failed) throw Error(ErrorKind::kResources, "speaking: " + Name() + " failed");
  return false;
}

void Speaker::Stop() {
  if (!running_.empty()) {
    kill(-group_, SIGTERM);
    const auto until = std::chrono::steady_clock::now() + kToEnd;
    while (!Reap() && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    kill(-group_, SIGKILL);
    for (pid_t pid : running_) waitpid(pid, nullptr, 0);
  }
  EndWithUs(0);
  running_.clear();
  group_ = -1;
  CloseUnlessNone(std::exchange(input_, -1));
  waiting_.clear();
}

}  // namespace gemma3n::cli
