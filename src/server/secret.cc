// SPDX-License-Identifier: Apache-2.0
#include "server/secret.h"

#include <openssl/rand.h>

#include <algorithm>

#include "gemma3n/error.h"

namespace gemma3n::server {

std::string RandomSecret() {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
    throw Error(ErrorKind::kInternal, "no random numbers can be had");
  }
  constexpr char kDigits[] = "0123456789abcdef";
  std::string secret;
  for (const unsigned char byte : bytes) secret += {kDigits[byte >> 4], kDigits[byte & 15]};
  return secret;
}

bool SameSecret(std::string_view secret, std::string_view given) {
  if (secret.empty()) return false;
  unsigned differs = secret.size() != given.size();
  for (size_t i = 0; i < given.size(); ++i) {
    differs |= static_cast<unsigned char>(given[i] ^ secret[i % secret.size()]);
  }
  return differs == 0;
}

std::string GivenSecrets::Give(const std::string& prefix, const std::string& owner,
                               Clock::duration life) {
  const auto now = Clock::now();
  std::erase_if(secrets_, [now](const Secret& secret) { return secret.end <= now; });
  if (secrets_.size() >= most_) {
    secrets_.erase(
        std::min_element(secrets_.begin(), secrets_.end(),
                         [](const Secret& a, const Secret& b) { return a.end < b.end; }));
  }
  secrets_.push_back({prefix + RandomSecret(), owner, now + life});
  return secrets_.back().text;
}

std::optional<std::string> GivenSecrets::OwnerOf(std::string_view given) const {
  const auto now = Clock::now();
  std::optional<std::string> owner;
  for (const Secret& secret : secrets_) {  // all of them, whichever it is
    if (SameSecret(secret.text, given) && secret.end > now) owner = secret.owner;
  }
  return owner;
}

void GivenSecrets::Forget(std::string_view given) {
  std::erase_if(secrets_, [&](const Secret& secret) { return SameSecret(secret.text, given); });
}

}  // namespace gemma3n::server
