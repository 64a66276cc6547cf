// SPDX-License-Identifier: Apache-2.0
#include "server/entrance.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "gemma3n/error.h"
#include "server/certificate.h"
#include "server/private_file.h"
#include "server/secret.h"

namespace gemma3n {
namespace server {
namespace {

// Whether a URL is of loopback.
bool IsOfThisMachine(const std::string& url) {
  return url.find("//127.") != std::string::npos || url.find("//[::1]") != std::string::npos;
}

// Where certificate and key are kept from one start to the next.
std::filesystem::path StateDirectory(const ServerOptions& options) {
  if (!options.state_directory.empty()) return options.state_directory;
  const auto variable = [](const char* name) -> std::string {
    const char* const value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  if (const std::string given = variable("STATE_DIRECTORY"); !given.empty()) return given;
  if (const std::string base = variable("XDG_STATE_HOME"); base.starts_with("/")) {
    return std::filesystem::path(base) / "gemma3n";
  }
  if (const std::string home = variable("HOME"); home.starts_with("/")) {
    return std::filesystem::path(home) / ".local" / "state" / "gemma3n";
  }
  throw Error(ErrorKind::kUsage,
              "state-directory: expected one, since neither XDG_STATE_HOME nor HOME is set");
}

// The key that is kept, or a new one.
std::string OwnKey(const std::filesystem::path& path) {
  constexpr size_t kDigits = 32;
  const std::optional<std::string> kept = ReadPrivateFile(path);
  if (kept && kept->size() == kDigits + 1 && kept->back() == '\n') return kept->substr(0, kDigits);
  const std::string key = RandomSecret();
  WritePrivateFile(path, key + "\n");
  return key;
}

// The addresses by which a listener is reached: "all" is none that a client can call.
std::vector<std::string> Reachable(const std::string& address) {
  const bool is_v4 = address.starts_with("0.0.0.0:"), is_v6 = address.starts_with("[::]:");
  if (!is_v4 && !is_v6) return {address};
  const std::string port = address.substr(address.rfind(':'));
  std::vector<std::string> reachable = {(is_v4 ? "127.0.0.1" : "[::1]") + port};
  for (const std::string& each : MachineAddresses()) {
    const bool each_is_v6 = each.find(':') != std::string::npos;
    if (each_is_v6 == is_v6) reachable.push_back((is_v6 ? "[" + each + "]" : each) + port);
  }
  return reachable;
}

void CheckOptions(const ServerOptions& options) {
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    throw Error(ErrorKind::kUsage, "tls-cert and tls-key: expected both or neither");
  }
  for (const std::string& key : options.api_keys) {
    if (key.empty()) throw Error(ErrorKind::kUsage, "api key: expected one, found an empty line");
  }
}

// With the certificate that is kept, which is looked at each day. Who trusts it by its fingerprint
// is told when that becomes another.
std::shared_ptr<const TlsContext> OwnTls(const std::filesystem::path& directory,
                                         const std::vector<std::string>& names,
                                         const std::string& fingerprint) {
  const auto pem = [directory, names, told = fingerprint]() mutable {
    std::string kept = OwnCertificate(directory, names);
    const std::string now = Fingerprint(kept);
    if (now != told) {
      std::fprintf(stderr, "gemma3n: a new certificate, SHA-256 %s\n", now.c_str());
      told = now;
    }
    return kept;
  };
  return TlsRenewed(pem, std::chrono::hours(24));
}

void CheckKeys(const ServerOptions& options, const std::vector<Listener>& listeners) {
  for (const Listener& one : listeners) {
    if (one.is_loopback || !options.api_keys.empty() || options.no_key_needed) continue;
    throw Error(ErrorKind::kUsage,
                "host: " + one.address +
                    " can be reached from other machines; add --api-key-file FILE, or "
                    "--insecure-no-auth to let everybody in");
  }
}

// Of sockets that were handed over: whether they are what was asked for.
void CheckInherited(const ServerOptions& options, const Entrance& entrance) {
  if (entrance.listeners.empty()) return;
  const std::string found = "systemd hands over " + entrance.listeners[0].address;
  if (!options.host.empty()) {
    throw Error(ErrorKind::kUsage, "host: " + found +
                                       ", and nothing else is listened on; leave --host out, or "
                                       "start without the socket");
  }
  if (options.lan && entrance.is_loopback_only()) {
    throw Error(ErrorKind::kUsage, "lan: " + found +
                                       ", which other machines do not reach; change ListenStream "
                                       "in gemma3n.socket, or start without it");
  }
}

}  // namespace

bool Entrance::is_loopback_only() const {
  return std::all_of(listeners.begin(), listeners.end(),
                     [](const Listener& one) { return one.is_loopback; });
}

Entrance OpenEntrance(ServerOptions& options) {
  CheckOptions(options);
  Entrance entrance;
  if (options.take_inherited_sockets) entrance.listeners = InheritedListeners();
  CheckInherited(options, entrance);
  if (entrance.listeners.empty()) {
    entrance.listeners =
        options.lan ? ListenEverywhere(options.port)
                    : ListenOn(options.host.empty() ? "127.0.0.1" : options.host, options.port);
  }
  if (options.lan && options.api_keys.empty() && !options.no_key_needed) {
    entrance.reach.made_key = OwnKey(StateDirectory(options) / "key");
    options.api_keys = {entrance.reach.made_key};
  }
  CheckKeys(options, entrance.listeners);
  options.tls = options.tls || options.lan || !options.tls_certificate.empty();
  std::vector<std::string> names = OwnNames();
  names.insert(names.end(), options.host_names.begin(), options.host_names.end());
  if (options.lan) options.host_names = names;
  if (!options.tls_certificate.empty()) {
    entrance.tls = TlsFromFiles(options.tls_certificate, options.tls_key);
  } else if (options.tls) {
    const std::filesystem::path directory = StateDirectory(options);
    entrance.reach.certificate = directory / "certificate.pem";
    entrance.reach.fingerprint = Fingerprint(OwnCertificate(directory, names));
    entrance.tls = OwnTls(directory, names, entrance.reach.fingerprint);
  }
  entrance.reach.needs_key = !options.api_keys.empty();
  for (const Listener& one : entrance.listeners) {
    for (const std::string& address : Reachable(one.address)) {
      entrance.reach.urls.push_back((options.tls ? "https://" : "http://") + address);
    }
  }
  // This machine's own addresses first, as the one that is tried out.
  std::stable_partition(entrance.reach.urls.begin(), entrance.reach.urls.end(), IsOfThisMachine);
  return entrance;
}

}  // namespace server

bool ServerReach::HasOthers() const {
  return !std::all_of(urls.begin(), urls.end(), server::IsOfThisMachine);
}

std::string ServerReach::PageUrl() const {
  const auto found = std::find_if_not(urls.begin(), urls.end(), server::IsOfThisMachine);
  return (found == urls.end() ? urls.front() : *found) + "/";
}

std::string ServerReach::PageLink() const {
  return PageUrl() + (made_key.empty() ? "" : "#key=" + made_key);
}

}  // namespace gemma3n
