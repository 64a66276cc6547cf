// SPDX-License-Identifier: Apache-2.0
// A certificate of the server's own, for machines that have none: signed by itself, so clients
// either trust it by hand or are told not to look.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace gemma3n::server {

// Certificate and key (EC P-256) in PEM. `names`: host names and addresses that it is for.
std::string MakeCertificate(const std::vector<std::string>& names, std::chrono::seconds life);

// Whether the certificate in `pem` is for all the names and good for a month from now.
bool IsGoodCertificate(const std::string& pem, const std::vector<std::string>& names);

// SHA-256 of the certificate in `pem`, as browsers show it: "AB:CD:...".
std::string Fingerprint(const std::string& pem);

// What is kept in the directory as tls.pem, made anew when it is not good any more; beside it
// certificate.pem, without the key, for clients. Throws Error (kResources).
std::string OwnCertificate(const std::filesystem::path& directory,
                           const std::vector<std::string>& names);

// What this machine is called: localhost, its name, the addresses of its interfaces.
std::vector<std::string> OwnNames();

}  // namespace gemma3n::server
