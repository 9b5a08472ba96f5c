// One pool of threads for all kernels, made when it is first needed.
#pragma once
#include <cstdint>

namespace retrograd {

// Calls body(context, task) once for each task in [0, tasks), spread over the pool's threads and the caller's own.
// Which thread takes which task is not fixed: a kernel's tasks must not depend on it, nor on how many threads there are.
void parallel_run(int64_t tasks, void (*body)(void *context, int64_t task), void *context);

// The same for a callable: parallel(tasks, [&](int64_t task) { ... }). The body must not throw.
template <class Body> void parallel(int64_t tasks, const Body &body) {
    parallel_run(
        tasks, [](void *context, int64_t task) { (*static_cast<const Body *>(context))(task); },
        const_cast<void *>(static_cast<const void *>(&body)));
}

int num_threads();
void set_num_threads(int threads);

}  // namespace retrograd
