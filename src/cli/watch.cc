// SPDX-License-Identifier: Apache-2.0
// `gemma3n watch`: a question about what a camera, a screen or a film shows now, again and again.
#include "gemma3n/watch.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cli/commands.h"
#include "cli/shell_command.h"
#include "cli/terminal.h"
#include "cli/watch_args.h"
#include "gemma3n/describe.h"
#include "gemma3n/error.h"
#include "gemma3n/picture_stream.h"

namespace gemma3n::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

constexpr char kHelp[] =
    R"(The newest picture counts: what comes while an answer is written is passed over. A
picture that differs little from the last one asked about is not encoded again.
Exit codes: 0 the condition of --until holds, or there is none; 1 the pictures ended without it.

Examples:
  gemma3n watch -m DIR --cam "What is the person doing?" --every 5s
  gemma3n watch -m DIR --cam --until "a cat is on the table" --exec 'notify-send "$GEMMA3N_TEXT"'
  gemma3n watch -m DIR --screen :0 "Which program is in front?" --on-change
  gemma3n watch -m DIR film.mp4 --speed 4 --json
  ffmpeg -i rtsp://HOST/PATH -c copy -f mpegts - | gemma3n watch -m DIR -
)";
constexpr double kLongestWait_s = 0.2;  // until Ctrl-C is seen

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// "14:03:27" here and now.
std::string ClockTime() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[16];
  std::strftime(text, sizeof(text), "%H:%M:%S", &local);
  return text;
}

class Watching {
 public:
  Watching(const WatchArgs& args, std::shared_ptr<Engine> engine)
      : args_(args),
        watcher_(Watcher::New(std::move(engine), args.watch)),
        command_(args.exec),
        shows_controls_(IsTerminal(STDOUT_FILENO) && !args.output.raw_output) {}

  int Run() {
    stream_ = OpenPictures(args_);
    if (stream_ == nullptr) return 130;
    if (args_.is_device() && !args_.output.quiet) Tell("watching (Ctrl-C ends)");
    int code = 0;
    try {
      code = Watch();
    } catch (const Error&) {
      command_.Finish();
      Report();
      throw;
    }
    command_.Finish();
    Report();
    return code;
  }

 private:
  int Watch() {
    const int without = args_.watch.condition.empty() ? 0 : 1;
    while (!Interrupted()) {
      command_.Reap();
      std::optional<VideoFrame> frame = stream_->Newest(kLongestWait_s);
      if (!frame) {
        if (stream_->ended()) return without;
        if (!args_.is_film() && IsOver(SecondsSince(began_))) return without;
        continue;
      }
      ++seen_;
      if (!first_s_) first_s_ = frame->time_s;
      // What others send may bear any time.
      const double passed_s = args_.is_film() ? frame->time_s - *first_s_ : SecondsSince(began_);
      if (IsOver(passed_s)) return without;
      if (!watcher_->IsDue(frame->time_s)) continue;
      const std::optional<Sighting> sighting = Look(std::move(*frame));
      CheckOutput();  // ends us where nobody reads any more
      if (!sighting) break;
      if (!args_.watch.condition.empty() && sighting->holds) return 0;
      if (args_.count > 0 && watcher_->counts().answered >= args_.count) return without;
    }
    // A device has no other end; yet a condition that did not come has not held.
    return args_.is_device() && without == 0 ? 0 : 130;
  }

  bool IsOver(double passed_s) const { return args_.seconds > 0 && passed_s >= args_.seconds; }

  std::string TimeOf(double time_s) const {
    return args_.is_film() ? FilmTime(time_s) : ClockTime();
  }

  // Nothing when it was ended.
  std::optional<Sighting> Look(VideoFrame frame) {
    const std::string time = TimeOf(frame.time_s);
    const bool runs = !args_.exec.empty();
    const Image picture = runs ? frame.image : Image{};
    bool begun = false;
    const std::optional<Sighting> sighting =
        watcher_->Look(std::move(frame), [&](const std::string& text) {
          if (text.empty() || args_.output.json) return !Interrupted();
          return Say(std::exchange(begun, true) ? text : time + "  " + text) && !Interrupted();
        });
    if (!sighting) {
      if (begun) Say("\n");
      return sighting;
    }
    if (args_.output.json) {
      PutJson(*sighting, time);
    } else {
      PutLine(*sighting, time, begun);
    }
    const bool wanted = args_.watch.condition.empty() ? sighting->news : sighting->holds;
    if (runs && wanted && !sighting->same) Start(*sighting, time, picture);
    return sighting;
  }

  // False when nobody reads it.
  bool Say(const std::string& text) const {
    return Put(shows_controls_ ? ShowControls(text) : text);
  }

  void PutLine(const Sighting& sighting, const std::string& time, bool begun) const {
    if (sighting.same) {
      // Where every picture is looked at, those that changed nothing would be all there is to read.
      if (args_.watch.every_s > 0) Say(time + "  (same)\n");
      return;
    }
    char end[64] = "";
    std::snprintf(end, sizeof(end), "  (%.2f s)\n", sighting.whole_ms / 1000);
    std::string line = begun ? "" : time + "  ";
    if (!args_.watch.condition.empty()) {
      char verdict[64];
      std::snprintf(verdict, sizeof(verdict), "%.2f", sighting.probability.value_or(0));
      line += (begun ? "  [" : "[") + args_.watch.yes + " " +
              (sighting.probability ? verdict : "?") + "]";
    }
    Say(line + end);
  }

  void PutJson(const Sighting& sighting, const std::string& time) const {
    Json json = {{"time", sighting.time_s},
                 {"clock", time},
                 {"same", sighting.same},
                 {"change", sighting.change},
                 {"text", sighting.text}};
    if (!args_.watch.condition.empty()) {
      json["probability"] = sighting.probability ? Json(*sighting.probability) : Json(nullptr);
      json["holds"] = sighting.holds;
    }
    json["encode_ms"] = sighting.encode_ms;
    json["whole_ms"] = sighting.whole_ms;
    json["overtaken"] = stream_->overtaken();
    Say(json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  }

  void Start(const Sighting& sighting, const std::string& time, const Image& picture) {
    std::map<std::string, std::string> environment = {{"GEMMA3N_TEXT", sighting.text},
                                                      {"GEMMA3N_TIME", time}};
    if (sighting.probability) {
      environment["GEMMA3N_PROBABILITY"] = std::to_string(*sighting.probability);
    }
    command_.Start(std::move(environment), picture);
  }

  void Report() const {
    if (!args_.output.stats) return;
    const WatchCounts counts = watcher_->counts();
    const auto whole = [](int64_t number) { return static_cast<long long>(number); };
    const auto a_second = [&](double ms) {
      return ms > 0 ? 1000 * static_cast<double>(counts.encoded) / ms : 0.0;
    };
    char text[300];
    std::snprintf(text, sizeof(text),
                  "pictures: %lld seen, %lld overtaken, %lld looked at, %lld unchanged, %lld "
                  "encoded, %lld answered; a second: %.2f encoded, %.2f encoded and answered",
                  whole(seen_), whole(stream_->overtaken()), whole(counts.looked_at),
                  whole(counts.same), whole(counts.encoded), whole(counts.answered),
                  a_second(counts.encode_ms), a_second(counts.whole_ms));
    Tell(text);
  }

  const WatchArgs& args_;
  std::unique_ptr<Watcher> watcher_;
  std::unique_ptr<PictureStream> stream_;
  ShellCommand command_;
  bool shows_controls_;
  Clock::time_point began_ = Clock::now();
  std::optional<double> first_s_;
  int64_t seen_ = 0;
};

int Watch(WatchArgs& args) {
  CheckArgs(args);
  if (args.show_prompt) {
    if (!args.question.empty()) Put("picture:\n" + args.question + "\n");
    if (!args.watch.condition.empty()) Put("condition:\n" + args.watch.until_prompt + "\n");
    return 0;
  }
  const auto engine = args.model.Load(args.output.quiet);
  args.generate.ReadSizes(*engine);
  args.watch.generate = args.generate.options;
  return Watching(args, engine).Run();
}

}  // namespace

void AddWatch(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "watch", "Answer a question about a camera, a screen or a film, again and again");
  auto args = std::make_shared<WatchArgs>();
  AddWatchOptions(*command, *args);
  command->footer(kHelp);
  command->callback([args, command, &exit_code] {
    args->use_camera = command->count("--cam") > 0;
    args->use_screen = command->count("--screen") > 0;
    exit_code = Watch(*args);
  });
}

}  // namespace gemma3n::cli
