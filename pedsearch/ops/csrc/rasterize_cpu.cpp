// The nearest triangle at every pixel: threads take meshes, or bands of rows where there are more threads than meshes.
#include "parallel.h"
#include "triangle.h"

namespace {

using pedsearch::Scene;

PEDSEARCH_VECTOR_CLONES
void draw_band(const Scene& scene, int64_t mesh, int64_t first_row, int64_t end_row, int64_t* face_index, float* depth) {
  const int64_t begin = first_row * scene.width, end = end_row * scene.width;
  std::fill(face_index + begin, face_index + end, -1);
  std::fill(depth + begin, depth + end, std::numeric_limits<float>::infinity());
  pedsearch::Triangle triangle;
  for (int64_t face = 0; face < scene.num_faces; ++face) {
    if (!triangle.load(scene, mesh, face, first_row, end_row)) continue;
    for (int64_t row = triangle.top; row <= triangle.bottom; ++row)
      for (int64_t col = triangle.left; col <= triangle.right; ++col) {
        const int64_t pixel = row * scene.width + col;
        float here;
        if (!triangle.covers(row, col, here) || !(here < depth[pixel])) continue;  // of equals the first face stays
        depth[pixel] = here;
        face_index[pixel] = face;
      }
  }
}

}  // namespace

// points (meshes, num_vertices, 3) of x, y in pixels and depth; faces (num_faces, 3); face_index and depth (meshes,
// height, width).
extern "C" int zbuffer(const float* points, const int64_t* faces, int64_t meshes, int64_t num_vertices,
                       int64_t num_faces, int64_t height, int64_t width, int64_t perspective, double near,
                       int64_t* face_index, float* depth, int64_t threads) {
  const Scene scene{points, faces, meshes, num_vertices, num_faces, height, width, perspective != 0, float(near)};
  const int64_t bands = std::min(height, (threads + std::max<int64_t>(meshes, 1) - 1) / std::max<int64_t>(meshes, 1));
  return pedsearch::run_workers(meshes * bands, 1, threads, [=](pedsearch::Chunks& chunks) {
    for (int64_t item, end; chunks.next(item, end);) {
      const int64_t mesh = item / bands, band = item % bands, first = mesh * height * width;
      draw_band(scene, mesh, height * band / bands, height * (band + 1) / bands, face_index + first, depth + first);
    }
  });
}
