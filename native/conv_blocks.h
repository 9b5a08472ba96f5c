// The gradient of a convolution's weight in blocks of output channels: what a block needs stays in a core's own caches
// while it is made, and so does the block, which may be used there and then.
#pragma once
#include "conv.h"
#include "images.h"

#include <memory>
#include <vector>

namespace retrograd {

// For each tap, the runs of output pixels (one per image row) whose source lies inside the image.
struct TapRuns {
    std::vector<int64_t> a, b;   // offsets in gy and x, for all image rows in order
    std::vector<int64_t> start;  // where each chunk of image rows begins
    int64_t depth;               // pixels in each run
};

// The products that make it, tap by tap: taps_w of them in a kernel row, each of `run` elements of x.
template <class T> struct TapProducts {
    TapProducts(const Images<const T> &x, const Images<const T> &gy, const ConvGeometry &g, const ConvSizes &s,
                int64_t taps_w, int64_t run, int64_t chunk);  // chunk: image rows at a time

    Images<const T> x, gy;
    int64_t taps, run, chunks;
    int64_t O, I, step;  // channels of a group; from a pixel's source to the next one's
    std::vector<TapRuns> runs;

    // Elements [panel tile_lanes, (panel + 1) tile_lanes) of a tap of the rows [o0, o1) of a group: gw is row o0.
    void make(int64_t group, int64_t o0, int64_t o1, int64_t tap, int64_t panel, int64_t chunk, T *gw,
              bool past_caches) const;
};

// From this many bytes on, gradients of weights are written past the caches: so large a network's do not stay there
// until the optimizer reads them, and a cached write would first read what it overwrites. Each task then fences.
constexpr size_t kPastCaches = 1 << 20;
void fence();

template <class T> class WeightBlocks {
  public:
    virtual ~WeightBlocks() = default;
    int64_t count() const { return count_; }
    int64_t first(int64_t block) const { return rows_ * block / count_; }  // its first row; the next one's is its end
    int64_t most_rows() const { return ceil_div(rows_, std::max<int64_t>(1, count_)); }
    int64_t scratch() const { return scratch_; }  // elements that `make` works in
    // The rows of a block of the gradient (O, KH, KW, I): the bits that conv2d_weight_gradient writes.
    virtual void make(int64_t block, T *rows, T *scratch, bool past_caches) const = 0;
    void write(T *gw, int64_t size) const;  // all of them, `size` elements

  protected:
    WeightBlocks(int64_t rows, int64_t count, int64_t scratch) : rows_(rows), count_(count), scratch_(scratch) {}

  private:
    const int64_t rows_, count_, scratch_;
};

// By the products of single taps, without groups: for few pixels, as each block reads all of x.
template <class T>
std::unique_ptr<WeightBlocks<T>> tap_blocks(const Images<const T> &x, const Images<const T> &gy, const ConvGeometry &g,
                                            const ConvSizes &s);

}  // namespace retrograd
