// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

std::vector<const CLI::App*> Commands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::string EnvironmentName(const std::string& option) {
  std::string name = "GEMMA3N_";
  for (char c : option.substr(option.find_first_not_of('-'))) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

bool InEnvironment(const std::string& option) {
  const char* value = std::getenv(EnvironmentName(option).c_str());
  return value != nullptr && *value != '\0';
}

// TOML with two rules of ours: what the environment sets is left out, since CLI11 asks the file
// before the environment; and a key that stands in no section is meant for every command that has
// it, unless the command's own section says otherwise.
class ConfigOfCommands : public CLI::ConfigTOML {
 public:
  explicit ConfigOfCommands(const CLI::App& app) : app_(app) {}

  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    const std::vector<CLI::ConfigItem> all = CLI::ConfigTOML::from_config(input);
    std::vector<CLI::ConfigItem> result;
    for (const CLI::ConfigItem& item : all) {
      if (item.name == "++" || item.name == "--") {  // where sections begin and end
        result.push_back(item);
        continue;
      }
      if (InEnvironment(item.name)) continue;
      const bool for_all = item.parents.empty() && Spread(item, all, result);
      if (!for_all) result.push_back(item);
    }
    return result;
  }

 private:
  // False when no command has such an option.
  bool Spread(const CLI::ConfigItem& item, const std::vector<CLI::ConfigItem>& all,
              std::vector<CLI::ConfigItem>& result) const {
    bool known = false;
    for (const CLI::App* command : Commands(app_)) {
      if (command->get_option_no_throw("--" + item.name) == nullptr) continue;
      known = true;
      const std::vector<std::string> section = {command->get_name()};
      const bool said = std::any_of(all.begin(), all.end(), [&](const CLI::ConfigItem& other) {
        return other.parents == section && other.name == item.name;
      });
      if (said) continue;
      result.push_back(item);
      result.back().parents = section;
    }
    return known;
  }

  const CLI::App& app_;
};

std::string ConfigFile() {
  const char* base = std::getenv("XDG_CONFIG_HOME");
  if (base != nullptr && *base) return std::string(base) + "/gemma3n/config.toml";
  const char* home = std::getenv("HOME");
  return home == nullptr ? "" : std::string(home) + "/.config/gemma3n/config.toml";
}

// Whether the next argument is this option's value.
bool TakesValue(const CLI::App& app, const std::string& argument) {
  if (argument.find('=') != std::string::npos) return false;
  if (argument == "--config") return true;
  for (const CLI::App* command : Commands(app)) {
    const CLI::Option* option = command->get_option_no_throw(argument);
    if (option != nullptr) return option->get_items_expected_max() > 0;
  }
  return false;
}

}  // namespace

void NameSources(CLI::App& app) {
  const char* named = std::getenv("GEMMA3N_CONFIG");
  const bool is_named = named != nullptr && *named != '\0';
  // A file that was asked for must be there; the usual one need not.
  app.set_config("--config", is_named ? std::string(named) : ConfigFile(),
                 "Configuration file (TOML); also GEMMA3N_CONFIG", is_named);
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.config_formatter(std::make_shared<ConfigOfCommands>(app));
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) {
    for (CLI::Option* option : command->get_options()) {
      if (option->get_lnames().empty() || option->get_lnames()[0] == "help") continue;
      option->envname(EnvironmentName(option->get_lnames()[0]));
    }
  }
}

std::vector<std::string> CommandFirst(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  size_t at = 0;
  while (at < words.size() && words[at].size() > 1 && words[at][0] == '-') {
    at += TakesValue(app, words[at]) ? 2 : 1;
  }
  if (at < words.size()) {
    const std::vector<const CLI::App*> commands = Commands(app);
    const bool known = std::any_of(commands.begin(), commands.end(), [&](const CLI::App* command) {
      return command->get_name() == words[at];
    });
    if (!known) {
      throw Error(ErrorKind::kUsage,
                  "'" + words[at] + "' is no command; gemma3n --help lists them");
    }
    std::rotate(words.begin(), words.begin() + static_cast<ptrdiff_t>(at),
                words.begin() + static_cast<ptrdiff_t>(at) + 1);
  }
  std::reverse(words.begin(), words.end());
  return words;
}

}  // namespace gemma3n::cli
