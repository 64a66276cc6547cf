// SPDX-License-Identifier: Apache-2.0
#include "cli/speech_args.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "cli/media_files.h"
#include "cli/terminal.h"
#include "cli/transcript.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

namespace fs = std::filesystem;

// Folders become the recordings in them.
std::vector<std::string> Recordings(const std::vector<std::string>& inputs) {
  std::vector<std::string> files;
  for (const std::string& input : inputs) {
    std::error_code ignored;
    if (!fs::is_directory(input, ignored)) {
      files.push_back(input);
      continue;
    }
    const std::vector<std::string> found =
        FilesIn(input, {MediaKind::kAudio, MediaKind::kVideo}, "sounds or films");
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

// No text may take the place of a recording, or of another text.
void CheckTargets(const SpeechArgs& args) {
  std::set<std::string> targets;
  for (const std::string& source : args.inputs) {
    const std::string target = PathFor(args, source);
    if (target.empty()) continue;
    if (!targets.insert(target).second) {
      throw Error(ErrorKind::kUsage, target + ": two recordings have this name; write them to " +
                                         "folders of their own");
    }
    for (const std::string& other : args.inputs) {
      for (const char* ending : {"", ".part", ".tmp"}) {
        std::error_code ignored;
        if (fs::equivalent(target + ending, other, ignored)) {
          throw Error(ErrorKind::kUsage, target + ": would take the place of a recording");
        }
      }
    }
  }
}

}  // namespace

// "16000,1,s16".
std::optional<RawSound> ParseRaw(const std::string& text) {
  if (text.empty()) return std::nullopt;
  std::vector<std::string> words(1);
  for (char c : text) {
    if (c == ',') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  RawSound raw;
  const auto number = [&](size_t i) {
    return static_cast<int>(words.size() > i ? ParseNumber(words[i]).value_or(0) : 0);
  };
  const bool whole = text.find('.') == std::string::npos;
  raw.rate_hz = whole ? number(0) : 0;
  raw.channels = number(1);
  const std::string format = words.size() == 3 ? words[2] : "";
  raw.format = format == "f32" ? RawSound::Format::kF32 : RawSound::Format::kS16;
  if (raw.rate_hz <= 0 || raw.channels <= 0 || (format != "s16" && format != "f32")) {
    throw Error(
        ErrorKind::kUsage,
        "--raw: expected RATE,CHANNELS,s16 or f32, such as 16000,1,s16, found " + OneLine(text));
  }
  return raw;
}

SpeechTask TaskOf(const SpeechArgs& args) {
  if (args.task == "transcribe") return SpeechTask::kTranscribe;
  return args.by_transcript ? SpeechTask::kTranscribeTranslate : SpeechTask::kTranslate;
}

std::string PathFor(const SpeechArgs& args, const std::string& source) {
  if (args.out_dir.empty()) return args.out;
  const std::string name = source == "-" ? "standard-input" : fs::path(source).filename().string();
  return fs::path(args.out_dir) / (name + "." + (args.format.empty() ? "txt" : args.format));
}

void CheckArgs(SpeechArgs& args) {
  if (args.use_microphone != args.inputs.empty()) {
    throw Error(ErrorKind::kUsage, args.use_microphone
                                       ? "--mic: expected no files beside it"
                                       : "expected a recording, - or --mic, found nothing");
  }
  if ((args.live || args.use_microphone) && args.together.value_or(1) > 1) {
    throw Error(ErrorKind::kUsage, "--together: expected recordings that are not heard live");
  }
  if (args.output.json && args.format.empty()) args.format = "json";
  args.inputs =
      args.use_microphone ? std::vector<std::string>{"microphone"} : Recordings(args.inputs);
  if (std::count(args.inputs.begin(), args.inputs.end(), "-") > 1) {
    throw Error(ErrorKind::kUsage, "-: expected once");
  }
  if (args.inputs.size() > 1 && !args.out.empty()) {
    throw Error(ErrorKind::kUsage, "-o: expected one recording, found " +
                                       std::to_string(args.inputs.size()) +
                                       "; --out-dir takes a text for each");
  }
  const TranscriptFormat format = FormatOf(args.format, args.out);
  const bool one_each = format != TranscriptFormat::kText && format != TranscriptFormat::kJsonLines;
  if (args.inputs.size() > 1 && args.out_dir.empty() && one_each) {
    throw Error(ErrorKind::kUsage, "--format " + args.format +
                                       ": expected one recording or --out-dir, found " +
                                       std::to_string(args.inputs.size()) + " recordings");
  }
  if (!args.out_dir.empty()) {
    std::error_code error;
    fs::create_directories(args.out_dir, error);
    if (error) throw Error(ErrorKind::kUsage, args.out_dir + ": cannot be made a folder");
  }
  CheckTargets(args);
}

void AddSpeechOptions(CLI::App& command, SpeechArgs& args) {
  args.model.Add(command);
  args.generate.Add(command);
  args.output.Add(command);
  command.add_option("recordings", args.inputs,
                     "Sounds, films, folders of them, or - for standard input");
  CLI::Option* microphone =
      command.add_flag("--mic", args.use_microphone, "Listen to the microphone until Ctrl-C");
  command.add_option("--mic-device", args.microphone, "ALSA's name of it, or pulse:NAME")
      ->needs(microphone);
  command.add_option("--raw", args.raw, "Of -: samples without header, as RATE,CHANNELS,s16|f32");
  command.add_flag("--live", args.live, "Show what is understood while it is said");
  CLI::Option* out =
      command.add_option("-o,--out", args.out, "File to write; its ending is the format");
  command.add_option("--out-dir", args.out_dir, "Folder to write a file for each recording to")
      ->excludes(out);
  command.add_option("--format", args.format, "text, srt, vtt, json, jsonl")
      ->check(CLI::IsMember({"text", "txt", "srt", "vtt", "json", "jsonl"}));
  command.add_flag("--times", args.with_times, "Text with the time each line begins");
  command.add_flag("--restart", args.restart, "Do not go on from what an earlier run has done");
  TranscribeOptions& speech = args.speech;
  CLI::Option* language =
      command.add_option("--language", speech.language, "Language that is spoken, such as Spanish");
  command
      .add_flag("--detect-language", args.detect_language,
                "Ask the model for the language first, by the beginning of the recording")
      ->excludes(language);
  command.add_option("--to", speech.to_language, "Language to translate to")->capture_default_str();
  command.add_flag("--by-transcript", args.by_transcript,
                   "Translate by writing down what is said first; both are kept");
  command.add_option("--prompt", speech.prompt, "What to ask about each piece instead");
  command.add_flag("--show-prompt", args.show_prompt, "Print what would be asked, and end");
  command.add_option(
      "--together", args.together,
      "Pieces of a recording to answer at once, 1 to 64; unset: as many as pay, and one "
      "by one what comes live or from -");
  command.add_option("--piece", speech.piece_seconds,
                     "Longest piece, seconds; 0: what the model hears at once");
  command.add_option(
      "--pause", speech.pause_seconds,
      "A pause so long always ends a piece, seconds; 0: 0.8, less where pieces are short");
  command
      .add_option("--least-likeness", speech.least_likeness,
                  "Pass over sounds that are less like speech, 0 to 1")
      ->capture_default_str();
  command
      .add_option("--least-logprob", speech.least_logprob,
                  "Pass over answers of a lower mean log-probability")
      ->capture_default_str();
  command
      .add_option("--most-compression", speech.most_compression,
                  "Ask again, less greedily, where an answer deflates better than this; 0: never")
      ->capture_default_str();
  command.add_flag("--allow-unsandboxed-decoder", args.media.allow_unsandboxed_decoder,
                   "Decode compressed sound even where the kernel gives no sandbox");
}

}  // namespace gemma3n::cli
