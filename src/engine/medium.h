// SPDX-License-Identifier: Apache-2.0
// A picture or a clip of a conversation, and what it is known again by.
#pragma once

#include <cstdint>
#include <memory>

#include "gemma3n/content.h"

namespace gemma3n {

// Of two media with the same key the soft tokens are the same. Keeps no pixels and no samples. The
// key of text is that of no medium.
class MediumKey {
 public:
  MediumKey() = default;
  // Of the `index`th medium of a part, at this size. Where nobody has named its content, it is
  // known by its object, which `owner` keeps.
  MediumKey(const ContentId& id, int64_t index, const std::shared_ptr<const void>& owner,
            const void* content, int64_t image_size)
      : id_(id), index_(index), image_size_(image_size), is_medium_(true) {
    if (id_ == ContentId{}) {
      owner_ = owner;
      content_ = content;
    }
  }

  bool is_medium() const { return is_medium_; }

  friend bool operator==(const MediumKey& a, const MediumKey& b) {
    return a.is_medium_ == b.is_medium_ && a.index_ == b.index_ && a.content_ == b.content_ &&
           a.image_size_ == b.image_size_ && a.id_ == b.id_ && !a.owner_.owner_before(b.owner_) &&
           !b.owner_.owner_before(a.owner_);
  }

 private:
  ContentId id_ = {};
  int64_t index_ = 0;
  std::weak_ptr<const void> owner_;  // whose address no other takes while this is here
  const void* content_ = nullptr;
  int64_t image_size_ = 0;
  bool is_medium_ = false;
};

// What it is made of belongs to `owner`.
struct Medium {
  std::shared_ptr<const void> owner;
  const Image* image = nullptr;  // one of these three
  const ImageFile* file = nullptr;
  const AudioClip* clip = nullptr;
  int64_t image_size = 0;  // side the picture is stretched to
  MediumKey key;

  Medium() = default;
  Medium(std::shared_ptr<const void> of, const Image& picture, const ContentId& id, int64_t index,
         int64_t size)
      : owner(std::move(of)),
        image(&picture),
        image_size(size),
        key(id, index, owner, image, size) {}
  Medium(const std::shared_ptr<const ImageFile>& picture, const ContentId& id, int64_t size)
      : owner(picture), file(picture.get()), image_size(size), key(id, 0, owner, file, size) {}
  Medium(std::shared_ptr<const void> of, const AudioClip& sound, const ContentId& id, int64_t index)
      : owner(std::move(of)), clip(&sound), key(id, index, owner, clip, 0) {}

  bool is_picture() const { return clip == nullptr; }
};

}  // namespace gemma3n
