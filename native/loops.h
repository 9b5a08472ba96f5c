// Loops over runs of memory: normalisation, activations.
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

// --- rows: layer normalisation and softmax, over n contiguous elements ---

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

template <class T>
void layer_norm(const T *x, int64_t n, T eps, const T *weight, const T *bias, T *out, T *mean, T *variance) {
    const T middle = sum_of<T>(n, [=](int64_t i, auto get) INLINE_LAMBDA { return get(x + i); }) / n;
    const T m2 = sum_of_masked<T>(n, [=](int64_t i, auto get) INLINE_LAMBDA {
        const Vec<T> d = get(x + i) - middle;
        return d * d;
    });
    const T scale = 1 / (sizeof(T) == 4 ? __builtin_sqrtf(m2 / n + eps) : __builtin_sqrt(m2 / n + eps));
    *mean = middle;
    *variance = m2 / n;
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
        Vec<T> v = (get(x + i) - middle) * scale;
        if (weight) v *= get(weight + i);
        if (bias) v += get(bias + i);
        put(out + i, v);
    });
}

// gx of one row; adds the row's part of the gradients of weight and bias.
template <class T, bool Weighted, bool Sums>
void layer_norm_row_gradient(const T *g, const T *x, int64_t n, T mean, T invstd, const T *weight, T *gx, T *gweight,
                             T *gbias) {
    constexpr int kPairs = 2;
    Vec<T> sums[kPairs] = {}, products[kPairs] = {};  // of g, and of g and x without its mean
    const auto add = [&](int s, int64_t i, auto get) INLINE_LAMBDA {
        const Vec<T> v = get(g + i), d = get(x + i) - mean, w = Weighted ? v * get(weight + i) : v;
        sums[s] += w;
        products[s] += w * d;
        return v * (d * invstd);
    };
    constexpr int L = kLanes<T>;
    const auto get = [](const T *p) INLINE_LAMBDA { return load(p); };
    int64_t i = 0;
    for (; i + kPairs * L <= n; i += kPairs * L)
        UNROLL
        for (int s = 0; s < kPairs; s++) {
            const Vec<T> slope = add(s, i + s * L, get);
            if (!Sums) continue;
            store(gweight + i + s * L, load(gweight + i + s * L) + slope);
            store(gbias + i + s * L, load(gbias + i + s * L) + load(g + i + s * L));
        }
    for_vectors<T>(n - i, [&](int64_t j, auto get, auto put) INLINE_LAMBDA {
        const Vec<T> slope = add(0, i + j, get);
        if (!Sums) return;
        put(gweight + i + j, get(gweight + i + j) + slope);
        put(gbias + i + j, get(gbias + i + j) + get(g + i + j));
    });
    const T sum = sum_lanes(sums[0] + sums[1]) / n, product = sum_lanes(products[0] + products[1]) * invstd / n;
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
        const Vec<T> v = Weighted ? get(g + i) * get(weight + i) : get(g + i);
        put(gx + i, (v - sum - (get(x + i) - mean) * invstd * product) * invstd);
    });
}

template <class T>
void layer_norm_gradient(const T *g, const T *x, int64_t n, T mean, T invstd, const T *weight, T *gx, T *gweight,
                         T *gbias) {
    if (gx && gweight && gbias) {
        if (weight) return layer_norm_row_gradient<T, true, true>(g, x, n, mean, invstd, weight, gx, gweight, gbias);
        return layer_norm_row_gradient<T, false, true>(g, x, n, mean, invstd, weight, gx, gweight, gbias);
    }
    if (gx && weight) layer_norm_row_gradient<T, true, false>(g, x, n, mean, invstd, weight, gx, nullptr, nullptr);
    else if (gx) layer_norm_row_gradient<T, false, false>(g, x, n, mean, invstd, weight, gx, nullptr, nullptr);
    if (gweight || gbias)
        for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
            const Vec<T> v = get(g + i);
            if (gweight) put(gweight + i, get(gweight + i) + v * ((get(x + i) - mean) * invstd));
            if (gbias) put(gbias + i, get(gbias + i) + v);
        });
}

// e^x to about one unit in the last place: 2^k times a polynomial on [-ln 2 / 2, ln 2 / 2] (its Taylor series). Shrinks: x
// is known not to be above zero.
template <class T, bool Shrinks = false> INLINE Vec<T> exponential(Vec<T> x) {
    constexpr bool F = sizeof(T) == 4;
    constexpr T high = F ? 0.693359375 : 0.693147180369123816490, low = F ? -2.12194440e-4 : 1.90821492927058770002e-10;
    constexpr T least = F ? -104 : -746, most = F ? 88.8 : 709.8;
    Vec<T> v = at_least(x, least);
    if constexpr (!Shrinks) v = at_most(v, most);
    constexpr T round = F ? 12582912.0 : 6755399441055744.0;  // 1.5 * 2^mantissa bits: adding it rounds to whole numbers
    const Vec<T> k = (v * T(1.44269504088896340736) + round) - round;
    const Vec<T> r = (v - k * high) - k * low;
    constexpr int terms = F ? 7 : 13;
    T factorial = 1;
    for (int i = 2; i <= terms; i++) factorial *= i;
    Vec<T> p = broadcast(1 / factorial);
    UNROLL
    for (int i = terms; i > 0; i--) {
        factorial /= i;
        p = p * r + 1 / factorial;
    }
#if defined(__AVX512F__)
    if constexpr (F) return _mm512_scalef_ps(p, k);
    else return _mm512_scalef_pd(p, k);
#else
    // 2^k in two halves, so that results near the ends of the range come out right (subnormal or infinite).
    constexpr int bits = F ? 23 : 52, bias = F ? 127 : 1023;
    using Int = decltype(x < x);
    const Int whole = __builtin_convertvector(k == k ? k : Vec<T>{}, Int), half = whole >> 1;
    const Int first = (half + bias) << bits, second = (whole - half + bias) << bits;
    Vec<T> a, b;
    __builtin_memcpy(&a, &first, sizeof a);
    __builtin_memcpy(&b, &second, sizeof b);
    return p * a * b;
#endif
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

template <class T, int Count> INLINE Vec<T> polynomial(const double (&coefficients)[Count], Vec<T> t) {
    Vec<T> p = broadcast(static_cast<T>(coefficients[Count - 1]));
    UNROLL
    for (int i = Count - 2; i >= 0; i--) p = p * t + static_cast<T>(coefficients[i]);
    return p;
}

// erf(x) / x in 2 x^2 - 1 for x up to 1, and x e^(x^2) erfc(x) in 1 - 7 / (x + 2.5) beyond: as in ops/special.py.
constexpr double kErfNear32[] = {0.9654687386, -0.140536089, 0.01985249772, -0.002285485657, 0.0002175119898,
                                 -1.753682469e-05, 1.231640173e-06, -7.557492822e-08};
constexpr double kErfFar32[] = {0.551181619, 0.03789187871, -0.04329445235, 0.02730796287, -0.01171480873,
                                0.003234725402, -0.0003335814466, -0.000134893037, 5.177290456e-05, 3.329704322e-06,
                                -3.969745069e-06};
constexpr double kErfNear64[] = {
    0.9654687386698673, -0.1405360890227171, 0.019852496688983708, -0.0022854855611440673, 0.00021751715604160108,
    -1.75371694414921e-05, 1.223382738352401e-06, -7.511569160678138e-08, 4.11580059766496e-09,
    -2.0352493920247854e-10, 9.167606746069445e-12, -3.7910930392717217e-13, 1.454817075960679e-14,
    -5.166061616805981e-16};
constexpr double kErfFar64[] = {
    0.5511816192322864, 0.037891878042285686, -0.04329446654176374, 0.02730797668112057, -0.011714640742239556,
    0.003234643495686367, -0.00033431423153752824, -0.0001346880185715913, 5.323976444780221e-05,
    3.0879267164302695e-06, -5.374879929744022e-06, 1.2994032200993113e-07, 5.802289590033475e-07,
    -2.5488889943415935e-08, -7.1405036068517e-08, 6.348794229303066e-10, 9.509115896453622e-09,
    6.47894770895792e-10, -1.176283376009661e-09, -1.8768496554920337e-10, 9.376258914857805e-11,
    2.2215879877729653e-11};

template <class T> INLINE Vec<T> erf_of(Vec<T> v) {
    constexpr bool F = sizeof(T) == 4;
    const Vec<T> size = v < 0 ? -v : v;
    const Vec<T> small = size < 1 ? v : Vec<T>{}, t = small * small * 2 - 1;
    Vec<T> near;
    if constexpr (F) near = small * polynomial<T>(kErfNear32, t);
    else near = small * polynomial<T>(kErfNear64, t);
    Vec<T> large = size < 1 ? broadcast(T(1)) : size;
    large = large > 30 ? broadcast(T(30)) : large;  // nothing is left of erfc there
    const Vec<T> u = 1 - 7 / (large + T(2.5));
    Vec<T> scaled, rest;
    if constexpr (F) {
        scaled = polynomial<T>(kErfFar32, u);
        rest = exponential<T>(-large * large);
    } else {
        scaled = polynomial<T>(kErfFar64, u);
        // The square in two parts, the first of which is exact: the exponent's error doesn't grow with x.
        typedef float Narrow __attribute__((vector_size(kVectorBytes / 2)));
        const Vec<T> high = __builtin_convertvector(__builtin_convertvector(large, Narrow), Vec<T>);
        rest = exponential<T>(-high * high) * exponential<T>((high - large) * (high + large));
    }
    const Vec<T> tail = scaled / large * rest, far = v < 0 ? tail - 1 : 1 - tail;
    return size < 1 ? near : v != v ? v : far;
}

template <class T> void erf(const T *x, T *out, int64_t n) {
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(out + i, erf_of<T>(get(x + i))); });
}

constexpr double kRootHalf = 0.70710678118654752440, kDensity = 0.39894228040143267794;  // 1 / sqrt(2), 1 / sqrt(2 pi)

// erfcx(a / sqrt(2)) / 2 in 1 - 6 / (a + 3), for a from 0 to 14; beyond, a single's e^(-a^2 / 2) is zero, and this finite.
constexpr double kTail32[] = {0.1215139476, -0.206402619, 0.1232250307, -0.04621329096, 0.006132070671,
                              0.002904556187, -0.0009837584745, -0.0003394849265, 0.0001155437964, 5.367189882e-05};

// The normal distribution's probability of less than v; density becomes e^(-v^2 / 2).
template <class T> INLINE Vec<T> normal_of(Vec<T> v, Vec<T> &density) {
    density = exponential<T, true>(v * v * T(-0.5));
    if constexpr (sizeof(T) == 4) {
        const Vec<T> size = v < 0 ? -v : v;
        const Vec<T> tail = density * polynomial<T>(kTail32, 1 - 6 / (size + 3));
        return v < 0 ? tail : 1 - tail;
    } else {
        return T(0.5) * (1 + erf_of<T>(v * T(kRootHalf)));
    }
}

// x times the normal distribution's probability of less than x, and its derivative
template <class T> void gelu(const T *x, T *out, int64_t n) {
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
        const Vec<T> v = get(x + i);
        Vec<T> density;
        put(out + i, v * normal_of<T>(v, density));
    });
}

template <class T> void gelu_slope(const T *x, T *out, int64_t n) {
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
        const Vec<T> v = get(x + i);
        Vec<T> density;
        const Vec<T> below = normal_of<T>(v, density);
        put(out + i, below + v * density * T(kDensity));
    });
}

template <class T> void sigmoid(const T *x, T *out, int64_t n) {
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(out + i, 1 / (1 + exponential<T>(-get(x + i)))); });
}

template <class T> void silu(const T *x, T *out, int64_t n) {
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
        const Vec<T> v = get(x + i);
        put(out + i, v / (1 + exponential<T>(-v)));
    });
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

template <class T> INLINE T largest_of(const T *x, int64_t n) {
    Vec<T> top = broadcast(x[0]);
    for_vectors<T>(n, [&](int64_t i, auto get, auto) INLINE_LAMBDA {
        const int64_t rest = n - i;
        Vec<T> v = get(x + i);
        if (rest < kLanes<T>)
            for (int l = static_cast<int>(rest); l < kLanes<T>; l++) v[l] = x[0];
        top = v <= top ? top : v;  // a NaN in v is taken; one already in top is lost to a later number: see below
    });
    T result = top[0];
    for (int l = 1; l < kLanes<T>; l++) result = top[l] <= result ? result : top[l];
    return result;
}

// Without the largest element, e^x could overflow; with it, the largest term is 1. A NaN or +inf anywhere makes the sum
// NaN whatever was found as the largest: NaN's own term is NaN, and inf - inf is.
template <class T> void softmax(const T *x, int64_t n, T *out, bool log) {
    const T top = largest_of(x, n);
    if (log) {
        const T sum = sum_of_masked<T>(n, [=](int64_t i, auto get) INLINE_LAMBDA { return exponential<T, true>(get(x + i) - top); });
        const T shift = sizeof(T) == 4 ? __builtin_logf(sum) : __builtin_log(sum);
        for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(out + i, (get(x + i) - top) - shift); });
        return;
    }
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(out + i, exponential<T, true>(get(x + i) - top)); });
    const T scale = 1 / sum_of<T>(n, [=](int64_t i, auto get) INLINE_LAMBDA { return get(out + i); });
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(out + i, get(out + i) * scale); });
}

template <class T> void softmax_gradient(const T *g, const T *out, int64_t n, T *gx, bool log) {
    if (log) {
        const T sum = sum_of<T>(n, [=](int64_t i, auto get) INLINE_LAMBDA { return get(g + i); });
        for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
            put(gx + i, get(g + i) - exponential<T>(get(out + i)) * sum);
        });
        return;
    }
    const T sum = sum_of<T>(n, [=](int64_t i, auto get) INLINE_LAMBDA { return get(g + i) * get(out + i); });
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(gx + i, get(out + i) * (get(g + i) - sum)); });
}

// --- attention: a row of scores, over n contiguous elements ---

// The largest lane, of which none is NaN.
template <class T> INLINE T largest_lane(Vec<T> v) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) return _mm512_reduce_max_ps(v);
    else return _mm512_reduce_max_pd(v);
#else
    T top = v[0];
    for (int l = 1; l < kLanes<T>; l++) top = v[l] > top ? v[l] : top;
    return top;
#endif
}

// The first n lanes of v, and `filling` in the others.
template <class T> INLINE Vec<T> first_lanes(Vec<T> v, int64_t n, T filling) {
    for (int64_t l = n; l < kLanes<T>; l++) v[l] = filling;
    return v;
}

// Calls body for `n` elements as for_vectors does, and tells it which of two sums is its turn, and how many elements it has.
template <class T, class Body> INLINE void for_pairs_of_vectors(int64_t n, Body body) {
    constexpr int L = kLanes<T>;
    const auto get = [](const T *p) INLINE_LAMBDA { return load(p); };
    const auto put = [](T *p, Vec<T> v) INLINE_LAMBDA { store(p, v); };
    int64_t i = 0;
    for (; i + 2 * L <= n; i += 2 * L) {
        body(i, 0, L, get, put);
        body(i + L, 1, L, get, put);
    }
    for (; i + L <= n; i += L) body(i, 0, L, get, put);
    if (const int rest = static_cast<int>(n - i); rest > 0)
        body(i, 1, rest, [rest](const T *p) INLINE_LAMBDA { return load_part(p, rest); },
             [rest](T *p, Vec<T> v) INLINE_LAMBDA { store_part(p, v, rest); });
}

// Scores become softmax(row scale + mask) of the first `seen`, and zero after them; all zeros where nothing is seen.
template <class T, bool Masked>
void attention_row(T *row, int64_t n, int64_t seen, T scale, const T *mask, int64_t mask_step) {
    constexpr T least = -static_cast<T>(__builtin_inf());
    Vec<T> tops[2] = {broadcast(least), broadcast(least)}, sums[2] = {};
    Lanes<T> missing{};  // where a score is NaN: not the largest, but something
    for_pairs_of_vectors<T>(seen, [&](int64_t i, int turn, int have, auto get, auto put) INLINE_LAMBDA {
        Vec<T> v = get(row + i) * scale;
        if constexpr (Masked) {
            if (mask_step == 1) v += get(mask + i);
            else
                for (int l = 0; l < have; l++) v[l] += mask[(i + l) * mask_step];
            put(row + i, v);
            missing |= v != v;
        }
        if (have < kLanes<T>) v = first_lanes<T>(v, have, least);
        tops[turn] = v > tops[turn] ? v : tops[turn];
    });
    const T top = largest_lane<T>(tops[0] > tops[1] ? tops[0] : tops[1]);
    bool some = seen > 0;
    if (Masked && top == least) {
        bool any = false;
        for (int l = 0; l < kLanes<T>; l++) any = any || missing[l];
        some = some && any;
    }
    int64_t i = 0;
    if (some) {
        for_pairs_of_vectors<T>(seen, [&](int64_t i, int turn, int have, auto get, auto put) INLINE_LAMBDA {
            const Vec<T> v = exponential<T, true>(Masked ? get(row + i) - top : get(row + i) * scale - top);
            put(row + i, v);
            sums[turn] += have < kLanes<T> ? first_lanes<T>(v, have, T(0)) : v;
        });
        const T share = 1 / sum_lanes(sums[0] + sums[1]);
        for_vectors<T>(seen, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(row + i, get(row + i) * share); });
        i = seen;
    }
    for (; i < n; i++) row[i] = 0;
}

template <class T>
void attention_weights(T *row, int64_t n, int64_t seen, T scale, const T *mask, int64_t mask_step) {
    if (mask) attention_row<T, true>(row, n, seen, scale, mask, mask_step);
    else attention_row<T, false>(row, n, seen, scale, mask, mask_step);
}

// The gradient of the scores before `scale`, from that of the weights, in place.
template <class T> void attention_slopes(const T *weights, int64_t n, T scale, T *g) {
    const T sum = sum_of<T>(n, [=](int64_t i, auto get) INLINE_LAMBDA { return get(g + i) * get(weights + i); });
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
        put(g + i, get(weights + i) * (get(g + i) - sum) * scale);
    });
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
