// SPDX-License-Identifier: Apache-2.0
#include "cli/watch_args.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "cli/media_files.h"
#include "cli/terminal.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

constexpr char kDefaultCamera[] = "/dev/video0";
constexpr char kDefaultQuestion[] = "Describe the picture.";

bool IsDisplay(const std::string& text) {
  const size_t colon = text.find(':');
  return text.find_first_of(" \t\n") == std::string::npos && colon != std::string::npos &&
         colon + 1 < text.size() && text[colon + 1] >= '0' && text[colon + 1] <= '9';
}

// What stands behind --cam and --screen may be meant for the question.
void GiveBackQuestion(WatchArgs& args) {
  if (args.use_camera && !args.camera.empty() && args.camera[0] != '/') {
    args.words.insert(args.words.begin(), std::exchange(args.camera, ""));
  }
  if (args.use_screen && !args.screen.empty() && !IsDisplay(args.screen)) {
    args.words.insert(args.words.begin(), std::exchange(args.screen, ""));
  }
}

void TakeWords(WatchArgs& args) {
  const bool has_source = args.is_device() || !args.url.empty();
  for (const std::string& word : args.words) {
    std::error_code ignored;
    const bool is_source = word == "-" || LooksLikeMedia(word) ||
                           (word.size() < 4096 && std::filesystem::exists(word, ignored));
    if (is_source && (has_source || !args.file.empty())) {
      throw Error(ErrorKind::kUsage, OneLine(word) + ": expected one source of pictures");
    }
    if (is_source) {
      args.file = word;
    } else {
      args.question += (args.question.empty() ? "" : " ") + word;
    }
  }
}

void CheckSource(const WatchArgs& args) {
  const int sources = static_cast<int>(args.use_camera) + static_cast<int>(args.use_screen) +
                      static_cast<int>(!args.url.empty()) + static_cast<int>(!args.file.empty());
  if (!args.url.empty() && args.output.offline) {
    throw Error(ErrorKind::kUsage, "--url: needs a network, which --offline refuses");
  }
  if (args.speed && sources == 1 && !args.is_film()) {
    throw Error(ErrorKind::kUsage, "--speed: expected a film that is a file with it");
  }
  if (sources == 1) return;
  throw Error(ErrorKind::kUsage,
              "expected one of --cam, --screen, --url, a film or -, found " +
                  (sources == 0 ? std::string("none") : std::to_string(sources)));
}

void TakeAnswers(WatchArgs& args) {
  if (args.answers.empty()) return;
  const size_t comma = args.answers.find(',');
  const std::string yes = args.answers.substr(0, comma);
  const std::string no = comma == std::string::npos ? "" : args.answers.substr(comma + 1);
  if (yes.empty() || no.empty() || no.find(',') != std::string::npos) {
    throw Error(ErrorKind::kUsage,
                "--answers: expected YES,NO such as ja,nein, found " + OneLine(args.answers));
  }
  args.watch.yes = yes;
  args.watch.no = no;
}

}  // namespace

double ParseDuration(const std::string& option, const std::string& text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::optional<double> number = ParseNumber(text.substr(0, digits));
  const std::string unit = text.substr(digits);
  const double seconds = unit.empty() || unit == "s" ? 1
                         : unit == "ms"              ? 0.001
                         : unit == "min"             ? 60
                         : unit == "h"               ? 3600
                                                     : -1;
  if (!number || seconds < 0) {
    throw Error(
        ErrorKind::kUsage,
        option + ": expected a time such as 500ms, 2s, 10min or 1h, found " + OneLine(text));
  }
  return *number * seconds;
}

void CheckArgs(WatchArgs& args) {
  args.generate.Finish();
  GiveBackQuestion(args);
  TakeWords(args);
  if (!args.show_prompt) CheckSource(args);
  TakeAnswers(args);
  if (!args.every.empty()) args.watch.every_s = ParseDuration("--every", args.every);
  if (args.on_change) args.watch.every_s = 0;
  if (!args.length.empty()) {
    args.seconds = ParseDuration("--for", args.length);
    if (args.seconds <= 0) throw Error(ErrorKind::kUsage, "--for: expected more than no time");
  }
  if (args.question.empty() && args.watch.condition.empty()) args.question = kDefaultQuestion;
  args.watch.question = args.question;
  args.watch.system = args.generate.system;
  args.watch.context = args.model.context;
  // What plays has no end that must be known.
  args.media.limits.video_file_bytes = args.media.limits.sound_stream_bytes;
}

std::unique_ptr<PictureStream> OpenPictures(const WatchArgs& args) {
  if (args.use_camera) {
    return PictureStream::OpenCamera(args.camera.empty() ? kDefaultCamera : args.camera,
                                     args.camera_asked, args.media);
  }
  if (args.use_screen) return PictureStream::OpenScreen(args.screen, args.media);
  if (!args.url.empty()) return PictureStream::OpenUrl(args.url, args.media);
  if (args.file != "-") return PictureStream::Play(args.file, args.speed.value_or(1), args.media);
  if (!WaitForStandardInput()) return nullptr;
  return PictureStream::OpenDescriptor(STDIN_FILENO, "standard input", args.media);
}

void AddWatchOptions(CLI::App& command, WatchArgs& args) {
  args.model.Add(command);
  args.generate.Add(command);
  args.output.Add(command);
  command.add_option("source", args.words, "A film to play, or - for standard input; a question");
  command.add_option("--cam", args.camera, "Camera; /dev/video0 unless named")->expected(0, 1);
  command.add_option("--screen", args.screen, "Screen of an X server; $DISPLAY unless named: :0")
      ->expected(0, 1);
  command.add_option("--url", args.url, "http, https, tcp or udp: what an address sends");
  command.add_option("--cam-width", args.camera_asked.width, "Asked of the camera")
      ->check(CLI::Range(16, 16384));
  command.add_option("--cam-height", args.camera_asked.height, "Asked of the camera")
      ->check(CLI::Range(16, 16384));
  command.add_option("--speed", args.speed, "Film: times as fast as it is")
      ->check(CLI::Range(0.001, 1000.0));
  CLI::Option* every = command.add_option("--every", args.every, "From one look to the next; 2s");
  command.add_flag("--on-change", args.on_change, "Look at every picture there is time for")
      ->excludes(every);
  command
      .add_option("--least-change", args.watch.least_change,
                  "A picture that differs less is the same, 0 to 1")
      ->capture_default_str();
  command.add_option("--until", args.watch.condition,
                     "End when this is true of the picture, with exit code 0; else 1");
  command.add_option("--until-prompt", args.watch.until_prompt,
                     "How to ask for it: {condition}, {yes} and {no} are filled in");
  command.add_option("--answers", args.answers, "YES,NO: the words to choose between");
  command
      .add_option("--least-probability", args.watch.least_probability,
                  "From which YES counts, as against NO")
      ->capture_default_str();
  command.add_option("--exec", args.exec,
                     "Command for /bin/sh when it is true, else at each new answer: "
                     "GEMMA3N_TEXT, GEMMA3N_TIME, GEMMA3N_PICTURE");
  command.add_option("--count", args.count, "End after so many answers")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--for", args.length, "End after this time: 10min");
  command.add_flag("--show-prompt", args.show_prompt, "Print what would be asked, and end");
  command.add_flag("--allow-unsandboxed-decoder", args.media.allow_unsandboxed_decoder,
                   "Decode even where the kernel gives no sandbox");
}

}  // namespace gemma3n::cli
