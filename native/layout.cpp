#include "layout.h"

#include <algorithm>

namespace retrograd {

void memory_order(const Array &array, int *order) {
    for (int i = 0; i < array.ndim; i++) order[i] = i;
    std::stable_sort(order, order + array.ndim, [&](int a, int b) { return array.stride[a] > array.stride[b]; });
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

// Calls body(offset in array, offset in the run) for every element, along the memory order of `like`.
template <class Body> void for_elements(const Array &array, const Array &like, Body body) {
    int order[kMaxDims];
    memory_order(like, order);
    const int64_t n = array.size();
    int64_t index[kMaxDims] = {}, at = 0;
    for (int64_t i = 0; i < n; i++) {
        body(at, i);
        for (int k = array.ndim - 1; k >= 0; k--) {
            const int d = order[k];
            at += array.stride[d];
            if (++index[d] < array.shape[d]) break;
            at -= array.stride[d] * array.shape[d];
            index[d] = 0;
        }
    }
}

}  // namespace

template <class T> Flat<T>::Flat(const Array &array, const Array &like) : array_(array), like_(like) {
    data_ = array.as<T>();
    if (same_layout(array, like) || array.size() == 0) return;
    data_ = copy_.reset(array.size());
    for_elements(array, like, [&](int64_t at, int64_t i) { data_[i] = array.as<T>()[at]; });
}

template <class T> void Flat<T>::write_back() const {
    if (copy_.get()) for_elements(array_, like_, [&](int64_t at, int64_t i) { array_.as<T>()[at] = data_[i]; });
}

template class Flat<float>;
template class Flat<double>;
template class Flat<int64_t>;

}  // namespace retrograd
