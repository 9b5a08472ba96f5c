// One vector register of the instruction set that this copy is compiled for. Arithmetic is the compiler's own
// (+ - * / on vectors, and between a scalar and a vector); this file adds what it lacks.
#pragma once
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define INLINE inline __attribute__((always_inline))
#define INLINE_LAMBDA __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")  // before a loop over registers: the compiler must see each by name

namespace retrograd::RETROGRAD_ISA {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64, kRegisters = 32;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32, kRegisters = 16;
#elif defined(__aarch64__)
constexpr int kVectorBytes = 16, kRegisters = 32;
#else
constexpr int kVectorBytes = 16, kRegisters = 16;
#endif

template <class T> struct VectorOf;
template <> struct VectorOf<float> { typedef float type __attribute__((vector_size(kVectorBytes))); };
template <> struct VectorOf<double> { typedef double type __attribute__((vector_size(kVectorBytes))); };
template <class T> using Vec = typename VectorOf<T>::type;
template <class T> constexpr int kLanes = kVectorBytes / sizeof(T);

template <class T> INLINE Vec<T> load(const T *p) {
    Vec<T> v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

template <class T> INLINE void store(T *p, Vec<T> v) { __builtin_memcpy(p, &v, sizeof v); }

// The same past the caches, for results that are not read again soon; p is aligned. The writer fences when it is done.
template <class T> INLINE void store_past_caches(T *p, Vec<T> v) {
#if defined(__AVX512F__)
    _mm512_stream_si512((__m512i *)p, (__m512i)v);
#elif defined(__AVX2__)
    _mm256_stream_si256((__m256i *)p, (__m256i)v);
#else
    store(p, v);
#endif
}

// Fetches the line of p to be written: what another core has read or written is long in coming.
template <class T> INLINE void expect_write(const T *p) { __builtin_prefetch(p, 1, 3); }

template <class T> INLINE bool is_aligned(const T *p) { return reinterpret_cast<uintptr_t>(p) % kVectorBytes == 0; }

// The first n lanes, 0 < n <= lanes; the others are zero, and no memory past n elements is touched.
#if defined(__AVX512F__)
INLINE Vec<float> load_part(const float *p, int n) { return _mm512_maskz_loadu_ps((1u << n) - 1, p); }
INLINE Vec<double> load_part(const double *p, int n) { return _mm512_maskz_loadu_pd((1u << n) - 1, p); }
INLINE void store_part(float *p, Vec<float> v, int n) { _mm512_mask_storeu_ps(p, (1u << n) - 1, v); }
INLINE void store_part(double *p, Vec<double> v, int n) { _mm512_mask_storeu_pd(p, (1u << n) - 1, v); }
#elif defined(__AVX2__)
alignas(32) constexpr int32_t kMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
INLINE __m256i mask_of(int words) { return _mm256_loadu_si256((const __m256i *)(kMask + 8 - words)); }
INLINE Vec<float> load_part(const float *p, int n) { return _mm256_maskload_ps(p, mask_of(n)); }
INLINE Vec<double> load_part(const double *p, int n) { return _mm256_maskload_pd(p, mask_of(2 * n)); }
INLINE void store_part(float *p, Vec<float> v, int n) { _mm256_maskstore_ps(p, mask_of(n), v); }
INLINE void store_part(double *p, Vec<double> v, int n) { _mm256_maskstore_pd(p, mask_of(2 * n), v); }
#else
template <class T> INLINE Vec<T> load_part(const T *p, int n) {
    Vec<T> v = {};
    for (int i = 0; i < n; i++) v[i] = p[i];
    return v;
}
template <class T> INLINE void store_part(T *p, Vec<T> v, int n) {
    for (int i = 0; i < n; i++) p[i] = v[i];
}
#endif

// Small whole numbers, one for each lane, as comparisons give them, and back.
template <class T> using Lanes = decltype(Vec<T>{} < Vec<T>{});
template <class T, class Number> INLINE Lanes<T> load_numbers(const Number *p) {
#if defined(__AVX512F__)
    const auto *bytes = (const __m128i *)p;
    if constexpr (sizeof(Number) == 1 && sizeof(T) == 4) return (Lanes<T>)_mm512_cvtepu8_epi32(_mm_loadu_si128(bytes));
    if constexpr (sizeof(Number) == 1 && sizeof(T) == 8) return (Lanes<T>)_mm512_cvtepu8_epi64(_mm_loadl_epi64(bytes));
#elif defined(__AVX2__)
    const auto *bytes = (const __m128i *)p;
    if constexpr (sizeof(Number) == 1 && sizeof(T) == 4) return (Lanes<T>)_mm256_cvtepu8_epi32(_mm_loadl_epi64(bytes));
#endif
    Lanes<T> v{};
    for (int i = 0; i < kLanes<T>; i++) v[i] = p[i];
    return v;
}
template <class T, class Number> INLINE void store_numbers(Number *p, Lanes<T> v) {
#if defined(__AVX512F__)
    if constexpr (sizeof(Number) == 1 && sizeof(T) == 4)
        return _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8((__m512i)v));
#endif
    for (int i = 0; i < kLanes<T>; i++) p[i] = static_cast<Number>(v[i]);
}

template <class T> INLINE Vec<T> broadcast(T x) { return x - Vec<T>{}; }  // minus zero: -0 and NaN stay what they are

// v where it is not below (above) the limit, and the limit elsewhere; NaN stays.
#if defined(__AVX512F__)
INLINE Vec<float> at_least(Vec<float> v, float limit) { return _mm512_max_ps(broadcast(limit), v); }
INLINE Vec<double> at_least(Vec<double> v, double limit) { return _mm512_max_pd(broadcast(limit), v); }
INLINE Vec<float> at_most(Vec<float> v, float limit) { return _mm512_min_ps(broadcast(limit), v); }
INLINE Vec<double> at_most(Vec<double> v, double limit) { return _mm512_min_pd(broadcast(limit), v); }
#elif defined(__AVX2__)
INLINE Vec<float> at_least(Vec<float> v, float limit) { return _mm256_max_ps(broadcast(limit), v); }
INLINE Vec<double> at_least(Vec<double> v, double limit) { return _mm256_max_pd(broadcast(limit), v); }
INLINE Vec<float> at_most(Vec<float> v, float limit) { return _mm256_min_ps(broadcast(limit), v); }
INLINE Vec<double> at_most(Vec<double> v, double limit) { return _mm256_min_pd(broadcast(limit), v); }
#else
template <class V, class T> INLINE V at_least(V v, T limit) { return v < limit ? V{} + limit : v; }
template <class V, class T> INLINE V at_most(V v, T limit) { return v > limit ? V{} + limit : v; }
#endif

// v, rounded as it stands: the compiler may not make v one operation with what follows. Where a sum has two products, it
// says which of them is rounded, and so that all kernels that compute it give the same bits.
template <class V> INLINE V rounded(V v) {
#if defined(__AVX512F__)
    asm("" : "+v"(v));
#elif defined(__x86_64__)
    asm("" : "+x"(v));
#elif defined(__aarch64__)
    asm("" : "+w"(v));
#endif
    return v;
}

// The sum of the lanes: always halves first, then quarters and so on.
#if defined(__AVX2__)
INLINE float sum_lanes(__m128 v) {
    v = _mm_add_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)));
}
INLINE double sum_lanes(__m128d v) { return _mm_cvtsd_f64(_mm_add_sd(v, _mm_unpackhi_pd(v, v))); }
INLINE float sum_lanes(__m256 v) { return sum_lanes(_mm256_castps256_ps128(v) + _mm256_extractf128_ps(v, 1)); }
INLINE double sum_lanes(__m256d v) { return sum_lanes(_mm256_castpd256_pd128(v) + _mm256_extractf128_pd(v, 1)); }
#if defined(__AVX512F__)
INLINE float sum_lanes(__m512 v) { return sum_lanes(_mm512_castps512_ps256(v) + _mm512_extractf32x8_ps(v, 1)); }
INLINE double sum_lanes(__m512d v) { return sum_lanes(_mm512_castpd512_pd256(v) + _mm512_extractf64x4_pd(v, 1)); }
#endif
#else
INLINE float sum_lanes(Vec<float> v) { return (v[0] + v[2]) + (v[1] + v[3]); }
INLINE double sum_lanes(Vec<double> v) { return v[0] + v[1]; }
#endif

}  // namespace retrograd::RETROGRAD_ISA
