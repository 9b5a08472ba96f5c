#include "memory.h"

#include <pthread.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <vector>

namespace retrograd {
namespace {

constexpr size_t kHeader = 64;  // before each block: its size; it also keeps the alignment

struct Cache {
    std::mutex mutex;
    std::map<size_t, std::vector<void *>> free;  // by size
    size_t bytes = 0;
};

Cache &cache() {
    static Cache *cache = new Cache;  // never freed: arrays may outlive static destructors
    return *cache;
}

// A fork waits until no other thread is in the cache: its child would find the lock held for ever.
const int registered = pthread_atfork([] { cache().mutex.lock(); }, [] { cache().mutex.unlock(); },
                                      [] { cache().mutex.unlock(); });

// What is held unused stays below an eighth of the machine's memory.
size_t limit() {
    static const size_t limit = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) / 8 * sysconf(_SC_PAGE_SIZE);
    return limit;
}

// Sizes are rounded to an eighth of their leading power of two, so that nearly equal requests share blocks.
size_t rounded(size_t bytes) {
    size_t step = 64;
    while (step * 16 <= bytes) step *= 2;
    return (bytes + step - 1) / step * step + kHeader;
}

}  // namespace

void *acquire(size_t bytes) {
    static_cast<void>(registered);
    const size_t size = rounded(bytes);
    {
        std::lock_guard<std::mutex> lock(cache().mutex);
        auto found = cache().free.find(size);
        if (found != cache().free.end() && !found->second.empty()) {
            void *block = found->second.back();
            found->second.pop_back();
            cache().bytes -= size;
            return static_cast<char *>(block) + kHeader;
        }
    }
    void *block = std::aligned_alloc(64, size);
    if (!block) throw std::bad_alloc();
    *static_cast<size_t *>(block) = size;
    return static_cast<char *>(block) + kHeader;
}

void release(void *data) {
    if (!data) return;
    void *block = static_cast<char *>(data) - kHeader;
    const size_t size = *static_cast<size_t *>(block);
    std::lock_guard<std::mutex> lock(cache().mutex);
    if (cache().bytes + size > limit()) {
        std::free(block);
        return;
    }
    cache().free[size].push_back(block);
    cache().bytes += size;
}

size_t capacity(void *data) { return *reinterpret_cast<size_t *>(static_cast<char *>(data) - kHeader) - kHeader; }

void empty_cache() {
    std::lock_guard<std::mutex> lock(cache().mutex);
    for (auto &entry : cache().free)
        for (void *block : entry.second) std::free(block);
    cache().free.clear();
    cache().bytes = 0;
}

size_t cached_bytes() {
    std::lock_guard<std::mutex> lock(cache().mutex);
    return cache().bytes;
}

}  // namespace retrograd
