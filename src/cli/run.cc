// SPDX-License-Identifier: Apache-2.0
// `gemma3n run`: one prompt, one answer. Without a prompt, on a terminal, it becomes a chat.
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "cli/answer.h"
#include "cli/chat_loop.h"
#include "cli/commands.h"
#include "cli/media_files.h"
#include "cli/terminal.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

constexpr char kExamples[] = R"(Examples:
  gemma3n run -m DIR "Name three rivers in Norway"
  gemma3n run -m DIR "What is in this picture?" harbour.jpg --stats
  gemma3n run -m DIR "Transcribe the following speech segment." speech.wav
  gemma3n run -m DIR --video film.mp4 --fps 1 "What happens?"
  gemma3n run -m DIR --video "film.mp4 1:05-1:20" "What is said here?"
  gemma3n run -m DIR --schema person.json "Who wrote this?" letter.jpg
  cat letter.txt | gemma3n run -m DIR --system "Answer in one sentence." -
)";

struct RunArgs {
  ModelArgs model;
  OutputArgs output;
  GenerateArgs generate;
  MediaArgs media;
  std::vector<std::string> words;
};

// Positional arguments: files that hold media are media, "-" is standard input, all else is text.
Turn UserTurn(const RunArgs& args) {
  Turn turn{Role::kUser, args.media.Load()};
  std::string text;
  size_t pictures = args.media.images.size();
  for (const std::string& word : args.words) {
    std::error_code ignored;
    if (word != "-" && std::filesystem::is_regular_file(word, ignored)) {
      if (std::optional<Part> part = args.media.LoadAny(word)) {
        pictures += part->is_picture();
        CheckPictures(pictures);
        turn.parts.push_back(std::move(*part));
        continue;
      }
    } else if (LooksLikeMedia(word)) {
      throw Error(ErrorKind::kMedia, word + ": no such file");
    }
    text += (text.empty() ? "" : " ") + (word == "-" ? StandardInput() : word);
  }
  if (!text.empty()) turn.parts.push_back(Part(text));
  if (turn.parts.empty()) {
    throw Error(ErrorKind::kUsage, "expected a prompt, found an empty one");
  }
  return turn;
}

int Run(RunArgs& args) {
  args.generate.Finish();
  const bool nothing_asked = args.words.empty() && args.media.images.empty() &&
                             args.media.audio.empty() && args.media.videos.empty();
  if (nothing_asked && IsTerminal(STDIN_FILENO)) {
    return ChatLoop({args.model, args.output, args.generate, args.media, {}});
  }
  if (nothing_asked) args.words.push_back("-");
  std::vector<Turn> turns;
  if (!args.generate.system.empty()) turns.push_back({Role::kSystem, {Part(args.generate.system)}});
  turns.push_back(UserTurn(args));
  if (Interrupted()) return 130;  // while standard input was read
  const auto engine = args.model.Load(args.output.quiet, /*for_session=*/true);
  args.generate.ReadSizes(*engine);
  const auto session = engine->NewSession(args.model.context);
  const GenerateResult result =
      Answer(*engine, *session, turns, args.generate.options, args.output);
  return result.finish_reason == FinishReason::kCancelled ? 130 : 0;
}

}  // namespace

void AddRun(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("run", "Answer one prompt, with pictures, sound or film");
  auto args = std::make_shared<RunArgs>();
  args->model.Add(*command);
  args->generate.Add(*command);
  args->media.Add(*command);
  args->output.Add(*command);
  command->add_option("prompt", args->words, "Text, media files, or - for standard input");
  command->add_flag("--raw", args->generate.options.raw,
                    "The prompt is no conversation: <bos> and the parts as they are");
  command->footer(kExamples);
  command->callback([args, &exit_code] { exit_code = Run(*args); });
}

}  // namespace gemma3n::cli
