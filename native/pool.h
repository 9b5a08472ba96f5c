// One pool of threads for all kernels, made when it is first needed.
#pragma once
#include <cstdint>

namespace retrograd {

// Calls body(context, task, slot) once for each task in [0, tasks), spread over the pool's threads and the caller's own.
// Which thread takes which task is not fixed: a kernel's tasks must not depend on it, nor on how many threads there are.
// Threads that work at the same time have different slots, below num_threads() as it was passed in `slots`: for scratch.
void parallel_run(int64_t tasks, int slots, void (*body)(void *context, int64_t task, int slot), void *context);

int num_threads();
void set_num_threads(int threads);

// While it lives, and if so told, the calling thread works alone: for work that is done before another thread is awake.
class Alone {
  public:
    explicit Alone(bool alone);
    ~Alone();

  private:
    bool before_;
};

// The same for a callable: parallel(tasks, [&](int64_t task) { ... }). The body must not throw.
template <class Body> void parallel(int64_t tasks, const Body &body) {
    parallel_run(
        tasks, num_threads(),
        [](void *context, int64_t task, int) { (*static_cast<const Body *>(context))(task); },
        const_cast<void *>(static_cast<const void *>(&body)));
}

// The same with slots: parallel(tasks, slots, [&](int64_t task, int slot) { ... }).
template <class Body> void parallel(int64_t tasks, int slots, const Body &body) {
    parallel_run(
        tasks, slots, [](void *context, int64_t task, int slot) { (*static_cast<const Body *>(context))(task, slot); },
        const_cast<void *>(static_cast<const void *>(&body)));
}

}  // namespace retrograd
