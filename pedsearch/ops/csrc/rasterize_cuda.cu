// The nearest triangle at every pixel: a thread draws a small triangle, its block a large one. What competes for a
// pixel is one number, depth above face, so that the order in which threads arrive does not matter.
#include "row_blocks.cuh"
#include "triangle.h"

namespace {

using pedsearch::Scene;
using pedsearch::Triangle;

constexpr int64_t kSmall = 64;  // pixels that one thread looks at
constexpr int64_t kNothing = INT64_MAX;

struct Shared {
  int32_t num_large;
  int64_t large[pedsearch::kThreads];
};

// The bits of a float as a number of the same order, and back.
__device__ int32_t ordered(int32_t bits) { return bits ^ (bits >> 31 & INT32_MAX); }

__device__ void draw(const Triangle& triangle, int64_t width, int64_t face, int64_t first, int64_t step,
                     int64_t* picture) {
  const int64_t columns = triangle.right - triangle.left + 1;
  for (int64_t place = first; place < triangle.num_pixels(); place += step) {
    const int64_t row = triangle.top + place / columns, col = triangle.left + place % columns;
    float depth;
    if (!triangle.covers(row, col, depth)) continue;
    const int64_t key = int64_t(ordered(__float_as_int(depth))) * (int64_t{1} << 32) + face;
    atomicMin(reinterpret_cast<long long*>(picture + row * width + col), static_cast<long long>(key));
  }
}

__global__ void clear(int64_t* keys, int64_t count) {
  for (int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x; i < count; i += gridDim.x * int64_t{blockDim.x})
    keys[i] = kNothing;
}

__global__ void draw_all(Scene scene, int64_t* keys) {
  Shared& shared = pedsearch::shared_memory<Shared>();
  const int64_t total = scene.meshes * scene.num_faces, pixels = scene.height * scene.width;
  for (int64_t first = blockIdx.x * int64_t{blockDim.x}; first < total; first += gridDim.x * int64_t{blockDim.x}) {
    if (threadIdx.x == 0) shared.num_large = 0;
    __syncthreads();
    Triangle triangle;
    const int64_t own = first + threadIdx.x;
    if (own < total && triangle.load(scene, own / scene.num_faces, own % scene.num_faces, 0, scene.height)) {
      if (triangle.num_pixels() > kSmall)
        shared.large[atomicAdd(&shared.num_large, 1)] = own;
      else
        draw(triangle, scene.width, own % scene.num_faces, 0, 1, keys + own / scene.num_faces * pixels);
    }
    __syncthreads();
    for (int32_t i = 0; i < shared.num_large; ++i) {
      const int64_t mesh = shared.large[i] / scene.num_faces, face = shared.large[i] % scene.num_faces;
      triangle.load(scene, mesh, face, 0, scene.height);
      draw(triangle, scene.width, face, threadIdx.x, blockDim.x, keys + mesh * pixels);
    }
    __syncthreads();
  }
}

// keys become face indices.
__global__ void take_apart(int64_t* keys, float* depth, int64_t count) {
  for (int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x; i < count; i += gridDim.x * int64_t{blockDim.x}) {
    const int64_t key = keys[i];
    depth[i] = key == kNothing ? INFINITY : __int_as_float(ordered(int32_t(key >> 32)));
    keys[i] = key == kNothing ? -1 : key & UINT32_MAX;
  }
}

int64_t blocks_for(int64_t count) {
  return std::min((count + pedsearch::kThreads - 1) / pedsearch::kThreads, pedsearch::kMaxBlocks);
}

}  // namespace

// As on the CPU; a triangle with a corner that does not exist is not drawn.
extern "C" int zbuffer(const float* points, const int64_t* faces, int64_t meshes, int64_t num_vertices,
                       int64_t num_faces, int64_t height, int64_t width, int64_t perspective, double near,
                       int64_t* face_index, float* depth, void* stream_handle) {
  using namespace pedsearch;
  const Scene scene{points, faces, meshes, num_vertices, num_faces, height, width, perspective != 0, float(near)};
  const auto stream = static_cast<cudaStream_t>(stream_handle);
  const int64_t count = meshes * height * width;
  if (count == 0) return kOk;
  launch(clear, blocks_for(count), 0, stream, face_index, count);
  if (num_faces > 0) launch(draw_all, blocks_for(meshes * num_faces), sizeof(Shared), stream, scene, face_index);
  launch(take_apart, blocks_for(count), 0, stream, face_index, depth, count);
  return status_of(cudaGetLastError());
}
