// A triangle of a mesh on the pixels of its picture. CPU and CUDA give the same depths to the last bit.
#pragma once

#include <cmath>
#include <cstdint>

#ifdef __CUDACC__
#define PEDSEARCH_ANYWHERE __host__ __device__
#else
#define PEDSEARCH_ANYWHERE
#endif

namespace pedsearch {

// Not to be joined with an addition into one instruction that rounds once.
PEDSEARCH_ANYWHERE inline float rounded_product(float a, float b) {
#ifdef __CUDA_ARCH__
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}

PEDSEARCH_ANYWHERE inline bool is_finite(float value) { return value - value == 0; }

// Meshes that share their triangles, each in a picture of its own.
struct Scene {
  const float* points;   // (meshes, num_vertices, 3) x, y in pixels, depth
  const int64_t* faces;  // (num_faces, 3)
  int64_t meshes, num_vertices, num_faces, height, width;
  bool perspective;
  float near;
};

struct Triangle {
  float x[3], y[3], z[3];
  int64_t left, right, top, bottom;  // pixels whose centres lie in its box; bottom and right belong to them
  bool perspective;

  // False if nothing of it is drawn on the rows [first_row, end_row).
  PEDSEARCH_ANYWHERE bool load(const Scene& scene, int64_t mesh, int64_t face, int64_t first_row, int64_t end_row) {
    for (int i = 0; i < 3; ++i) {
      const int64_t vertex = scene.faces[3 * face + i];
      if (vertex < 0 || vertex >= scene.num_vertices) return false;
      const float* const point = scene.points + 3 * (mesh * scene.num_vertices + vertex);
      x[i] = point[0], y[i] = point[1], z[i] = point[2];
    }
    perspective = scene.perspective;
    const float from_x = greater(ceilf(least(x) - .5f), 0), to_x = less(floorf(greatest(x) - .5f), scene.width - 1);
    const float from_y = greater(ceilf(least(y) - .5f), first_row), to_y = less(floorf(greatest(y) - .5f), end_row - 1);
    if (from_x > to_x || from_y > to_y) return false;
    left = int64_t(from_x), right = int64_t(to_x), top = int64_t(from_y), bottom = int64_t(to_y);
    const float area = edge(0, 1, x[2], y[2]);
    return area != 0 && is_finite(area) && is_finite(z[0]) && is_finite(z[1]) && is_finite(z[2]) &&
           (!perspective || least(z) > scene.near);
  }

  PEDSEARCH_ANYWHERE int64_t num_pixels() const { return (right - left + 1) * (bottom - top + 1); }

  // Whether the triangle covers the centre of a pixel, and how deep it is there.
  PEDSEARCH_ANYWHERE bool covers(int64_t row, int64_t col, float& depth) const {
    const float at_x = float(col) + .5f, at_y = float(row) + .5f;
    const float edges[3] = {edge(1, 2, at_x, at_y), edge(2, 0, at_x, at_y), edge(0, 1, at_x, at_y)};
    const float total = edges[0] + edges[1] + edges[2];
    float parts[3];
    for (int i = 0; i < 3; ++i) {
      const float weight = edges[i] / total;
      if (!(weight >= 0)) return false;
      parts[i] = perspective ? weight / z[i] : rounded_product(weight, z[i]);
    }
    const float sum = parts[0] + parts[1] + parts[2];
    depth = (perspective ? 1 / sum : sum) + 0.f;  // no -0
    return is_finite(depth);
  }

 private:
  // The second of two that cannot be compared; then there is no area.
  PEDSEARCH_ANYWHERE static float less(float a, float b) { return a < b ? a : b; }
  PEDSEARCH_ANYWHERE static float greater(float a, float b) { return a > b ? a : b; }
  PEDSEARCH_ANYWHERE static float least(const float* of) { return less(less(of[0], of[1]), of[2]); }
  PEDSEARCH_ANYWHERE static float greatest(const float* of) { return greater(greater(of[0], of[1]), of[2]); }

  // Twice the signed area of the corners i, j and a point.
  PEDSEARCH_ANYWHERE float edge(int i, int j, float at_x, float at_y) const {
    return rounded_product(x[j] - x[i], at_y - y[i]) - rounded_product(y[j] - y[i], at_x - x[i]);
  }
};

}  // namespace pedsearch
