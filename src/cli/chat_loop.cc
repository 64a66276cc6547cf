// SPDX-License-Identifier: Apache-2.0
#include "cli/chat_loop.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "cli/chat.h"
#include "cli/commands.h"
#include "cli/error_report.h"
#include "cli/line_editor.h"
#include "cli/terminal.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

using Kind = LineEditor::Line::Kind;

constexpr char kQuotes[] = "\"\"\"";

bool BeginsBlock(const std::string& line) {
  return line.rfind(kQuotes, 0) == 0;
}

// Reads on until a message that began with three quotes has its end; nullopt when Ctrl-C dropped
// it.
std::optional<std::string> ReadBlock(LineEditor& editor, std::string text) {
  while (text.find(kQuotes, 3) == std::string::npos) {
    const LineEditor::Line line = editor.Read("... ");
    if (line.kind == Kind::kInterrupted) return std::nullopt;
    if (line.kind == Kind::kEnd) return text + kQuotes;
    text += "\n" + line.text;
  }
  return text;
}

// What such a message says.
std::string WithoutQuotes(std::string block) {
  block.erase(block.find(kQuotes, 3), 3).erase(0, 3);
  return block.rfind('\n', 0) == 0 ? block.substr(1) : block;
}

std::string HistoryFile() {
  const char* home = std::getenv("HOME");
  return home == nullptr ? "" : std::string(home) + "/.gemma3n_history";
}

// A line of input, or all lines of a block; false when the chat is over. What goes wrong is told,
// and the chat lives on: only an output that nobody reads ends it, or a model that changed on disk.
bool TakeInput(Chat& chat, const std::string& input) {
  try {
    if (!BeginsBlock(input)) return chat.Take(input);
    const std::string block = WithoutQuotes(input);
    if (!block.empty()) chat.Say(block);
  } catch (const OutputError&) {
    throw;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kModel) throw;
    Report(error);
  } catch (const std::exception& error) {
    Report(error);
  }
  return true;
}

}  // namespace

int ChatLoop(const ModelArgs& model, const OutputArgs& output, const GenerateArgs& generate,
             const MediaArgs& media) {
  Chat chat(model, output, generate, media);
  LineEditor editor(HistoryFile());
  if (!output.quiet) {
    Tell("Send a message, drop a file here, or /? for help (context " +
         std::to_string(chat.context()) + " tokens)");
  }
  for (bool leaving = false;;) {
    const LineEditor::Line line = editor.Read(">>> ");
    if (line.kind == Kind::kEnd) return 0;
    if (line.kind == Kind::kText) {
      leaving = false;
      const std::optional<std::string> input =
          BeginsBlock(line.text) ? ReadBlock(editor, line.text) : line.text;
      if (input && chat.settings().history) editor.Keep(*input);
      if (input && !TakeInput(chat, *input)) return 0;
      continue;
    }
    if (!editor.interactive()) return 130;
    if (leaving && line.text.empty()) return 0;
    leaving = true;
    Tell("Ctrl-C again or /bye leaves");
  }
}

void AddChat(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("chat", "Talk with the model, turn by turn");
  struct Args {
    ModelArgs model;
    OutputArgs output;
    GenerateArgs generate;
    MediaArgs media;
  };
  auto args = std::make_shared<Args>();
  args->model.Add(*command);
  args->generate.Add(*command);
  args->media.Add(*command);
  args->output.Add(*command);
  command->footer(
      "Examples:\n  gemma3n chat -m DIR --system @pirate.txt\n"
      "  printf 'Hello\\n/bye\\n' | gemma3n chat -m DIR --quiet\n");
  command->callback([args, &exit_code] {
    args->generate.Finish();
    exit_code = ChatLoop(args->model, args->output, args->generate, args->media);
  });
}

}  // namespace gemma3n::cli
