"""Time the z-buffer and whole pictures of people: native kernels against the torch reference and, if asked, pytorch3d.

    python benchmarks/renderers.py                              # this machine's CPU, as many threads as torch takes
    python benchmarks/renderers.py --threads 1 --pytorch3d
    python benchmarks/renderers.py --device cuda --batches 1 16 256

A person has as many triangles as a body of anny, 27 thousand, and fills most of a picture of 128 x 64 pixels with four
samples each. A picture is everything from vertices in metres on: normals, projection, z-buffer, shading, down-sampling.
Both sides must agree to the last bit; pytorch3d in 99.5 % of the pixels, its share is printed.
"""

import argparse
import importlib.metadata
import platform
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pedsearch import ops
from pedsearch.mesh import PersonMeshes, PyTorch3DRenderer, SoftwareRenderer, vertex_normals
from pedsearch.mesh.garments import ellipsoid
from pedsearch.mesh.renderers import RenderOutput
from pedsearch.ops import native_library, reference_kernels

IMAGE_SIZE, SUPERSAMPLE = (128, 64), 2


def people(batch: int, device: torch.device) -> PersonMeshes:
    """Ellipsoids of the height and width of people, each turned and dented in his own way, 4 m away."""
    vertices, faces = ellipsoid((0., 0., 0.), (.3, .85, .2), rows=118, cols=116)
    dents = 1 + .02 * torch.randn(batch, len(vertices), 1, generator=torch.Generator().manual_seed(0))
    meshes = PersonMeshes(
        vertices * dents + torch.tensor([0., 0., 4.]), faces, focal=torch.full((batch, ), 270.),
        principal=torch.tensor([32., 64.]).expand(batch, 2), photo_size=torch.tensor([128., 64.]).expand(batch, 2))
    meshes = meshes.turned(torch.linspace(0, 6, batch))
    names = ('vertices', 'faces', 'focal', 'principal', 'photo_size', 'up', 'valid')
    return PersonMeshes(**{name: getattr(meshes, name).to(device) for name in names})


def draw(renderer: SoftwareRenderer, meshes: PersonMeshes) -> RenderOutput:
    return renderer.draw(meshes.project(IMAGE_SIZE), vertex_normals(meshes.vertices, meshes.faces), meshes.faces)


def zbuffer(points: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
    return ops.zbuffer(points, faces, tuple(side * SUPERSAMPLE for side in IMAGE_SIZE))


def by_reference(run: Callable, *args: object) -> object:
    with reference_kernels():
        return run(*args)


def seconds(runs: Sequence[Callable[[], object]], device: torch.device, repeats: int) -> list[float]:
    """Median time of each, taken in turns, so that a busy machine slows down all of them."""
    times = [[] for _ in runs]
    for _ in range(repeats + 1):
        for run, spent in zip(runs, times):
            start = time.perf_counter()
            run()
            if device.type == 'cuda':
                torch.cuda.synchronize()
            spent.append(time.perf_counter() - start)
    return [statistics.median(spent[1:]) for spent in times]


def check_equal(name: str, native: Sequence[Tensor], reference: Sequence[Tensor], atol: float = 0) -> None:
    for ours, other in zip(native, reference):
        if not torch.allclose(ours, other, rtol=0, atol=atol):
            raise SystemExit(f'{name}: native and reference differ')


def report(batch: int, device: torch.device, repeats: int, with_pytorch3d: bool) -> None:
    meshes, renderer = people(batch, device), SoftwareRenderer(IMAGE_SIZE, SUPERSAMPLE)
    points = meshes.project(tuple(side * SUPERSAMPLE for side in IMAGE_SIZE))
    cases = [('z-buffer', zbuffer, (points, meshes.faces)), ('picture', draw, (renderer, meshes))]
    check_equal('z-buffer', zbuffer(points, meshes.faces), by_reference(zbuffer, points, meshes.faces))
    ours = draw(renderer, meshes)
    atol = 1e-5 if device.type == 'cuda' else 0  # there the normals are sums in any order
    check_equal('picture', vars(ours).values(), vars(by_reference(draw, renderer, meshes)).values(), atol)
    runs = [call for _, run, args in cases for call in (lambda run=run, args=args: run(*args),
                                                       lambda run=run, args=args: by_reference(run, *args))]
    if with_pytorch3d:
        other = PyTorch3DRenderer(IMAGE_SIZE, SUPERSAMPLE)
        share = float((draw(other, meshes).face_index == ours.face_index).float().mean())
        if share < .995:
            raise SystemExit(f'pytorch3d shows the same triangle in only {share:.2%} of the pixels')
        runs.append(lambda: draw(other, meshes))
    times = seconds(runs, device, repeats)
    for index, (name, _, _) in enumerate(cases):
        native, reference = times[2 * index:2 * index + 2]
        print(f'{name:10} {batch:5}   {1e3 * native:9.2f} {batch / native:9.0f}   {1e3 * reference:9.2f} '
              f'{batch / reference:9.0f}   {reference / native:6.1f} x', flush=True)
    if with_pytorch3d:
        print(f'{"pytorch3d":10} {batch:5}   {1e3 * times[-1]:9.2f} {batch / times[-1]:9.0f}   same triangle in '
              f'{share:.3%} of the pixels', flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--batches', type=int, nargs='+', default=[1, 16])
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    parser.add_argument('--pytorch3d', action='store_true', help='time it, too; it must be installed')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    if native_library(device) is None:
        raise SystemExit('expected native kernels, found none; build them: python -m pedsearch.ops.build')
    name = torch.cuda.get_device_name(device) if device.type == 'cuda' else f'CPU, {args.threads} threads'
    versions = f'Python {platform.python_version()}, torch {torch.__version__}'
    if args.pytorch3d:
        versions += f', pytorch3d {importlib.metadata.version("pytorch3d")}'
    faces = len(people(1, torch.device('cpu')).faces)
    print(f'{name}; {versions}; {faces} triangles, {IMAGE_SIZE[0]} x {IMAGE_SIZE[1]} pixels, {SUPERSAMPLE**2} samples')
    print(f'{"":10} people   native ms  people/s   reference  people/s      ratio')
    for batch in args.batches:
        report(batch, device, args.repeats, args.pytorch3d)


if __name__ == '__main__':
    main()
