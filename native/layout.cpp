#include "layout.h"

#include <algorithm>

#include "pool.h"

namespace retrograd {

void memory_order(const Array &array, int *order) {
    for (int i = 0; i < array.ndim; i++) order[i] = i;
    auto step = [&](int i) { return array.shape[i] == 1 ? INT64_MAX : array.stride[i]; };
    std::stable_sort(order, order + array.ndim, [&](int a, int b) { return step(a) > step(b); });
}

bool is_dense(const Array &array) {
    if (array.size() <= 1) return true;
    int order[kMaxDims];
    memory_order(array, order);
    int64_t run = 1;
    for (int k = array.ndim - 1; k >= 0; k--) {
        const int i = order[k];
        if (array.shape[i] == 1) continue;
        if (array.stride[i] != run) return false;
        run *= array.shape[i];
    }
    return true;
}

bool same_layout(const Array &a, const Array &b) {
    if (a.ndim != b.ndim) return false;
    for (int i = 0; i < a.ndim; i++)
        if (a.shape[i] != b.shape[i] || (a.shape[i] > 1 && a.stride[i] != b.stride[i])) return false;
    return true;
}

namespace {

// Calls body(offset in array, offset in the run, step in array, count) for runs of elements along the innermost dimension
// of `like`, in parallel.
template <class Body> void for_lines(const Array &array, const Array &like, const Body &body) {
    int order[kMaxDims];
    memory_order(like, order);
    const int inner = order[array.ndim - 1];
    const int64_t count = array.shape[inner], lines = array.size() / count, step = array.stride[inner];
    const int64_t chunk = std::max<int64_t>(1, 16384 / count);  // lines of one task
    parallel((lines + chunk - 1) / chunk, [&](int64_t task) {
        const int64_t first = task * chunk, last = std::min(lines, first + chunk);
        int64_t index[kMaxDims], at = 0, rest = first;
        for (int k = array.ndim - 2; k >= 0; k--) {
            index[k] = rest % array.shape[order[k]];
            rest /= array.shape[order[k]];
            at += index[k] * array.stride[order[k]];
        }
        for (int64_t line = first; line < last; line++) {
            body(at, line * count, step, count);
            for (int k = array.ndim - 2; k >= 0; k--) {
                const int d = order[k];
                at += array.stride[d];
                if (++index[k] < array.shape[d]) break;
                at -= array.stride[d] * array.shape[d];
                index[k] = 0;
            }
        }
    });
}

}  // namespace

template <class T> Flat<T>::Flat(const Array &array, const Array &like) : array_(array), like_(like) {
    data_ = array.as<T>();
    if (same_layout(array, like) || array.size() == 0) return;
    data_ = copy_.reset(array.size());
    const T *from = array.as<T>();
    T *to = data_;
    for_lines(array, like, [=](int64_t at, int64_t i, int64_t step, int64_t count) {
        for (int64_t k = 0; k < count; k++) to[i + k] = from[at + k * step];
    });
}

template <class T> void Flat<T>::write_back() const {
    if (!copy_.get()) return;
    T *to = array_.as<T>();
    const T *from = data_;
    for_lines(array_, like_, [=](int64_t at, int64_t i, int64_t step, int64_t count) {
        for (int64_t k = 0; k < count; k++) to[at + k * step] = from[i + k];
    });
}

template class Flat<float>;
template class Flat<double>;
template class Flat<int32_t>;
template class Flat<int64_t>;
template class Flat<uint8_t>;

}  // namespace retrograd
