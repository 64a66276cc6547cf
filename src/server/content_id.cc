// SPDX-License-Identifier: Apache-2.0
#include "server/content_id.h"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <new>

namespace gemma3n::server {

ContentId ContentIdOf(std::initializer_list<std::string_view> pieces) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> hash(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  unsigned char digest[EVP_MAX_MD_SIZE];
  bool done = hash != nullptr && EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr) == 1;
  for (const std::string_view piece : pieces) {
    const uint64_t size = piece.size();
    done = done && EVP_DigestUpdate(hash.get(), &size, sizeof(size)) == 1 &&
           EVP_DigestUpdate(hash.get(), piece.data(), piece.size()) == 1;
  }
  done = done && EVP_DigestFinal_ex(hash.get(), digest, nullptr) == 1;
  if (!done) throw std::bad_alloc();  // it fails for nothing else
  ContentId id;
  std::copy_n(digest, id.size(), id.begin());
  return id;
}

}  // namespace gemma3n::server
