// Register tiles of matrix products: the inner loops of convolution.
#pragma once
#include "kernels.h"
#include "loops.h"
#include "vec.h"

namespace retrograd::RETROGRAD_ISA {

// Rows x vectors of accumulators, leaving registers for one row of b and a broadcast element of a.
constexpr int kTileRows = kRegisters == 32 ? 12 : 6, kTileVectors = 2;
constexpr int kDotRows = kRegisters == 32 ? 4 : 3, kDotColumns = kRegisters == 32 ? 6 : 4;

// Steps that the compiler knows need no registers, of which addresses of rows take most.
enum class Layout { any, packed };  // packed: a_step is 1 and b_step tile_lanes

template <class T, int Rows, int Vectors, bool Part, Layout Kind> void outer_tile(const OuterTile<T> &t) {
    constexpr int L = kLanes<T>;
    const int last = t.lanes - (Vectors - 1) * L;
    auto load_b = [&](const T *p, int v) INLINE_LAMBDA {
        return Part && v == Vectors - 1 ? load_part(p + v * L, last) : load(p + v * L);
    };
    if (!t.past_caches)
        UNROLL
        for (int r = 0; r < Rows; r++)
            UNROLL
            for (int v = 0; v < Vectors; v++) expect_write(t.c[r] + v * L);
    Vec<T> acc[Rows][Vectors];
    UNROLL
    for (int r = 0; r < Rows; r++)
        UNROLL
        for (int v = 0; v < Vectors; v++)
            acc[r][v] = t.accumulate ? load_b(t.c[r], v) : t.bias ? load_b(t.bias, v) : Vec<T>{};
    for (int64_t s = 0; s < t.segments; s++) {
        const T *b = t.b + t.b_offset[s];
        const T *a[Rows];
        UNROLL
        for (int r = 0; r < Rows; r++) a[r] = t.a[r] + t.a_offset[s];
        const bool packed = Kind == Layout::packed;
        const int64_t a_step = packed ? 1 : t.a_step, b_step = packed ? kTileVectors * L : t.b_step;
#pragma GCC unroll 4
        for (int64_t k = 0; k < t.depth; k++) {
            Vec<T> row[Vectors];
            UNROLL
            for (int v = 0; v < Vectors; v++) row[v] = load_b(b, v);
            UNROLL
            for (int r = 0; r < Rows; r++) {
                const Vec<T> x = broadcast(a[r][k * a_step]);
                UNROLL
                for (int v = 0; v < Vectors; v++) acc[r][v] += x * row[v];
            }
            b += b_step;
        }
    }
    UNROLL
    for (int r = 0; r < Rows; r++)
        UNROLL
        for (int v = 0; v < Vectors; v++) {
            T *c = t.c[r] + v * L;
            if (Part && v == Vectors - 1) store_part(c, acc[r][v], last);
            else if (t.past_caches && is_aligned(c)) store_past_caches(c, acc[r][v]);
            else store(c, acc[r][v]);
        }
}

template <class T, int Rows, int Columns> void dot_tile(const DotTile<T> &t) {
    constexpr int L = kLanes<T>;
    Vec<T> acc[Rows][Columns] = {};
    for (int64_t s = 0; s < t.segments; s++) {
        const T *a[Rows], *b[Columns];
        UNROLL
        for (int r = 0; r < Rows; r++) a[r] = t.a[r] + t.a_offset[s];
        UNROLL
        for (int c = 0; c < Columns; c++) b[c] = t.b + c * t.b_stride + t.b_offset[s];
        int64_t k = 0;
        auto step = [&](auto get) INLINE_LAMBDA {
            Vec<T> x[Rows];
            UNROLL
            for (int r = 0; r < Rows; r++) x[r] = get(a[r] + k);
            UNROLL
            for (int c = 0; c < Columns; c++) {
                const Vec<T> y = get(b[c] + k);
                UNROLL
                for (int r = 0; r < Rows; r++) acc[r][c] += x[r] * y;
            }
        };
        for (; k + L <= t.depth; k += L) step([](const T *p) INLINE_LAMBDA { return load(p); });
        const int rest = static_cast<int>(t.depth - k);
        if (rest) step([rest](const T *p) INLINE_LAMBDA { return load_part(p, rest); });
    }
    UNROLL
    for (int r = 0; r < Rows; r++)
        UNROLL
        for (int c = 0; c < Columns; c++) t.c[r][c] = sum_lanes(acc[r][c]) + (t.bias ? t.bias[c] : T(0));
}

constexpr int kCombinedRows = 8;

template <class T> void add_rows(const T *rows, int64_t stride, const T *scale, int count, T *sum, int64_t n) {
    if (count < kCombinedRows) {
        for (int r = 0; r < count; r++) add_scaled(rows + r * stride, scale[r], sum, n);
        return;
    }
    Vec<T> s[kCombinedRows];
    UNROLL
    for (int r = 0; r < kCombinedRows; r++) s[r] = broadcast(scale[r]);
    for_vectors<T>(n, [&](int64_t i, auto get, auto put) INLINE_LAMBDA {
        Vec<T> even = get(sum + i), odd = {};
        UNROLL
        for (int r = 0; r < kCombinedRows; r += 2) {
            even += s[r] * get(rows + r * stride + i);
            odd += s[r + 1] * get(rows + (r + 1) * stride + i);
        }
        put(sum + i, even + odd);
    });
}

template <class T, int Rows = kTileRows> void outer(const OuterTile<T> &t) {
    if constexpr (Rows > 0) {
        if (t.rows != Rows) return outer<T, Rows - 1>(t);
        const bool part = t.lanes % kLanes<T> != 0;
        if (t.lanes <= kLanes<T>)
            return part ? outer_tile<T, Rows, 1, true, Layout::any>(t) : outer_tile<T, Rows, 1, false, Layout::any>(t);
        if (part) return outer_tile<T, Rows, 2, true, Layout::any>(t);
        if (t.a_step == 1 && t.b_step == kTileVectors * kLanes<T>) return outer_tile<T, Rows, 2, false, Layout::packed>(t);
        outer_tile<T, Rows, 2, false, Layout::any>(t);
    }
}

template <class T, int Rows = kDotRows, int Columns = kDotColumns> void dot(const DotTile<T> &t) {
    if constexpr (Rows > 0 && Columns > 0) {
        if (t.rows != Rows) return dot<T, Rows - 1, Columns>(t);
        if (t.columns != Columns) return dot<T, Rows, Columns - 1>(t);
        return dot_tile<T, Rows, Columns>(t);
    }
}

}  // namespace retrograd::RETROGRAD_ISA
