// Loops over runs of memory: elementwise, transposes, sums and extremes, pixels of pooling windows.
#pragma once
#include "kernels.h"
#include "vec.h"

namespace retrograd::RETROGRAD_ISA {

template <class T> struct BitsOf;
template <> struct BitsOf<float> { using type = uint32_t; };
template <> struct BitsOf<double> { using type = uint64_t; };

// Calls body(i, get, put) over n elements: whole vectors, then the rest as a part of one.
template <class T, class Body> INLINE void for_vectors(int64_t n, Body body) {
    constexpr int L = kLanes<T>;
    int64_t i = 0;
    for (; i + L <= n; i += L)
        body(i, [](const T *p) INLINE_LAMBDA { return load(p); }, [](T *p, Vec<T> v) INLINE_LAMBDA { store(p, v); });
    if (const int rest = static_cast<int>(n - i); rest > 0)
        body(i, [rest](const T *p) INLINE_LAMBDA { return load_part(p, rest); },
             [rest](T *p, Vec<T> v) INLINE_LAMBDA { store_part(p, v, rest); });
}

#if defined(__x86_64__)
// Of four rows, each a register of quarters of four columns: quarter q of line[i] is column 4 q + i.
INLINE void transpose_quarters(const Vec<float> (&row)[4], Vec<float> (&line)[4]) {
#if defined(__AVX512F__)
#define LOW _mm512_unpacklo_ps
#define HIGH _mm512_unpackhi_ps
#define BOTH _mm512_shuffle_ps
#elif defined(__AVX2__)
#define LOW _mm256_unpacklo_ps
#define HIGH _mm256_unpackhi_ps
#define BOTH _mm256_shuffle_ps
#else
#define LOW _mm_unpacklo_ps
#define HIGH _mm_unpackhi_ps
#define BOTH _mm_shuffle_ps
#endif
    const Vec<float> a = LOW(row[0], row[1]), b = HIGH(row[0], row[1]), c = LOW(row[2], row[3]), d = HIGH(row[2], row[3]);
    line[0] = BOTH(a, c, 0x44);
    line[1] = BOTH(a, c, 0xee);
    line[2] = BOTH(b, d, 0x44);
    line[3] = BOTH(b, d, 0xee);
#undef LOW
#undef HIGH
#undef BOTH
}

#if defined(__AVX512F__)
// Of 16 columns of 12 or 16 rows: a column is one register, and written in one piece or two.
template <int Rows> INLINE void transpose_whole(const float *from, int64_t from_stride, float *to, int64_t to_stride) {
    constexpr int kGroups = Rows / 4;
    Vec<float> line[kGroups][4];
    UNROLL
    for (int g = 0; g < kGroups; g++) {
        Vec<float> row[4];
        UNROLL
        for (int i = 0; i < 4; i++) row[i] = load(from + (4 * g + i) * from_stride);
        transpose_quarters(row, line[g]);
    }
    const auto put = [&](int column, Vec<float> v) INLINE_LAMBDA {
        float *at = to + column * to_stride;
        if constexpr (Rows == 16) return store(at, v);
        _mm256_storeu_ps(at, _mm512_castps512_ps256(v));
        _mm_storeu_ps(at + 8, _mm512_extractf32x4_ps(v, 2));
    };
    UNROLL
    for (int i = 0; i < 4; i++) {
        const Vec<float> a = line[0][i], b = line[1][i], c = line[2][i], d = line[kGroups - 1][i];
        const Vec<float> low = _mm512_shuffle_f32x4(a, b, 0x44), high = _mm512_shuffle_f32x4(a, b, 0xee);
        const Vec<float> low_rest = _mm512_shuffle_f32x4(c, d, 0x44), high_rest = _mm512_shuffle_f32x4(c, d, 0xee);
        put(i, _mm512_shuffle_f32x4(low, low_rest, 0x88));
        put(4 + i, _mm512_shuffle_f32x4(low, low_rest, 0xdd));
        put(8 + i, _mm512_shuffle_f32x4(high, high_rest, 0x88));
        put(12 + i, _mm512_shuffle_f32x4(high, high_rest, 0xdd));
    }
}

template <int Rows>
INLINE int64_t transpose_blocks(const float *from, int64_t from_stride, int64_t rows, int64_t columns, float *to,
                                int64_t to_stride) {
    int64_t r = 0;
    for (; r + Rows <= rows; r += Rows)
        for (int64_t c = 0; c < columns; c += 16)
            transpose_whole<Rows>(from + r * from_stride + c, from_stride, to + c * to_stride + r, to_stride);
    return r;
}
#endif

INLINE void store_quarter(float *to, Vec<float> v, int quarter) {
#if defined(__AVX512F__)
    switch (quarter) {
    case 0: return _mm_storeu_ps(to, _mm512_castps512_ps128(v));
    case 1: return _mm_storeu_ps(to, _mm512_extractf32x4_ps(v, 1));
    case 2: return _mm_storeu_ps(to, _mm512_extractf32x4_ps(v, 2));
    default: return _mm_storeu_ps(to, _mm512_extractf32x4_ps(v, 3));
    }
#elif defined(__AVX2__)
    _mm_storeu_ps(to, quarter ? _mm256_extractf128_ps(v, 1) : _mm256_castps256_ps128(v));
#else
    static_cast<void>(quarter);
    _mm_storeu_ps(to, v);
#endif
}
#endif

// to[c to_stride + r] = from[r from_stride + c]
template <class T>
void transpose(const T *from, int64_t from_stride, int64_t rows, int64_t columns, T *to, int64_t to_stride) {
    int64_t r = 0;
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        if (columns % 16 == 0) {
            r = transpose_blocks<16>(from, from_stride, rows, columns, to, to_stride);
            r += transpose_blocks<12>(from + r * from_stride, from_stride, rows - r, columns, to + r, to_stride);
        }
#endif
#if defined(__x86_64__)
    if constexpr (sizeof(T) == 4)
        for (; r + 4 <= rows; r += 4) {
            constexpr int L = kLanes<T>;
            int64_t c = 0;
            Vec<float> row[4], line[4];
            for (; c + L <= columns; c += L) {
                UNROLL
                for (int i = 0; i < 4; i++) row[i] = load(from + (r + i) * from_stride + c);
                transpose_quarters(row, line);
                UNROLL
                for (int q = 0; q < L / 4; q++)
                    UNROLL
                    for (int i = 0; i < 4; i++) store_quarter(to + (c + 4 * q + i) * to_stride + r, line[i], q);
            }
            for (; c + 4 <= columns; c += 4) {
                __m128 part[4];
                UNROLL
                for (int i = 0; i < 4; i++) part[i] = _mm_loadu_ps(from + (r + i) * from_stride + c);
                _MM_TRANSPOSE4_PS(part[0], part[1], part[2], part[3]);
                UNROLL
                for (int i = 0; i < 4; i++) _mm_storeu_ps(to + (c + i) * to_stride + r, part[i]);
            }
            for (; c < columns; c++)
                for (int i = 0; i < 4; i++) to[c * to_stride + r + i] = from[(r + i) * from_stride + c];
        }
#endif
    for (; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) to[c * to_stride + r] = from[r * from_stride + c];
}

template <class T> void add_runs(const T *from, int64_t step, int64_t count, int64_t n, T *to, int64_t to_step) {
    for (int64_t j = 0; j < count; j++, from += step, to += to_step)
        for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(to + i, get(to + i) + get(from + i)); });
}

// --- flat runs ---

template <class T> void relu(const T *x, T *out, int64_t n) {
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
        const Vec<T> v = get(x + i);
        put(out + i, v <= Vec<T>{} ? Vec<T>{} : v);  // NaN stays
    });
}

template <class T> void relu_gradient(const T *g, const T *out, T *gx, int64_t n) {
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
        put(gx + i, get(out + i) <= Vec<T>{} ? Vec<T>{} : get(g + i));
    });
}

template <class T, class Combine> INLINE void combine(const T *x, const T *y, T *out, int64_t n, Combine op) {
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(out + i, op(get(x + i), get(y + i))); });
}

template <class T> void binary(char op, const T *x, const T *y, T *out, int64_t n) {
    switch (op) {
    case '+': return combine(x, y, out, n, [](Vec<T> a, Vec<T> b) INLINE_LAMBDA { return a + b; });
    case '-': return combine(x, y, out, n, [](Vec<T> a, Vec<T> b) INLINE_LAMBDA { return a - b; });
    case '*': return combine(x, y, out, n, [](Vec<T> a, Vec<T> b) INLINE_LAMBDA { return a * b; });
    case '/': return combine(x, y, out, n, [](Vec<T> a, Vec<T> b) INLINE_LAMBDA { return a / b; });
    }
}

// x where the mask is 1, zero where it is 0 (even for NaN), through the bits.
template <class T> void masked(const T *x, const uint8_t *mask, T *out, int64_t n) {
    typename BitsOf<T>::type keep, bits;
    for (int64_t i = 0; i < n; i++) {
        keep = mask[i];
        __builtin_memcpy(&bits, x + i, sizeof bits);
        bits &= 0 - keep;
        __builtin_memcpy(out + i, &bits, sizeof bits);
    }
}

// out = condition ? x : y. Steps are 1, or 0 for a single value.
template <class T, int X, int Y> INLINE void select_stepped(const char *condition, const T *x, const T *y, T *out, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        const T a = x[X * i], b = y[Y * i];  // both are read: no branch to guess
        out[i] = condition[i] ? a : b;
    }
}

template <class T>
void select(const char *condition, const T *x, int x_step, const T *y, int y_step, T *out, int64_t n) {
    if (x_step && y_step) return select_stepped<T, 1, 1>(condition, x, y, out, n);
    if (x_step) return select_stepped<T, 1, 0>(condition, x, y, out, n);
    if (y_step) return select_stepped<T, 0, 1>(condition, x, y, out, n);
    select_stepped<T, 0, 0>(condition, x, y, out, n);
}

// --- sums and extremes ---

constexpr int kSums = 4;  // vectors that run sums alternate between, as an addition waits for the one before it

// Adds term(i, get) for i in steps of a vector to the sums in turn; body gets the last, of `rest` elements, by itself.
template <class T, class Term, class Body> INLINE void add_in_turn(int64_t n, Vec<T> (&sums)[kSums], Term term, Body body) {
    constexpr int L = kLanes<T>;
    const auto get = [](const T *p) INLINE_LAMBDA { return load(p); };
    int64_t i = 0;
    for (; i + kSums * L <= n; i += kSums * L)
        UNROLL
        for (int s = 0; s < kSums; s++) sums[s] += term(i + s * L, get);
    for (; i + L <= n; i += L) sums[0] += term(i, get);
    if (const int rest = static_cast<int>(n - i); rest > 0)
        body(term(i, [rest](const T *p) INLINE_LAMBDA { return load_part(p, rest); }), rest);
}

template <class T> INLINE T join_sums(const Vec<T> (&sums)[kSums]) {
    return sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

template <class T, class Term> INLINE T sum_of(int64_t n, Term term) {
    Vec<T> sums[kSums] = {};
    add_in_turn<T>(n, sums, term, [&](Vec<T> v, int) INLINE_LAMBDA { sums[1] += v; });
    return join_sums<T>(sums);
}

// As sum_of, for terms that are not zero where the part of a vector beyond the run reads as zero.
template <class T, class Term> INLINE T sum_of_masked(int64_t n, Term term) {
    Vec<T> sums[kSums] = {};
    add_in_turn<T>(n, sums, term, [&](Vec<T> v, int rest) INLINE_LAMBDA {
        for (int l = 0; l < rest; l++) sums[1][l] += v[l];
    });
    return join_sums<T>(sums);
}

// The sum of a run: blocks of it in T, by lanes, and their sums in double.
template <class T> double sum(const T *x, int64_t n) {
    constexpr int L = kLanes<T>;
    constexpr int64_t kBlock = 1024;
    double total = 0;
    while (n > 0) {
        const int64_t some = n < kBlock ? n : kBlock;
        Vec<T> sums[kSums] = {};
        int64_t i = 0;
        for (; i + kSums * L <= some; i += kSums * L) {
            UNROLL
            for (int k = 0; k < kSums; k++) sums[k] += load(x + i + k * L);
        }
        for (; i + L <= some; i += L) sums[0] += load(x + i);
        if (i < some) sums[1] += load_part(x + i, static_cast<int>(some - i));
        total += sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
        x += some;
        n -= some;
    }
    return total;
}

// The more extreme of v and top: a NaN in either stays.
template <class T, bool least> INLINE Vec<T> more_extreme(Vec<T> top, Vec<T> v) {
    if constexpr (least) return (v < top) | (v != v) ? v : top;
    else return (v > top) | (v != v) ? v : top;
}

template <class T, bool least> INLINE T extreme_of(const T *x, int64_t n) {
    constexpr int L = kLanes<T>, kTops = 4;
    Vec<T> top[kTops];
    UNROLL
    for (int k = 0; k < kTops; k++) top[k] = broadcast(x[0]);
    int64_t i = 0;
    for (; i + kTops * L <= n; i += kTops * L) {
        UNROLL
        for (int k = 0; k < kTops; k++) top[k] = more_extreme<T, least>(top[k], load(x + i + k * L));
    }
    for (; i + L <= n; i += L) top[0] = more_extreme<T, least>(top[0], load(x + i));
    if (i < n) {
        Vec<T> v = load_part(x + i, static_cast<int>(n - i));
        for (int l = static_cast<int>(n - i); l < L; l++) v[l] = x[0];
        top[0] = more_extreme<T, least>(top[0], v);
    }
    for (int k = 1; k < kTops; k++) top[0] = more_extreme<T, least>(top[0], top[k]);
    T result = top[0][0];
    for (int l = 1; l < L; l++) {
        const T v = top[0][l];
        if (result == result && (v != v || (least ? v < result : v > result))) result = v;
    }
    return result;
}

template <class T> T extreme(const T *x, int64_t n, bool least) {
    return least ? extreme_of<T, true>(x, n) : extreme_of<T, false>(x, n);
}

template <class T> void extreme_rows(const T *x, T *top, int64_t n, bool least) {
    if (least)
        for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
            put(top + i, more_extreme<T, true>(get(top + i), get(x + i)));
        });
    else
        for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
            put(top + i, more_extreme<T, false>(get(top + i), get(x + i)));
        });
}

template <class T> int64_t first_of(const T *x, int64_t n, T value) {
    constexpr int L = kLanes<T>, kVectors = 4;
    const bool nan = value != value;
    int64_t i = 0;
    for (; i + kVectors * L <= n; i += kVectors * L) {  // until there is one among these
        Lanes<T> hits = {};
        UNROLL
        for (int k = 0; k < kVectors; k++) {
            const Vec<T> v = load(x + i + k * L);
            hits |= nan ? v != v : v == value;
        }
        uint64_t words[kVectorBytes / 8], any = 0;
        __builtin_memcpy(words, &hits, sizeof words);
        for (const uint64_t word : words) any |= word;
        if (any) break;
    }
    while (i < n && !(nan ? x[i] != x[i] : x[i] == value)) i++;
    return i;
}

// sum[i] += x[i] + x[stride + i] + ..., over `count` rows; four at a time, so that memory is read in order.
template <class T> void add_all_rows(const T *x, int64_t stride, int64_t count, T *sum, int64_t n) {
    int64_t r = 0;
    for (; r + 4 <= count; r += 4, x += 4 * stride)
        for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
            const Vec<T> low = get(x + i) + get(x + stride + i), high = get(x + 2 * stride + i) + get(x + 3 * stride + i);
            put(sum + i, get(sum + i) + (low + high));
        });
    for (; r < count; r++, x += stride)
        for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(sum + i, get(sum + i) + get(x + i)); });
}

// --- one pixel of a pooling window, over contiguous channels ---

// The largest of the taps and its number (the last NaN's, if there is one, as PyTorch has it).
template <class T, class Number>
void max_pixel(const T *x, int64_t taps, const int64_t *offset, const int64_t *number, int64_t channels, T *out,
               Number *which) {
    using Int = Lanes<T>;
    constexpr int L = kLanes<T>;
    for_vectors<T>(channels, [=](int64_t c, auto get, auto put) INLINE_LAMBDA {
        Vec<T> top = broadcast(-static_cast<T>(__builtin_inf()));
        Int its = Int{} + static_cast<int>(number[0]);
        for (int64_t t = 0; t < taps; t++) {
            const Vec<T> v = get(x + offset[t] + c);
            const Int better = (v > top) | (v != v);
            top = better ? v : top;
            its = better ? Int{} + static_cast<int>(number[t]) : its;
        }
        put(out + c, top);
        if (c + L <= channels) store_numbers<T>(which + c, its);
        else for (int64_t l = 0; c + l < channels; l++) which[c + l] = static_cast<Number>(its[l]);
    });
}

// out += scale x, the inner loop of average pooling.
template <class T> void add_scaled(const T *x, T scale, T *out, int64_t n) {
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(out + i, get(out + i) + scale * get(x + i)); });
}

}  // namespace retrograd::RETROGRAD_ISA
