// SPDX-License-Identifier: Apache-2.0
// Commands for looking inside: `tokenize`, `logits`, `dump`.
#include <unistd.h>

#include <charconv>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/progress_bar.h"
#include "cli/terminal.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

std::vector<int32_t> ParseIds(const std::string& text) {
  std::vector<int32_t> ids;
  const char* at = text.data();
  const char* end = at + text.find_last_not_of(" \n\r") + 1;
  while (at < end) {
    int32_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc() || (next < end && *next != ',')) {
      throw Error(ErrorKind::kUsage,
                  "expected ids separated by commas, found '" + text.substr(0, 60) + "'");
    }
    ids.push_back(id);
    at = next + 1;
  }
  return ids;
}

struct TokenizeArgs {
  ModelArgs model;
  OutputArgs output;
  std::vector<std::string> words;
  bool control = false, bos = false, pieces = false, lines = false;
  std::string decode;
};

// One JSON string a line in, one JSON list of ids a line out.
void TokenizeLines(const Engine& engine, const TokenizeArgs& args) {
  for (std::string line; std::cout && std::getline(std::cin, line);) {
    const auto text = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!text.is_string()) {
      throw Error(ErrorKind::kUsage, "--lines: expected a JSON string on each line");
    }
    const std::vector<int32_t> ids =
        engine.Tokenize(text.get<std::string>(), args.control, args.bos);
    std::cout << nlohmann::json(ids).dump() << "\n";
  }
}

std::string Decode(const Engine& engine, const std::string& list) {
  const std::vector<int32_t> ids = ParseIds(list);
  for (int32_t id : ids) {
    if (id >= 0 && id < engine.facts().vocab_size) continue;
    throw Error(ErrorKind::kUsage, "--decode: expected ids in [0, " +
                                       std::to_string(engine.facts().vocab_size - 1) + "], found " +
                                       std::to_string(id));
  }
  const std::string text = engine.Detokenize(ids, /*skip_control_tokens=*/false);
  return IsTerminal(STDOUT_FILENO) ? ShowControls(text) : text;
}

int Tokenize(const TokenizeArgs& args) {
  const auto engine = args.model.Load(/*quiet=*/true);
  if (args.lines) {
    TokenizeLines(*engine, args);
    return Interrupted() ? 130 : 0;
  }
  if (!args.decode.empty()) {
    std::cout << Decode(*engine, args.decode) << "\n";
    return 0;
  }
  std::string text;
  for (const std::string& word : args.words) text += (text.empty() ? "" : " ") + word;
  if (args.words.empty() || text == "-") {
    text = StandardInput();
  }
  const std::vector<int32_t> ids = engine->Tokenize(text, args.control, args.bos);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (args.pieces) {
      const nlohmann::json piece = engine->Piece(ids[i]);
      std::cout << ids[i] << "\t"
                << piece.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    } else {
      std::cout << (i ? "," : "") << ids[i];
    }
  }
  if (!args.pieces) std::cout << "\n";
  return 0;
}

}  // namespace

void AddTokenize(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("tokenize", "Text to token ids, and back");
  auto args = std::make_shared<TokenizeArgs>();
  args->model.Add(*command);
  args->output.AddEverywhere(*command);
  command->add_option("text", args->words, "Text; none or -: standard input");
  command->add_flag("--control", args->control, "Parse control tokens such as <start_of_turn>");
  command->add_flag("--bos", args->bos, "Begin with <bos>");
  command->add_flag("--pieces", args->pieces, "One line a token, with its piece");
  command->add_flag("--lines", args->lines, "JSON strings in, lists of ids out, line by line");
  command->add_option("--decode", args->decode, "Ids separated by commas: print their text");
  command->footer(
      "Examples:\n  gemma3n tokenize -m DIR --pieces \"Hello, world\"\n"
      "  gemma3n tokenize -m DIR --decode 2,105,2364\n");
  command->callback([args, &exit_code] { exit_code = Tokenize(*args); });
}

void AddLogits(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("logits", "Logits of every position of a list of ids");
  struct Args {
    ModelArgs model;
    OutputArgs output;
    std::string ids, out;
  };
  auto args = std::make_shared<Args>();
  args->model.Add(*command);
  args->output.AddEverywhere(*command);
  command->add_option("--ids", args->ids, "Token ids separated by commas, or @FILE")->required();
  command->add_option("--out", args->out, "Written as .npy: [ids, vocabulary] float32")->required();
  command->footer("Example:\n  gemma3n logits -m DIR --ids 2,105,2364,107 --out logits.npy\n");
  command->callback([args, &exit_code] {
    const std::vector<int32_t> ids = ParseIds(TextOrFile(args->ids));
    const auto engine = args->model.Load(args->output.quiet);
    ProgressBar bar(!args->output.quiet);
    exit_code = engine->WriteLogits(ids, args->out, bar.Callback()) ? 0 : 130;
  });
}

void AddDump(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("dump", "Every intermediate value of one prompt, as .npy files");
  struct Args {
    ModelArgs model;
    OutputArgs output;
    GenerateArgs generate;
    MediaArgs media;
    std::string prompt, out;
  };
  auto args = std::make_shared<Args>();
  args->model.Add(*command);
  args->output.AddEverywhere(*command);
  args->generate.Add(*command);
  args->media.Add(*command);
  command->add_option("prompt", args->prompt, "Text of the user's turn, or @FILE");
  command->add_option("--out", args->out, "Directory for the files")->required();
  command->footer(
      "Example:\n  gemma3n dump -m DIR --image cat.png \"What is this?\" --out values/\n");
  command->callback([args, &exit_code] {
    args->generate.Finish();
    Turn turn{Role::kUser, args->media.Load()};
    if (!args->prompt.empty()) turn.parts.push_back(Part(TextOrFile(args->prompt)));
    std::vector<Turn> turns;
    if (!args->generate.system.empty()) {
      turns.push_back({Role::kSystem, {Part(args->generate.system)}});
    }
    turns.push_back(turn);
    const auto engine = args->model.Load(args->output.quiet);
    ProgressBar bar(!args->output.quiet);
    const bool done = engine->Dump(turns, args->generate.options, args->out, bar.Callback());
    exit_code = done ? 0 : 130;
  });
}

}  // namespace gemma3n::cli
