// Small blocks are kept by size. Large ones are cut from regions of address space, best fit first, and join with their
// free neighbours, so that what was freed in one size serves another; what stays has regions of its own, or it would lie
// scattered over what a step's arrays leave, and they in turn not fit between. Regions are in huge pages, where the system
// has them: reading and writing memory from end to end is up to half as fast again without misses in the page table.
#include "memory.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <set>
#include <utility>
#include <vector>

namespace retrograd {
namespace {

constexpr size_t kHeader = 64;  // before each block: its size; it also keeps the alignment
#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kLarge = SIZE_MAX;  // each block is its own allocation, whose bounds are watched
#else
constexpr size_t kLarge = 1 << 16;
#endif
constexpr size_t kHugePage = 2 << 20;
constexpr size_t kInSmallPages = 4 << 20;  // of a step's arrays: a small network's would fill a part of huge pages only
constexpr size_t kRegion = 256 << 20;  // address space; memory is taken as it is first used

size_t up(size_t bytes, size_t step) { return (bytes + step - 1) / step * step; }

// A free piece of a region: its size, and how much of it may be memory that was used (the first of it, as a guess).
struct Piece {
    size_t size, held;
};

// Blocks cut from regions of its own. The first bytes of the first one are not in huge pages.
class Regions {
  public:
    explicit Regions(size_t in_small_pages) : in_small_pages_(in_small_pages) {}

    char *take(size_t size) {
        auto fit = by_size_.lower_bound({size, nullptr});
        if (fit == by_size_.end()) {
            if (!add_region(size)) return nullptr;
            fit = by_size_.lower_bound({size, nullptr});
        }
        char *block = fit->second;
        const Piece piece = remove(pieces_.find(block));
        if (piece.size > size) insert(block + size, {piece.size - size, piece.held - std::min(piece.held, size)});
        return block;
    }

    void give(char *block, size_t size) {
        Piece piece{size, size};
        auto next = pieces_.find(block + size);
        if (next != pieces_.end() && !regions_.count(next->first)) {
            const Piece joined = remove(next);
            piece = {piece.size + joined.size, piece.held + joined.held};
        }
        auto before = pieces_.lower_bound(block);
        if (before != pieces_.begin() && !regions_.count(block)) {
            before--;
            if (before->first + before->second.size == block) {
                block = before->first;
                const Piece joined = remove(before);
                piece = {piece.size + joined.size, piece.held + joined.held};
            }
        }
        insert(block, piece);
    }

    void empty() {
        for (auto region = regions_.begin(); region != regions_.end();) {
            auto whole = pieces_.find(region->first);
            if (whole != pieces_.end() && whole->second.size == region->second) {
                remove(whole);
                munmap(region->first, region->second);
                region = regions_.erase(region);
            } else {
                region++;
            }
        }
        static const size_t page = sysconf(_SC_PAGESIZE);
        for (auto &[block, piece] : pieces_) {
            const size_t at = reinterpret_cast<uintptr_t>(block), first = up(at, page), last = (at + piece.size) / page * page;
            if (piece.held && first < last) madvise(block + (first - at), last - first, MADV_DONTNEED);
            piece.held = 0;
        }
        held_ = 0;
    }

    size_t held() const { return held_; }

  private:
    using Pieces = std::map<char *, Piece>;
    const size_t in_small_pages_;
    std::map<char *, size_t> regions_;  // start and size
    Pieces pieces_;
    std::set<std::pair<size_t, char *>> by_size_;
    size_t held_ = 0;

    void insert(char *block, Piece piece) {
        pieces_[block] = piece;
        by_size_.insert({piece.size, block});
        held_ += piece.held;
    }

    Piece remove(Pieces::iterator at) {
        const Piece piece = at->second;
        by_size_.erase({piece.size, at->first});
        pieces_.erase(at);
        held_ -= piece.held;
        return piece;
    }

    bool add_region(size_t least) {
        for (size_t size : {std::max(up(least, kHugePage), kRegion), up(least, kHugePage)}) {
            // What is asked for as a whole is to be refused now, where there is no such memory, not killed when used.
            const int reserve = size > kRegion ? 0 : MAP_NORESERVE;
            void *mapped = mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | reserve, -1, 0);
            if (mapped == MAP_FAILED) continue;
            char *from = static_cast<char *>(mapped);
            const size_t skipped = up(reinterpret_cast<uintptr_t>(from), kHugePage) - reinterpret_cast<uintptr_t>(from);
            if (skipped) munmap(from, skipped);
            from += skipped;
            if (skipped < kHugePage) munmap(from + size, kHugePage - skipped);
#if defined(MADV_HUGEPAGE)
            const size_t small = regions_.empty() ? in_small_pages_ : 0;
            madvise(from + small, size - small, MADV_HUGEPAGE);
#endif
            regions_[from] = size;
            insert(from, {size, 0});
            return true;
        }
        return false;
    }
};

// What is before each block, in kHeader bytes.
struct Header {
    size_t size;
    bool stays;
};

class Cache {
  public:
    std::mutex mutex;

    void *take(size_t size, bool stays) {
        char *block;
        if (size >= kLarge) {
            block = regions_[stays].take(size);
        } else if (auto found = small_.find(size); found != small_.end() && !found->second.empty()) {
            block = found->second.back();
            found->second.pop_back();
            small_held_ -= size;
        } else {
            block = static_cast<char *>(std::aligned_alloc(64, size));
        }
        if (!block) throw std::bad_alloc();
        *reinterpret_cast<Header *>(block) = {size, stays};
        return block + kHeader;
    }

    void give(void *data) {
        char *block = static_cast<char *>(data) - kHeader;
        const auto [size, stays] = *reinterpret_cast<Header *>(block);
        if (size >= kLarge) {
            regions_[stays].give(block, size);
            if (held() > limit()) empty();
            return;
        }
        if (held() + size > limit()) return std::free(block);
        try {
            small_[size].push_back(block);
        } catch (const std::bad_alloc &) {  // no memory for the books
            return std::free(block);
        }
        small_held_ += size;
    }

    void empty() {
        for (auto &entry : small_)
            for (char *block : entry.second) std::free(block);
        small_.clear();
        small_held_ = 0;
        for (Regions &regions : regions_) regions.empty();
    }

    size_t held() const { return small_held_ + regions_[0].held() + regions_[1].held(); }

  private:
    std::map<size_t, std::vector<char *>> small_;  // by size
    size_t small_held_ = 0;
    Regions regions_[2] = {Regions(kInSmallPages), Regions(0)};  // of what does not stay, and of what does

    // What is held unused stays below an eighth of the machine's memory.
    static size_t limit() {
        static const size_t limit = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) / 8 * sysconf(_SC_PAGESIZE);
        return limit;
    }
};

Cache &cache() {
    static Cache *cache = new Cache;  // never freed: arrays may outlive static destructors
    return *cache;
}

// A fork waits until no other thread is in the cache: its child would find the lock held for ever.
const int registered = pthread_atfork([] { cache().mutex.lock(); }, [] { cache().mutex.unlock(); },
                                      [] { cache().mutex.unlock(); });

// Small sizes are rounded to an eighth of their leading power of two, so that nearly equal requests share blocks.
size_t rounded(size_t bytes) {
    size_t step = 64;
    while (bytes < kLarge && step * 16 <= bytes) step *= 2;
    return up(bytes, step) + kHeader;
}

}  // namespace

void *acquire(size_t bytes, bool stays) {
    static_cast<void>(registered);
    if (bytes > SIZE_MAX / 2) throw std::bad_alloc();
    std::lock_guard<std::mutex> lock(cache().mutex);
    return cache().take(rounded(bytes), stays);
}

void release(void *data) {
    if (!data) return;
    std::lock_guard<std::mutex> lock(cache().mutex);
    try {
        cache().give(data);
    } catch (const std::bad_alloc &) {  // no memory for the books: arrays are freed where nothing may be thrown,
    }                                   // and the piece is lost
}

size_t capacity(void *data) { return reinterpret_cast<Header *>(static_cast<char *>(data) - kHeader)->size - kHeader; }

std::vector<void *> kept_bytes(int slots, size_t bytes) {
    struct Kept {
        void *data = nullptr;
        Kept() = default;
        Kept(Kept &&other) noexcept : data(std::exchange(other.data, nullptr)) {}
        ~Kept() { release(data); }
    };
    thread_local std::vector<Kept> kept;
    if (static_cast<int>(kept.size()) < slots) kept.resize(slots);
    std::vector<void *> out;
    for (int slot = 0; slot < slots; slot++) {
        void *&data = kept[slot].data;
        if (!data || capacity(data) < bytes) {
            release(std::exchange(data, nullptr));
            data = acquire(bytes, true);
        }
        out.push_back(data);
    }
    return out;
}

void empty_cache() {
    std::lock_guard<std::mutex> lock(cache().mutex);
    cache().empty();
}

size_t cached_bytes() {
    std::lock_guard<std::mutex> lock(cache().mutex);
    return cache().held();
}

}  // namespace retrograd
