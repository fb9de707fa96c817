"""CPU = CUDA kernels = torch reference on CUDA, at sizes where every block takes several rows."""

import numpy as np
import pytest
import scipy.sparse
import torch

from pedsearch import ops
from pedsearch.clustering import jaccard_similarity
from pedsearch.functional import k_reciprocal_rerank, rank_metrics
from pedsearch.functional.neighbours import nearest_neighbours, unit_rows
from pedsearch.ops import SparseRows, native_library, reference_kernels

from .. import plain_roi_pool, plain_zbuffer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
CPU, GPU = torch.device('cpu'), torch.device('cuda')


@pytest.fixture(autouse=True, scope='module')
def kernels():
    if native_library(GPU) is None:
        pytest.skip('needs built CUDA kernels: python -m pedsearch.ops.build --cuda')


def people(num, dims=32, per_person=8, seed=0):
    """Unit vectors (num, dims) float64 around a centre for each person; the last ones repeat the first."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(num // per_person + 1, dims, generator=generator, dtype=torch.float64)
    points = centres[torch.randint(len(centres), (num, ), generator=generator)]
    points = points + .5 * torch.randn(num, dims, generator=generator, dtype=torch.float64)
    points[-num // 20:] = points[:len(points[-num // 20:])]
    return unit_rows(points)


def sparse(num_rows, num_cols, density, seed):
    matrix = scipy.sparse.random(num_rows, num_cols, density, format='csr', rng=np.random.default_rng(seed))
    matrix.sort_indices()
    return SparseRows(torch.from_numpy(matrix.indptr).long(), torch.from_numpy(matrix.indices).int(),
                      torch.from_numpy(matrix.data + .01), num_cols)


def on_gpu(rows):
    return SparseRows(rows.indptr.to(GPU), rows.indices.to(GPU), rows.values.to(GPU), rows.num_cols)


def assert_same(found, expected, rtol=1e-14):
    assert torch.equal(found.indptr.cpu(), expected.indptr.cpu())
    assert torch.equal(found.indices.cpu(), expected.indices.cpu())
    torch.testing.assert_close(found.values.cpu(), expected.values.cpu(), rtol=rtol, atol=0)


@pytest.mark.parametrize('combine', ['times', 'minimum'])
@pytest.mark.parametrize('floor', [0.0, 0.4])
@pytest.mark.parametrize(('shape', 'density'), [((3000, 4000, 5000), .01), ((40, 300, 3_000_000), 1e-4), ((1, 1, 1), 1.),
                                                ((5, 4, 3), 0.), ((0, 3, 4), 0.)])
def test_sparse_product(shape, density, floor, combine):
    left, right = sparse(*shape[:2], density, 0), sparse(*shape[1:], density, 1)
    expected = ops.sparse_product(left, right, combine, floor=floor)
    found = ops.sparse_product(on_gpu(left), on_gpu(right), combine, floor=floor)
    assert_same(found, expected)
    again = ops.sparse_product(on_gpu(left), on_gpu(right), combine, floor=floor, dtype=torch.float32)
    assert torch.equal(again.values, found.values.float())
    with reference_kernels():
        assert_same(found, ops.sparse_product(on_gpu(left), on_gpu(right), combine, floor=floor))


def test_product_with_the_own_transpose_is_symmetric_to_the_last_bit():
    rows = on_gpu(sparse(2000, 3000, .02, 7))
    product = ops.sparse_product(rows, rows.transposed(), 'minimum').to_scipy()
    assert (product != product.T).nnz == 0


def test_another_stream():
    rows = on_gpu(sparse(2000, 3000, .02, 8))
    expected = ops.sparse_product(rows, rows.transposed())
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        found = ops.sparse_product(rows, rows.transposed())
    stream.synchronize()
    assert torch.equal(found.values, expected.values)


@pytest.mark.parametrize(('num', 'k', 'k_half'), [(6000, 30, 16), (6000, 64, 33), (700, 300, 150), (20, 20, 11), (1, 1, 1)])
def test_reciprocal_sets(num, k, k_half):
    lists = nearest_neighbours(people(num), k).indices
    expected, found = ops.reciprocal_sets(lists, k, k_half), ops.reciprocal_sets(lists.to(GPU), k, k_half)
    with reference_kernels():
        reference = ops.reciprocal_sets(lists.to(GPU), k, k_half)
    for other in (expected, reference):
        assert torch.equal(found[0].cpu(), other[0].cpu())
        assert torch.equal(found[1].cpu(), other[1].cpu())


@pytest.mark.parametrize('dims', [1, 8, 37, 512])
def test_pattern_sq_distances(dims):
    points = torch.randn(2000, dims, generator=torch.Generator().manual_seed(dims), dtype=torch.float64)
    counts = torch.randint(60, (2000, ), generator=torch.Generator().manual_seed(0))
    counts[::7] = 0
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    columns = torch.randint(2000, (int(starts[-1]), ), generator=torch.Generator().manual_seed(1), dtype=torch.int32)
    expected = ops.pattern_sq_distances(points, points, starts, columns)
    args = [part.to(GPU) for part in (points, points, starts, columns)]
    found = ops.pattern_sq_distances(*args)
    with reference_kernels():
        reference = ops.pattern_sq_distances(*args)
    for other in (expected, reference):
        torch.testing.assert_close(found.cpu(), other.cpu(), rtol=1e-13, atol=0)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('values', [5, 10**6])
def test_positive_ranks(values, dtype):
    rng = np.random.default_rng(values)
    dist = torch.from_numpy(rng.integers(values, size=(150, 30_000))).to(dtype)
    lists = []
    for parity in (0, 1):
        columns = [np.sort(rng.choice(15_000, rng.integers(40), replace=False)) * 2 + parity for _ in dist]
        lists += [torch.tensor([0, *np.cumsum([len(part) for part in columns])]),
                  torch.from_numpy(np.concatenate(columns)).long()]
    expected = ops.positive_ranks(dist, *lists)
    on_device = [part.to(GPU) for part in (dist, *lists)]
    assert torch.equal(ops.positive_ranks(*on_device).cpu(), expected)
    ranks = torch.empty_like(on_device[2])
    native_library(GPU).call('positive_ranks', on_device[0], *dist.shape, int(dtype == torch.float32), *on_device[1:],
                             ranks)
    assert torch.equal(ranks.cpu(), expected)


@pytest.mark.parametrize('with_max', [True, False])
def test_nearest_neighbours(with_max):
    points = people(4000)
    expected = nearest_neighbours(points, 30, with_max=with_max)
    found = nearest_neighbours(points.to(GPU), 30, with_max=with_max)
    with reference_kernels():
        reference = nearest_neighbours(points.to(GPU), 30, with_max=with_max)
    for other in (expected, reference):
        assert torch.equal(found.indices.cpu(), other.indices.cpu())
        torch.testing.assert_close(found.sq_dists.cpu(), other.sq_dists.cpu(), rtol=1e-12, atol=0)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_jaccard_similarity(dtype):
    feats = people(3000).to(dtype)
    expected, found = jaccard_similarity(feats), jaccard_similarity(feats.to(GPU))
    with reference_kernels():
        reference = jaccard_similarity(feats.to(GPU))
    for other in (expected, reference):
        assert np.array_equal(found.indptr, other.indptr)
        assert np.array_equal(found.indices, other.indices)
        np.testing.assert_allclose(found.data, other.data, rtol=1e-6)


@pytest.mark.parametrize('variant', ['zhong', 'zhong_pow4', 'faiss'])
def test_k_reciprocal_rerank(variant):
    query, gallery = people(200, seed=1).float(), people(2000, seed=2).float()
    expected = k_reciprocal_rerank(query, gallery, variant=variant)
    found = k_reciprocal_rerank(query.to(GPU), gallery.to(GPU), variant=variant)
    with reference_kernels():
        reference = k_reciprocal_rerank(query.to(GPU), gallery.to(GPU), variant=variant)
    assert found.is_cuda
    for other in (expected, reference):
        torch.testing.assert_close(found.cpu(), other.cpu(), rtol=0, atol=2e-6)


def test_rank_metrics():
    rng = np.random.default_rng(3)
    query, gallery = people(200, seed=1), people(2000, seed=2)
    pids, camids = [rng.integers(50, size=num) for num in (200, 2000)], [rng.integers(6, size=num) for num in (200, 2000)]
    expected = rank_metrics(query, gallery, *pids, *camids)
    found = rank_metrics(query.to(GPU), gallery.to(GPU), *pids, *camids)
    with reference_kernels():
        reference = rank_metrics(query.to(GPU), gallery.to(GPU), *pids, *camids)
    assert found == pytest.approx(expected, abs=1e-12)
    assert found == pytest.approx(reference, abs=1e-12)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('scale', [.01, 4.])
@pytest.mark.parametrize('top_percent', [.6, 1])
def test_hard_negative_softmax(top_percent, scale, dtype):
    generator = torch.Generator().manual_seed(0)
    logits = (scale * torch.randn(256, 35_000, generator=generator, dtype=torch.float64)).to(dtype)
    logits[:, ::7] = -torch.inf
    labels = torch.randint(1, 7, (256, ), generator=generator)
    on_device = logits.to(GPU), labels.to(GPU)
    torch.cuda.set_sync_debug_mode('error')
    try:
        found = ops.hard_negative_softmax(*on_device, top_percent)
    finally:
        torch.cuda.set_sync_debug_mode('default')
    with reference_kernels():
        reference = ops.hard_negative_softmax(*on_device, top_percent)
    assert all(map(torch.equal, found, ops.hard_negative_softmax(*on_device, top_percent)))
    for losses, gradients in (ops.hard_negative_softmax(logits, labels, top_percent), reference):
        different = ((found[1] != 0).cpu() != (gradients != 0).cpu()).sum(dim=1)
        assert different.max() <= 2
        assert (different > 0).float().mean() < .1
        torch.testing.assert_close(found[0].cpu(), losses.cpu(), atol=1e-4, rtol=1e-5)
        same = different == 0
        torch.testing.assert_close(found[1].cpu()[same], gradients.cpu()[same], atol=1e-6, rtol=1e-4)


def boxes_of(num, height, width, generator):
    return plain_roi_pool.random_rois(num, height, width, 2, generator).float()


def with_gradients(run, leaves, grad):
    out = run(*leaves)
    return [out, *torch.autograd.grad(out, leaves, grad.to(out))]


def compare_pools(run, leaves, shape, dtype):
    """``leaves`` on the CPU: the maps first, in ``dtype``; the CPU reads half types as float32."""
    grad = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)
    on_device = [leaf.detach().to(GPU).requires_grad_() for leaf in leaves]
    found = with_gradients(run, on_device, grad)
    with reference_kernels():
        reference = with_gradients(run, on_device, grad)
    tolerance = {torch.float64: 1e-9, torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 2e-1}[dtype]
    for ours, others in zip(found, zip(with_gradients(run, leaves, grad), reference)):
        assert ours.is_cuda
        for other in others:
            assert ours.dtype == other.dtype
            torch.testing.assert_close(ours.cpu(), other.cpu(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(('channels', 'num'), [(1024, 20), (3, 200)])
def test_deform_roi_pool(channels, num, dtype):
    generator = torch.Generator().manual_seed(0)
    rois = boxes_of(num, 864, 1504, generator)
    feats = torch.randn(2, channels, 54, 94, generator=generator).to(dtype).requires_grad_()
    offsets = torch.randn(len(rois), 2, 14, 6, generator=generator).to(dtype).requires_grad_()
    shape = (len(rois), channels, 14, 6)
    compare_pools(lambda x, o: ops.deform_roi_pool(x, rois.to(x.device), o, (14, 6), 1 / 16), [feats, offsets], shape,
                  dtype)
    compare_pools(lambda x: ops.deform_roi_pool(x, rois.to(x.device), None, (14, 6), 1 / 16), [feats], shape, dtype)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize('aligned', [True, False])
def test_multi_level_roi_align(aligned, dtype):
    generator = torch.Generator().manual_seed(0)
    rois = boxes_of(200, 800, 1216, generator)
    feats = [torch.randn(2, 64, 800 // stride, 1216 // stride, generator=generator).to(dtype).requires_grad_()
             for stride in (4, 8, 16, 32)]
    compare_pools(lambda *maps: ops.multi_level_roi_align(maps, rois.to(maps[0].device), (7, 7), (4, 8, 16, 32),
                                                          aligned=aligned), feats, (len(rois), 64, 7, 7), dtype)


@pytest.mark.parametrize('dtype', [torch.uint8, torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize('num_patches', [0, 20, 300])
def test_person_crops(num_patches, dtype):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (2, 3, 540, 960), generator=generator).to(dtype)
    rois, stats = boxes_of(20, 540, 960, generator), (torch.tensor([104., 116, 124]), torch.tensor([57., 58, 59]))
    corners = torch.randint(500, (num_patches, 2), generator=generator)
    patches = torch.cat([torch.arange(num_patches)[:, None] % 2, corners, corners + 30], dim=1)
    expected = ops.person_crops(images, rois, (224, 96), *stats, patches)
    args = (images.to(GPU), rois.to(GPU), (224, 96), *(part.to(GPU) for part in stats), patches.to(GPU))
    found = ops.person_crops(*args)
    with reference_kernels():
        reference = ops.person_crops(*args)
    for other in (expected, reference):
        assert found.dtype == other.dtype
        tolerance = 2e-2 if dtype in (torch.float16, torch.bfloat16) else 1e-3
        torch.testing.assert_close(found.cpu(), other.cpu(), rtol=tolerance, atol=tolerance)


def test_operators_on_rois_wait_for_nothing():
    feats, offsets = torch.randn(1, 64, 20, 30, device=GPU), torch.randn(5, 2, 14, 6, device=GPU, requires_grad=True)
    rois = torch.tensor([[0., 10, 10, 100, 200]], device=GPU).repeat(5, 1)
    images, patches = torch.rand(1, 3, 200, 300, device=GPU), torch.tensor([[0, 5, 5, 20, 20]], device=GPU)
    torch.cuda.set_sync_debug_mode('error')
    try:
        ops.deform_roi_pool(feats, rois, offsets, (14, 6), 1 / 16).sum().backward()
        ops.multi_level_roi_align([feats, feats], rois, (7, 7), (16, 32))
        ops.person_crops(images, rois, (28, 12), patches=patches)
    finally:
        torch.cuda.set_sync_debug_mode('default')


def test_an_image_that_does_not_exist_gives_nan():
    rois = torch.tensor([[0., 0, 0, 4, 4], [7, 0, 0, 4, 4]], device=GPU)
    pooled = ops.deform_roi_pool(torch.ones(1, 2, 6, 6, device=GPU), rois, None, (2, 2))
    assert pooled.isnan().flatten(1).all(dim=1).tolist() == [False, True]


@pytest.mark.parametrize('perspective', [True, False])
@pytest.mark.parametrize(('batch', 'num_faces', 'size', 'image_size'),
                         [(16, 20_000, 2., (256, 128)), (2, 3000, 200., (720, 1280)), (1, 1, 9., (1, 1))])
def test_zbuffer(batch, num_faces, size, image_size, perspective):
    """To the last bit."""
    points, faces = plain_zbuffer.soup(batch, num_faces, image_size, size)
    expected = ops.zbuffer(points, faces, image_size, perspective=perspective)
    found = ops.zbuffer(points.to(GPU), faces.to(GPU), image_size, perspective=perspective)
    with reference_kernels():
        reference = ops.zbuffer(points.to(GPU), faces.to(GPU), image_size, perspective=perspective)
    for other in (expected, reference):
        assert torch.equal(found[0].cpu(), other[0].cpu())
        assert plain_zbuffer.bits(found[1].cpu()).equal(plain_zbuffer.bits(other[1].cpu()))
