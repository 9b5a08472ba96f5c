#include "pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace retrograd {
namespace {

// A worker looks for the next job this many times before it sleeps: about 0.2 ms, longer than Python needs between two
// kernels of a training step, because waking a sleeping thread costs as much as a small kernel.
constexpr int kSpins = 10000;

inline void relax() {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

class Pool {
  public:
    // Where the system has no room for another thread, the pool works with those that it has.
    explicit Pool(int workers) : shares_(workers + 1) {
        try {
            for (int i = 0; i < workers; i++) threads_.emplace_back([this, i] { work(i + 1); });
        } catch (const std::exception &) {  // std::system_error, std::bad_alloc
        }
    }

    ~Pool() {
        {
            std::lock_guard<std::mutex> lock(mutex_);
            stop_ = true;
            generation_.fetch_add(1);
        }
        wake_.notify_all();
        for (auto &thread : threads_) thread.join();
    }

    int workers() const { return static_cast<int>(threads_.size()); }

    void run(int64_t tasks, int slots, void (*body)(void *, int64_t, int), void *context) {
        {
            std::lock_guard<std::mutex> lock(mutex_);
            body_ = body;
            context_ = context;
            slots_ = std::min<int>(slots, static_cast<int>(shares_.size()));
            for (int i = 0; i < slots_; i++) {
                shares_[i].next.store(tasks * i / slots_, std::memory_order_relaxed);
                shares_[i].end = tasks * (i + 1) / slots_;
            }
            open_ = true;
            generation_.fetch_add(1);
        }
        if (sleeping_.load() > 0) wake_.notify_all();
        take_tasks(0);
        {
            std::lock_guard<std::mutex> lock(mutex_);
            open_ = false;  // a worker that wakes only now is not waited for
        }
        while (active_.load(std::memory_order_acquire) > 0) relax();
    }

  private:
    // A thread's own share of the tasks first, then what is left of the others'. Kernels number their tasks along memory,
    // so one thread meets the same part of an image in each: to write where another core has read is many times slower.
    void take_tasks(int slot) {
        for (int i = 0; i < slots_; i++) {
            Share &share = shares_[(slot + i) % slots_];
            for (int64_t task; (task = share.next.fetch_add(1)) < share.end;) body_(context_, task, slot);
        }
    }

    void work(int slot) {
        uint64_t seen = 0;
        for (;;) {
            for (int i = 0; i < kSpins && generation_.load(std::memory_order_acquire) == seen; i++) relax();
            if (generation_.load(std::memory_order_acquire) == seen) {
                std::unique_lock<std::mutex> lock(mutex_);
                sleeping_.fetch_add(1);
                wake_.wait(lock, [&] { return generation_.load() != seen; });
                sleeping_.fetch_sub(1);
            }
            {
                std::lock_guard<std::mutex> lock(mutex_);
                seen = generation_.load();
                if (stop_) return;
                if (!open_ || slot >= slots_) continue;
                active_.fetch_add(1);
            }
            take_tasks(slot);
            active_.fetch_sub(1, std::memory_order_release);
        }
    }

    struct alignas(64) Share {
        std::atomic<int64_t> next{0};
        int64_t end = 0;
    };

    std::vector<Share> shares_;
    std::vector<std::thread> threads_;  // after what they use
    std::mutex mutex_;
    std::condition_variable wake_;
    std::atomic<uint64_t> generation_{0};
    std::atomic<int> active_{0}, sleeping_{0};
    void (*body_)(void *, int64_t, int) = nullptr;
    void *context_ = nullptr;
    int slots_ = 0;
    bool open_ = false, stop_ = false;
};

Pool *made(int workers) {
    try {
        return new Pool(workers);
    } catch (const std::bad_alloc &) {  // the caller works alone
        return nullptr;
    }
}

int default_threads() {
    if (const char *text = std::getenv("OMP_NUM_THREADS")) {
        int value = std::atoi(text);
        if (value > 0) return value;
    }
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
    return std::max(1u, std::thread::hardware_concurrency());
}

struct State {
    std::mutex in_use;  // held by the caller whose job the pool runs, or who changes the pool
    Pool *pool = nullptr;
    std::atomic<int> threads{0};
};

State *state = new State;  // never freed: threads may outlive static destructors
thread_local bool inside = false;

// The child of a fork has the pool's memory but not its threads: it starts with none, and makes its own when needed.
void forget_pool_after_fork() {
    int threads = state->threads.load();
    state = new State;
    state->threads.store(threads);
    inside = false;
}

const int registered = pthread_atfork(nullptr, nullptr, forget_pool_after_fork);

}  // namespace

int num_threads() {
    int threads = state->threads.load();
    if (threads == 0) state->threads.store(threads = default_threads());
    return threads;
}

void set_num_threads(int threads) {
    std::lock_guard<std::mutex> lock(state->in_use);
    state->threads.store(threads);
    if (state->pool && state->pool->workers() != threads - 1) {
        delete state->pool;
        state->pool = nullptr;
    }
}

Alone::Alone(bool alone) : before_(std::exchange(inside, inside || alone)) {}
Alone::~Alone() { inside = before_; }

void parallel_run(int64_t tasks, int slots, void (*body)(void *, int64_t, int), void *context) {
    static_cast<void>(registered);
    int threads = num_threads();
    // A second caller at the same time, or a kernel inside a kernel, works alone: the results are the same.
    if (tasks > 1 && threads > 1 && !inside) {
        std::unique_lock<std::mutex> lock(state->in_use, std::try_to_lock);
        if (lock.owns_lock()) {
            if (!state->pool) state->pool = made(threads - 1);
            if (state->pool) {
                inside = true;
                state->pool->run(tasks, slots, body, context);
                inside = false;
                return;
            }
        }
    }
    for (int64_t task = 0; task < tasks; task++) body(context, task, 0);
}

}  // namespace retrograd
