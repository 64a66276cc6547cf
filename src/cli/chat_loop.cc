// SPDX-License-Identifier: Apache-2.0
#include "cli/chat_loop.h"

#include <cstdlib>
#include <functional>
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

// Does what may fail; false when it did. What goes wrong is told, and the chat lives on: only an
// output that nobody reads ends it, or a model that changed on disk.
bool Attempt(const std::function<void()>& work) {
  try {
    work();
    return true;
  } catch (const OutputError&) {
    throw;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kModel) throw;
    Report(error);
  } catch (const std::exception& error) {
    Report(error);
  }
  return false;
}

// Turns of a chat, typed and spoken, until one of them ends it.
class Loop {
 public:
  explicit Loop(const ChatArgs& args)
      : chat_(args.model, args.output, args.generate, args.media, args.talk),
        editor_(HistoryFile()),
        talk_(Fitting(args.talk, chat_.facts()), args.output.quiet),
        types_(!args.talk.hears || args.talk.sound.source != "-") {
    chat_.OnText([this](const std::string& text) { return talk_.OnText(text); });
    talk_.OnHeard([this](const UtteranceEvent& event) { chat_.Hear(event); },
                  [this] { return chat_.ReadOn(); });
    chat_.OnMute([this](bool mute) { mute ? talk_.Mute() : talk_.HearAgain(); });
    if (args.output.quiet) return;
    const std::string how = !talk_.hears() ? "Send a message, drop a file here, or /? for help"
                            : types_ ? "Speak, send a message, drop a file here, or /? for help"
                                     : "Listening";
    Tell(how + " (context " + std::to_string(chat_.context()) + " tokens)");
  }

  int Run() {
    while (!exit_code_) talk_.hears() ? ListenOrRead() : Read();
    return *exit_code_;
  }

 private:
  static TalkArgs Fitting(TalkArgs args, const ModelFacts& facts) {
    if (!args.hears) return args;
    if (!facts.hears) {
      throw Error(ErrorKind::kUsage, "--mic: this model does not hear: it has no audio encoder");
    }
    args.utterance.most_s = facts.max_clip_seconds;
    return args;
  }

  LineEditor* editor() { return types_ ? &editor_ : nullptr; }

  void ListenOrRead() {
    Talk::Event event = Talk::Event::kEnded;
    const bool works = Attempt([&] { event = talk_.Listen(editor()); });
    if (!works && !types_) exit_code_ = ExitCode(ErrorKind::kMedia);
    if (event == Talk::Event::kUtterance) {
      leaving_ = false;
      Attempt([&] { chat_.Say(talk_.TakeUtterance()); });
      FinishAnswer();
    } else if (event == Talk::Event::kKey) {
      Read();
    } else if (event == Talk::Event::kInterrupted) {
      Leave(/*at_once=*/leaving_);
    }
  }

  void Read() {
    if (!types_) {
      exit_code_ = 0;
      return;
    }
    const LineEditor::Line line = editor_.Read(">>> ");
    if (line.kind == Kind::kInterrupted) return Leave(leaving_ && line.text.empty());
    leaving_ = false;
    if (line.kind == Kind::kText) return Take(line.text);
    // Whoever types no more may still speak, but not where a key ended the chat.
    types_ = false;
    if (editor_.interactive() || !talk_.hears()) exit_code_ = 0;
  }

  void Take(const std::string& line) {
    const std::optional<std::string> input = BeginsBlock(line) ? ReadBlock(editor_, line) : line;
    if (!input) return;
    talk_.HearAgain();
    if (chat_.settings().history) editor_.Keep(*input);
    Attempt([&] {
      if (!BeginsBlock(*input)) {
        if (!chat_.Take(*input)) exit_code_ = 0;
        return;
      }
      const std::string block = WithoutQuotes(*input);
      if (!block.empty()) chat_.Say(block);
    });
    FinishAnswer();
    Attempt([&] { talk_.Fit(chat_.facts().hears ? chat_.facts().max_clip_seconds : 0); });
  }

  void FinishAnswer() {
    Attempt([&] { talk_.FinishAnswer(editor()); });
  }

  void Leave(bool at_once) {
    if (!editor_.interactive()) {
      exit_code_ = 130;
    } else if (at_once) {
      exit_code_ = 0;
    } else {
      leaving_ = true;
      Tell("Ctrl-C again or /bye leaves");
    }
  }

  Chat chat_;
  LineEditor editor_;
  Talk talk_;
  bool types_;  // whether lines can still be read
  bool leaving_ = false;
  std::optional<int> exit_code_;
};

constexpr char kExamples[] = R"(Examples:
  gemma3n chat -m DIR --system @pirate.txt
  printf 'Hello\n/bye\n' | gemma3n chat -m DIR --quiet
  gemma3n chat -m DIR --mic                       speak, or type; a pause of 0.7 s ends an utterance
  gemma3n chat -m DIR --mic --speak               answers are spoken, and stop when you speak
  gemma3n chat -m DIR --mic hw:1 --speak de --ask "Antworte auf Deutsch."
  gemma3n chat -m DIR --mic --speak en_US-amy-medium.onnx --no-interrupt
  ssh desk arecord -t raw -r 16000 -f S16_LE | gemma3n chat -m DIR --mic - --raw 16000,1,s16
)";

void AddTalkOptions(CLI::App& command, TalkArgs& talk) {
  const auto optional_value = [&](const char* name, bool& flag, std::string& value,
                                  const char* what, const char* help) {
    return command
        .add_option_function<std::vector<std::string>>(
            name,
            [&flag, &value](const std::vector<std::string>& words) {
              flag = true;
              if (!words.empty() && !words[0].empty()) value = words[0];
            },
            help)
        ->expected(0, 1)
        ->type_name(what);
  };
  CLI::Option* mic = optional_value(
      "--mic", talk.hears, talk.sound.source, "[DEVICE]",
      "Hear what is said: a microphone (ALSA's name or pulse:NAME), a pipe, a recording, or -");
  command.add_option("--raw", talk.sound.raw,
                     "Of --mic - or a pipe: samples without header, as RATE,CHANNELS,s16|f32");
  command.add_option("--ask", talk.ask, "Text that goes with each utterance")->needs(mic);
  command.add_option("--pause", talk.utterance.pause_s, "Silence that ends an utterance, seconds")
      ->check(CLI::Range(0.2, 10.0))
      ->capture_default_str();
  CLI::Option* speak =
      optional_value("--speak", talk.speaks, talk.voice, "[VOICE]",
                     "Speak the answers: a voice of espeak-ng, or FILE.onnx of piper");
  CLI::Option* with =
      command.add_option("--speak-with", talk.speak_with,
                         "Command for the shell that reads aloud what it gets on standard input");
  with->excludes(speak);
  command.add_flag("--no-interrupt", talk.no_interrupt, "Do not listen while an answer is spoken");
}

}  // namespace

int ChatLoop(const ChatArgs& args) {
  return Loop(args).Run();
}

void AddChat(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("chat", "Talk with the model, turn by turn");
  auto args = std::make_shared<ChatArgs>();
  args->model.Add(*command);
  args->generate.Add(*command);
  args->media.Add(*command);
  AddTalkOptions(*command, args->talk);
  args->output.Add(*command);
  command->footer(kExamples);
  command->callback([args, &exit_code] {
    args->generate.Finish();
    args->talk.speaks = args->talk.speaks || !args->talk.speak_with.empty();
    args->talk.sound.media = args->media.media;
    exit_code = ChatLoop(*args);
  });
}

}  // namespace gemma3n::cli
