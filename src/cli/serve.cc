// SPDX-License-Identifier: Apache-2.0
// `gemma3n serve`: the model as a service, until it is told to stop.
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <string>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/serve_limits.h"
#include "cli/terminal.h"
#include "gemma3n/error.h"
#include "gemma3n/server.h"

namespace gemma3n::cli {
namespace {

constexpr char kExamples[] = R"(Examples:
  gemma3n serve -m DIR
  gemma3n serve -m DIR --port 8080 --sessions 8 --alias gpt-4o-mini
  gemma3n serve -m DIR --lan
  gemma3n serve -m DIR --host 192.168.1.20 --tls --api-key-file keys --host-name server.lan
)";

struct ServeArgs {
  ModelArgs model;
  OutputArgs output;
  ServerOptions options;
  std::string key_file;
  std::vector<std::string> aliases;
  double drain_seconds = 30;
  bool no_log = false;
  bool qr = false;
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
  options.model = args.model.model;
  options.projector = args.model.projector;
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
  if (options.limits.websocket_silent_seconds <= options.limits.websocket_ping_seconds) {
    throw Error(ErrorKind::kUsage,
                "--websocket-silent-seconds: expected more than --websocket-ping-seconds");
  }
  options.access_log = !args.no_log && !args.output.quiet;
}

// Base addresses of the dialects, and what makes their clients use them.
std::string Addresses(const std::string& url, const std::string& key) {
  const auto line = [](const char* name, const std::string& address, const std::string& snippet) {
    std::string text = std::string("  ") + name + address;
    if (!snippet.empty()) text += std::string(address.size() < 40 ? 40 - address.size() : 1, ' ');
    return text + snippet + "\n";
  };
  return line("page    ", url + "/", "") +
         line("OpenAI  ", url + "/v1", "OPENAI_BASE_URL=" + url + "/v1 OPENAI_API_KEY=" + key) +
         line("Ollama  ", url, "OLLAMA_HOST=" + url) +
         line("GenAI   ", url, "GOOGLE_GEMINI_BASE_URL=" + url + " GEMINI_API_KEY=" + key);
}

void ShowHowToAsk(const Server& server, const ServeArgs& args) {
  const ServerReach& reach = server.reach();
  std::string url = reach.PageUrl();
  url.pop_back();  // its slash
  const std::string key = !reach.needs_key         ? "none"
                          : reach.made_key.empty() ? "$KEY"
                                                   : reach.made_key;
  std::string text = "Serving " + OneLine(args.options.model_name) + " at\n" + Addresses(url, key);
  for (const std::string& each : reach.urls) {
    if (each != url) text += "  also at " + each + "\n";
  }
  text += "Try it:\n  curl " + url + "/v1/chat/completions";
  if (!reach.certificate.empty()) text += " --cacert " + reach.certificate.string();
  if (reach.needs_key) text += " -H \"Authorization: Bearer " + key + "\"";
  text += " -d '{\"messages\":[{\"role\":\"user\",\"content\":\"Hello!\"}]}'\n";
  if (!reach.made_key.empty()) text += "Clients need this key: " + reach.made_key + "\n";
  if (!reach.fingerprint.empty()) {
    text +=
        "The certificate is this server's own, so browsers ask whether to trust it. SHA-256:\n  " +
        reach.fingerprint + "\n";
  }
  if (args.qr || (args.options.lan && IsTerminal(STDOUT_FILENO))) {
    text += QrCodeForTerminal(reach.PageLink());
  }
  if (!args.options.lan && !reach.HasOthers()) {
    text += "Only this computer can connect. --lan opens it to your network, with a key and TLS.\n";
  }
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
  ShowHowToAsk(*server, args);
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
  command.add_flag("--lan", options.lan,
                   "Let all of your network ask: every address, with TLS, and with a key that is "
                   "made if there is none");
  command.add_flag("--tls", options.tls,
                   "Speak https, with a certificate of the server's own if none is given");
  command.add_option("--tls-cert", options.tls_certificate, "File of the certificate, in PEM");
  command.add_option("--tls-key", options.tls_key, "File of the certificate's key, in PEM");
  command.add_option("--state-directory", options.state_directory,
                     "Where a certificate and a key that are made are kept");
  command.add_flag("--qr", args.qr,
                   "Show the page's address as a QR code; with --lan a terminal does");
  command.add_flag("--insecure-no-auth", options.no_key_needed,
                   "Let other machines ask without a key");
  command.add_option("--host-name", options.host_names,
                     "Further names by which clients may call this server");
  command.add_option("--allow-origin", options.origins,
                     "Web pages that may ask, such as https://example.org");
}

// What Ollama's clients may ask beyond answers.
void AddManagement(CLI::App& command, ServerOptions& options) {
  command.add_option("--ollama-version", options.ollama_version,
                     "The version of Ollama that clients are told; some want a certain one");
  command.add_flag("--allow-model-management", options.allow_model_management,
                   "Let Ollama's clients make further names of the model, and delete those");
}

}  // namespace

void AddServe(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("serve", "Answer requests of OpenAI's clients over HTTP, on this machine");
  auto args = std::make_shared<ServeArgs>();
  ServerOptions& options = args->options;
  args->model.Add(*command);
  AddAccess(*command, *args);
  AddManagement(*command, options);
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
      ->add_option_function<int64_t>(
          "--media-cache-mb", [&options](int64_t mb) { options.media_cache_bytes = mb << 20; },
          "Megabytes of pictures and sound that were looked at and heard, for later requests that "
          "bring them again; if not given, 256")
      ->check(CLI::Range(0, 1 << 20));
  command
      ->add_option("--drain", args->drain_seconds,
                   "Seconds that answers under way may take when the server is told to stop")
      ->check(CLI::Range(0.0, 86400.0));
  command->add_option("--lab", options.lab, "A result of `gemma3n lab --json`, shown on the page")
      ->check(CLI::ExistingFile);
  command->add_flag("--no-access-log", args->no_log, "No line for each request");
  AddLimits(*command, options);
  args->output.AddEverywhere(*command);
  command->footer(kExamples);
  command->callback([args, &exit_code] { exit_code = Serve(*args); });
}

}  // namespace gemma3n::cli
