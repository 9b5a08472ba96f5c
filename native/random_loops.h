// Random numbers: the Mersenne twister and what PyTorch's kernels make of its words, bit for bit.
#pragma once
#include "kernels.h"
#include "loops.h"
#include "vec.h"

namespace retrograd::RETROGRAD_ISA {

constexpr int kTwisted = 624, kTwistedAhead = 397;

INLINE uint32_t mixed(uint32_t high, uint32_t low) {
    const uint32_t y = (high & 0x80000000u) | (low & 0x7fffffffu);
    return y >> 1 ^ ((0u - (low & 1)) & 0x9908b0dfu);
}

// The next 624 words from the last ones (Matsumoto and Nishimura, 1998).
inline void twist(uint32_t *key) {
    constexpr int rest = kTwisted - kTwistedAhead;
    for (int i = 0; i < rest; i++) key[i] = key[i + kTwistedAhead] ^ mixed(key[i], key[i + 1]);
    for (int i = rest; i < kTwisted - 1; i++) key[i] = key[i - rest] ^ mixed(key[i], key[i + 1]);
    key[kTwisted - 1] = key[kTwistedAhead - 1] ^ mixed(key[kTwisted - 1], key[0]);
}

inline void temper(const uint32_t *key, uint32_t *words, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        uint32_t y = key[i];
        y ^= y >> 11;
        y ^= y << 7 & 0x9d2c5680u;
        y ^= y << 15 & 0xefc60000u;
        words[i] = y ^ y >> 18;
    }
}

// a b + c, rounded once.
#if defined(__AVX512F__)
INLINE Vec<float> fused(Vec<float> a, Vec<float> b, Vec<float> c) { return _mm512_fmadd_ps(a, b, c); }
INLINE Vec<double> fused(Vec<double> a, Vec<double> b, Vec<double> c) { return _mm512_fmadd_pd(a, b, c); }
#elif defined(__AVX2__)
INLINE Vec<float> fused(Vec<float> a, Vec<float> b, Vec<float> c) { return _mm256_fmadd_ps(a, b, c); }
INLINE Vec<double> fused(Vec<double> a, Vec<double> b, Vec<double> c) { return _mm256_fmadd_pd(a, b, c); }
#else
INLINE Vec<float> fused(Vec<float> a, Vec<float> b, Vec<float> c) {
    for (int i = 0; i < kLanes<float>; i++) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return c;
}
INLINE Vec<double> fused(Vec<double> a, Vec<double> b, Vec<double> c) {
    for (int i = 0; i < kLanes<double>; i++) c[i] = __builtin_fma(a[i], b[i], c[i]);
    return c;
}
#endif
template <class T> INLINE Vec<T> fused(Vec<T> a, T b, Vec<T> c) { return fused(a, broadcast(b), c); }
template <class T> INLINE Vec<T> fused(Vec<T> a, Vec<T> b, T c) { return fused(a, b, broadcast(c)); }

// Fractions on [0, 1): 24 bits of a word, or 53 of two, the earlier one the higher.
inline void fractions(const uint32_t *words, float *out, int64_t n) {
    for (int64_t i = 0; i < n; i++) out[i] = static_cast<float>(static_cast<int32_t>(words[i] & 0xffffffu)) * 0x1p-24f;
}

INLINE int64_t pair_bits(const uint32_t *words) {
    return static_cast<int64_t>(words[0] & 0x1fffffu) << 32 | static_cast<int64_t>(words[1]);
}

inline void fractions(const uint32_t *words, double *out, int64_t n) {
    for (int64_t i = 0; i < n; i++) out[i] = static_cast<double>(pair_bits(words + 2 * i)) * 0x1p-53;
}

// x = x scale + shift, rounded once.
template <class T> void scale_and_shift(T *x, T scale, T shift, int64_t n) {
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
        put(x + i, fused(get(x + i), broadcast(scale), broadcast(shift)));
    });
}

// `one` where 53 bits of two words are below the threshold, else zero.
template <class T> void below(const uint32_t *words, int64_t threshold, T one, T *out, int64_t n) {
    for (int64_t i = 0; i < n; i++) out[i] = pair_bits(words + 2 * i) < threshold ? one : T(0);
}

// The logarithm of Cephes (logf), of normal numbers above 0.
INLINE Vec<float> cephes_log(Vec<float> v) {
    using Int = decltype(v < v);
    Int bits;
    __builtin_memcpy(&bits, &v, sizeof bits);
    Int exponent = (bits >> 23) - 126;
    bits = (bits & 0x007fffff) | 0x3f000000;
    Vec<float> mantissa;  // on [1/2, 1)
    __builtin_memcpy(&mantissa, &bits, sizeof bits);
    const Int small = mantissa < 0.70710678118654752440f;
    exponent += small;
    const Vec<float> e = __builtin_convertvector(exponent, Vec<float>);
    const Vec<float> x = mantissa - 1.0f + (small ? mantissa : Vec<float>{}), square = rounded(x * x);
    constexpr float coefficients[] = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,
                                      -1.2420140846e-1f, 1.4249322787e-1f,  -1.6668057665e-1f,
                                      2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};
    Vec<float> y = broadcast(coefficients[0]);
    UNROLL
    for (int i = 1; i < 9; i++) y = fused(y, x, coefficients[i]);
    y = rounded(y * x);
    y = fused(y, square, rounded(e * -2.12194440e-4f));
    y = y - rounded(square * 0.5f);
    return fused(e, 0.693359375f, x + y);
}

// Cosine and sine of Cephes (cosf, sinf), on [0, 2 pi].
INLINE void cephes_cos_sin(Vec<float> x, Vec<float> &cos, Vec<float> &sin) {
    using Int = decltype(x < x);
    const Int octant = (__builtin_convertvector(x * 1.27323954473516f, Int) + 1) & -2;
    const Vec<float> multiple = __builtin_convertvector(octant, Vec<float>);
    x = fused(multiple, -0.78515625f, x);
    x = fused(multiple, -2.4187564849853515625e-4f, x);
    x = fused(multiple, -3.77489497744594108e-8f, x);
    const Vec<float> square = rounded(x * x);
    Vec<float> c = fused(square, broadcast(2.443315711809948e-5f), broadcast(-1.388731625493765e-3f));
    c = fused(c, square, 4.166664568298827e-2f);
    c = rounded(c * square);
    c = fused(c, square, rounded(square * -0.5f)) + 1.0f;
    Vec<float> s = fused(square, broadcast(-1.9515295891e-4f), broadcast(8.3321608736e-3f));
    s = fused(s, square, -1.6666654611e-1f);
    s = rounded(s * square);
    s = fused(s, x, x);
    const Int swap = (octant & 2) != 0;
    const auto with_sign = [](Vec<float> v, Int sign) INLINE_LAMBDA {
        Int bits;
        __builtin_memcpy(&bits, &v, sizeof v);
        bits ^= sign << 29;
        __builtin_memcpy(&v, &bits, sizeof v);
        return v;
    };
    cos = with_sign(swap ? s : c, ~(octant - 2) & 4);
    sin = with_sign(swap ? c : s, octant & 4);
}

// Normals by blocks of 16 words: eight radii, then their angles; a block gives eight cosines, then their sines.
inline void block_normals(const uint32_t *words, float *out, int64_t blocks, float mean, float std) {
    constexpr int kAtOnce = 16, L = kLanes<float>;
    alignas(64) uint32_t first[kAtOnce * 8] = {}, second[kAtOnce * 8] = {};
    alignas(64) float radius[kAtOnce * 8], angle[kAtOnce * 8];
    for (; blocks > 0; blocks -= kAtOnce, words += kAtOnce * 16, out += kAtOnce * 16) {
        const int count = blocks < kAtOnce ? static_cast<int>(blocks) : kAtOnce;
        for (int b = 0; b < count; b++) {
            __builtin_memcpy(first + 8 * b, words + 16 * b, 32);
            __builtin_memcpy(second + 8 * b, words + 16 * b + 8, 32);
        }
        fractions(first, radius, kAtOnce * 8);
        fractions(second, angle, kAtOnce * 8);
        for (int i = 0; i < 8 * count; i += L) {
            const Vec<float> squared = cephes_log(1.0f - load(radius + i)) * -2.0f;
            Vec<float> r, cos, sin;
#if defined(__AVX512F__)
            r = _mm512_sqrt_ps(squared);
#elif defined(__AVX2__)
            r = _mm256_sqrt_ps(squared);
#else
            for (int l = 0; l < L; l++) r[l] = __builtin_sqrtf(squared[l]);
#endif
            cephes_cos_sin(load(angle + i) * 6.283185307179586f, cos, sin);
            store(radius + i, fused(rounded(cos * r), broadcast(std), broadcast(mean)));
            store(angle + i, fused(rounded(sin * r), broadcast(std), broadcast(mean)));
        }
        for (int b = 0; b < count; b++) {
            __builtin_memcpy(out + 16 * b, radius + 8 * b, 32);
            __builtin_memcpy(out + 16 * b + 8, angle + 8 * b, 32);
        }
    }
}

}  // namespace retrograd::RETROGRAD_ISA
