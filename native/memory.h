// Memory that is kept after use, so that a training step, which asks for the same sizes again and again, never waits for
// the operating system to hand out zeroed pages.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

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

// For each slot of a parallel job that the calling thread starts, memory of at least so many bytes that stays the slot's
// until asked for anew: then what lies there is in the caches of no other core, from which it would be long in coming.
std::vector<void *> kept_bytes(int slots, size_t bytes);
template <class T> class KeptScratch {
  public:
    KeptScratch(int slots, int64_t n) : of_(kept_bytes(slots, static_cast<size_t>(n) * sizeof(T))) {}
    T *operator[](int slot) const { return static_cast<T *>(of_[slot]); }

  private:
    std::vector<void *> of_;
};

}  // namespace retrograd
