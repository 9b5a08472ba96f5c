// A NumPy array at the boundary: where it is, its shape and strides. It owns nothing.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>

namespace retrograd {

constexpr int kMaxDims = 8;

struct Array {
    const char *name;  // for messages
    void *data;
    int ndim;
    int64_t shape[kMaxDims];
    int64_t stride[kMaxDims];  // in elements
    char type;                 // 'f' float32, 'd' float64, 'q' int64, '?' bool, ...
    bool writable;

    template <class T> T *as() const { return static_cast<T *>(data); }
    int64_t size() const {
        int64_t n = 1;
        for (int i = 0; i < ndim; i++) n *= shape[i];
        return n;
    }
    std::string shape_text() const;
};

// Throw std::invalid_argument with a message that names the array, what it is and what was expected.
void expect_shape(const Array &array, std::initializer_list<int64_t> shape);
void expect_same_type(const Array &array, const Array &other);
[[noreturn]] void refuse(const std::string &message);

}  // namespace retrograd
