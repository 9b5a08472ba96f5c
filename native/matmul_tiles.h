// The register tile of matrix products of any shape. Operands are packed, so that it reads memory in one direction; the
// left one need not be.
#pragma once
#include "kernels.h"
#include "tiles.h"
#include "vec.h"

namespace retrograd::RETROGRAD_ISA {

// See ProductTile, for Rows rows and more than Vectors - 1 vectors of lanes.
template <class T, int Rows, int Vectors, bool Packed> void product_tile(const ProductTile<T> &t) {
    constexpr int L = kLanes<T>, Width = kTileVectors * L;
    const int rest = t.lanes % L;
    auto whole = [&](int v) INLINE_LAMBDA { return v < Vectors - 1 || rest == 0; };
    UNROLL
    for (int r = 0; r < Rows; r++)  // c is wanted when the sums are there: fetched meanwhile
        for (int v = 0; v < Vectors; v++) __builtin_prefetch(t.c + r * t.c_stride + v * L, 1);
    Vec<T> acc[Rows][Vectors];
    UNROLL
    for (int r = 0; r < Rows; r++)
        UNROLL
        for (int v = 0; v < Vectors; v++)
            acc[r][v] = !t.bias ? Vec<T>{} : whole(v) ? load(t.bias + v * L) : load_part(t.bias + v * L, rest);
    // Three rows share a register: processors add an index once or twice to an address by themselves.
    const T *a[(Rows + 2) / 3], *b = t.b;
    const int64_t a_row = Packed ? 1 : t.a_row, a_step = Packed ? kTileRows : t.a_step;
    UNROLL
    for (int r = 0; r < Rows; r += 3) a[r / 3] = t.a + r * a_row;
#pragma GCC unroll 4
    for (int64_t k = 0; k < t.depth; k++) {
        Vec<T> row[Vectors];
        UNROLL
        for (int v = 0; v < Vectors; v++) row[v] = load(b + v * L);
        UNROLL
        for (int r = 0; r < Rows; r++) {
            const Vec<T> x = broadcast(Packed ? a[0][r] : a[r / 3][r % 3 * a_row]);
            UNROLL
            for (int v = 0; v < Vectors; v++) acc[r][v] += x * row[v];
        }
        UNROLL
        for (int r = 0; r < Rows; r += 3) a[r / 3] += a_step;
        b += Width;
    }
    UNROLL
    for (int r = 0; r < Rows; r++)
        UNROLL
        for (int v = 0; v < Vectors; v++) {
            T *to = t.c + r * t.c_stride + v * L;
            if (t.accumulate) acc[r][v] += whole(v) ? load(to) : load_part(to, rest);
            if (whole(v)) store(to, acc[r][v]);
            else store_part(to, acc[r][v], rest);
        }
}

// As many multiply-adds as the processor can do: `rounds` times a tile's, on registers alone. Gives the number of
// operations, an addition and a multiplication each counted; what comes out goes to `sink`.
template <class T> int64_t multiply_adds(int64_t rounds, T *sink) {
    Vec<T> acc[kTileRows][kTileVectors];
    UNROLL
    for (int r = 0; r < kTileRows; r++)
        UNROLL
        for (int v = 0; v < kTileVectors; v++) acc[r][v] = broadcast(static_cast<T>(r * kTileVectors + v));
    const Vec<T> x = broadcast(*sink), y = broadcast(T(1) - *sink);
    for (int64_t i = 0; i < rounds; i++)
        UNROLL
        for (int r = 0; r < kTileRows; r++)
            UNROLL
            for (int v = 0; v < kTileVectors; v++) acc[r][v] = acc[r][v] * x + y;
    Vec<T> sum = {};
    UNROLL
    for (int r = 0; r < kTileRows; r++)
        UNROLL
        for (int v = 0; v < kTileVectors; v++) sum += acc[r][v];
    *sink = sum_lanes(sum);
    return 2 * rounds * kTileRows * kTileVectors * kLanes<T>;
}

// to[p apart + k step + i] = from[p step + i + k stride], for k < depth, i < step and p step + i < count; what of a last
// run of `step` is left is zero.
template <class T>
void pack_runs(const T *from, int64_t stride, int64_t count, int64_t depth, int step, T *to, int64_t apart) {
    constexpr int L = kLanes<T>, kLine = 64 / sizeof(T), kAhead = 4;
    for (int64_t k = 0; k < depth; k++, from += stride, to += step) {
        // Runs may lie pages apart, where processors don't fetch ahead by themselves, and drive each other out of the
        // first cache: not far ahead.
        for (int64_t i = 0; i < count; i += kLine) __builtin_prefetch(from + kAhead * stride + i);
        const bool last = k == depth - 1;
        int64_t start = 0;
        T *run = to;
        for (; start + step <= count; start += step, run += apart) {
            int i = 0;
            for (; i + L <= step; i += L) store(run + i, load(from + start + i));
            // The rest of a run with what comes after it, which the next run overwrites.
            if (i < step && !last && start + i + L <= count) store(run + i, load(from + start + i));
            else for (; i < step; i++) run[i] = from[start + i];
        }
        if (start < count)
            for (int i = 0; i < step; i++) run[i] = start + i < count ? from[start + i] : T(0);
    }
}

template <class T, int Rows = kTileRows> void product(const ProductTile<T> &t) {
    if constexpr (Rows > 0) {
        if (t.rows != Rows) return product<T, Rows - 1>(t);
        const bool packed = t.a_row == 1 && t.a_step == kTileRows;
        if (t.lanes > kLanes<T>) return packed ? product_tile<T, Rows, 2, true>(t) : product_tile<T, Rows, 2, false>(t);
        return packed ? product_tile<T, Rows, 1, true>(t) : product_tile<T, Rows, 1, false>(t);
    }
}

}  // namespace retrograd::RETROGRAD_ISA
