// SPDX-License-Identifier: Apache-2.0
// `gemma3n serve`: the model as a service, until it is told to stop.
#include <poll.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <string>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "gemma3n/error.h"
#include "gemma3n/server.h"

namespace gemma3n::cli {
namespace {

constexpr char kExamples[] = R"(Examples:
  gemma3n serve -m DIR
  gemma3n serve -m DIR --port 8080 --sessions 8 --alias gpt-4o-mini
  gemma3n serve -m DIR --host 192.168.1.20 --api-key-file keys --host-name server.lan
)";

struct ServeArgs {
  ModelArgs model;
  OutputArgs output;
  ServerOptions options;
  std::string key_file;
  std::vector<std::string> aliases;
  double drain_seconds = 30;
  bool no_log = false;
};

// One key a line; lines that are empty or begin with '#' say nothing.
std::vector<std::string> ReadKeys(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw Error(ErrorKind::kUsage, path + ": the keys cannot be read");
  std::vector<std::string> keys;
  for (std::string line; std::getline(file, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty() && line[0] != '#') keys.push_back(line);
  }
  if (keys.empty()) throw Error(ErrorKind::kUsage, path + ": expected a key a line, found none");
  return keys;
}

// What the model is called: its directory's or file's name without an ending.
std::string NameOf(const std::string& model) {
  std::filesystem::path path = std::filesystem::weakly_canonical(model);
  return std::filesystem::is_directory(path) ? path.filename() : path.stem();
}

void ReadOptions(ServeArgs& args) {
  ServerOptions& options = args.options;
  if (options.model_name.empty()) options.model_name = NameOf(args.model.model);
  options.context = args.model.context;
  if (!args.key_file.empty()) options.api_keys = ReadKeys(args.key_file);
  for (const std::string& alias : args.aliases) {
    const size_t equals = alias.find('=');
    if (equals != std::string::npos && alias.substr(equals + 1) != options.model_name) {
      throw Error(ErrorKind::kUsage,
                  "alias " + alias + ": the model that is served is " + options.model_name);
    }
    options.aliases[alias.substr(0, equals)] = options.model_name;
  }
  options.access_log = !args.no_log && !args.output.quiet;
}

void ShowHowToAsk(const Server& server, const ServerOptions& options) {
  const std::string url = server.urls().front();
  std::string text = "Serving " + OneLine(options.model_name) + " at\n";
  for (const std::string& each : server.urls()) text += "  " + each + "/v1    (OpenAI clients)\n";
  text += "Try it:\n  curl " + url + "/v1/chat/completions";
  if (!options.api_keys.empty()) text += " -H \"Authorization: Bearer $KEY\"";
  text += " -d '{\"messages\":[{\"role\":\"user\",\"content\":\"Hello!\"}]}'\n";
  text += "Ctrl-C ends it: answers under way may finish; a second one ends it at once.\n";
  Put(text);
  CheckOutput();
  std::fflush(stdout);
}

// The same as Ctrl-C: service managers end a service with it.
void OnTermination(int) {
  raise(SIGINT);
}

int Serve(ServeArgs& args) {
  ReadOptions(args);
  const std::shared_ptr<Engine> engine = args.model.Load(args.output.quiet, /*for_session=*/true);
  if (Interrupted()) return 130;
  struct sigaction action {};
  action.sa_handler = OnTermination;
  sigaction(SIGTERM, &action, nullptr);
  const std::unique_ptr<Server> server = Server::Start(engine, args.options);
  ShowHowToAsk(*server, args.options);
  pollfd interrupt{InterruptDescriptor(), POLLIN, 0};
  while (!Interrupted()) poll(&interrupt, 1, -1);
  server->Drain(std::chrono::milliseconds(static_cast<int64_t>(args.drain_seconds * 1000)));
  return 0;
}

void AddAccess(CLI::App& command, ServeArgs& args) {
  ServerOptions& options = args.options;
  command.add_option("--host", options.host,
                     "Address to listen on; other machines may ask only with a key");
  command.add_option("--port", options.port, "Port to listen on; 0: any free one")
      ->check(CLI::Range(0, 65535));
  command.add_option("--api-key-file", args.key_file,
                     "File of keys, one a line, that clients need");
  command.add_flag("--insecure-no-auth", options.no_key_needed,
                   "Let other machines ask without a key");
  command.add_option("--host-name", options.host_names,
                     "Further names by which clients may call this server");
  command.add_option("--allow-origin", options.origins,
                     "Web pages that may ask, such as https://example.org");
}

}  // namespace

void AddServe(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("serve", "Answer requests of OpenAI's clients over HTTP, on this machine");
  auto args = std::make_shared<ServeArgs>();
  ServerOptions& options = args->options;
  args->model.Add(*command);
  AddAccess(*command, *args);
  command->add_option("--model-name", options.model_name,
                      "What clients call the model; its directory's name if not given");
  command->add_option("--alias", args->aliases, "A further name for the model");
  command->add_option("--sessions", options.sessions, "Answers under way at one time")
      ->check(CLI::Range(1, 64));
  command->add_option("--queue", options.waiting, "Requests that may wait for a session")
      ->check(CLI::Range(0, 10000));
  command
      ->add_option("--answer-seconds", options.answer_seconds,
                   "An answer ends after so long; 0: never")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option_function<int64_t>(
          "--cache-mb", [&options](int64_t mb) { options.cache_bytes = mb << 20; },
          "Megabytes of what was read of prompts and answers, for later ones that begin alike; if "
          "not given, 1024, or a quarter of the free memory where that is less")
      ->check(CLI::Range(0, 1 << 20));
  command
      ->add_option("--drain", args->drain_seconds,
                   "Seconds that answers under way may take when the server is told to stop")
      ->check(CLI::Range(0.0, 86400.0));
  command->add_flag("--no-access-log", args->no_log, "No line for each request");
  args->output.AddEverywhere(*command);
  command->footer(kExamples);
  command->callback([args, &exit_code] { exit_code = Serve(*args); });
}

}  // namespace gemma3n::cli
