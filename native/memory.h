// Memory that is kept after use, so that a training step, which asks for the same sizes again and again, never waits for
// the operating system to hand out zeroed pages.
#pragma once
#include <cstddef>
#include <cstdint>

namespace retrograd {

// 64-byte aligned; throws std::bad_alloc. stays: it is wanted as long as a model, not for a step or less.
void *acquire(size_t bytes, bool stays = false);
void release(void *block);
size_t capacity(void *block);  // at least the bytes that were asked for
void empty_cache();           // gives all unused blocks back to the system
size_t cached_bytes();        // held but unused

// A scratch buffer of n elements; empty until asked for.
template <class T> class Scratch {
  public:
    Scratch() = default;
    explicit Scratch(int64_t n) { reset(n); }
    ~Scratch() { release(data_); }
    Scratch(const Scratch &) = delete;
    Scratch &operator=(const Scratch &) = delete;
    T *reset(int64_t n) {
        release(data_);
        data_ = nullptr;
        return data_ = static_cast<T *>(acquire(static_cast<size_t>(n) * sizeof(T)));
    }
    T *get() const { return data_; }

  private:
    T *data_ = nullptr;
};

// At least so many bytes of the calling thread's own, until it asks again: what lies there only its core has in its caches.
// A kernel's task may ask once.
void *own_bytes(size_t bytes);
template <class T> T *own_scratch(int64_t n) { return static_cast<T *>(own_bytes(static_cast<size_t>(n) * sizeof(T))); }

}  // namespace retrograd
