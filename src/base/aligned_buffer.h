// SPDX-License-Identifier: Apache-2.0
// Memory whose start is aligned for any vector register, owned and never shrunk; zeroed unless
// asked otherwise.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <span>

namespace gemma3n {

template <class T>
class AlignedBuffer {
 public:
  static constexpr size_t kAlignment = 64;  // one cache line, one AVX-512 register

  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t size) { Resize(size); }

  // Makes room for `size` zeroed elements; the old contents are lost. Throws std::bad_alloc.
  void Resize(size_t size) {
    ResizeUnset(size);
    std::fill_n(data_.get(), size, T{});
  }
  // The same, but the elements are not yet anything: for large buffers that are written as a whole,
  // by several threads.
  void ResizeUnset(size_t size) {
    data_.reset(static_cast<T*>(
        ::operator new (std::max<size_t>(size, 1) * sizeof(T), std::align_val_t{kAlignment})));
    size_ = size;
  }
  // As Resize, but only when more than the present size is wanted.
  void Reserve(size_t size) {
    if (size > size_) Resize(size);
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  size_t size() const { return size_; }
  T& operator[](size_t i) { return data_.get()[i]; }
  const T& operator[](size_t i) const { return data_.get()[i]; }
  std::span<T> span() { return {data(), size_}; }
  std::span<const T> span() const { return {data(), size_}; }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete (p, std::align_val_t{kAlignment}); }
  };
  std::unique_ptr<T, Free> data_;
  size_t size_ = 0;
};

}  // namespace gemma3n
