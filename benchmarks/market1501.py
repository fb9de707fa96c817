"""Run the Market-1501 protocol on features of published models: ranking, re-ranking, query expansion, clusters.

    pip install openvino
    python benchmarks/market1501.py --data Market-1501-v15.09.15.tar.xz --models models/ --cache features/
    python benchmarks/market1501.py --data Market-1501-v15.09.15 --models models/ --cache features/ --device cuda

A model is a re-identification network as OpenVINO IR (.xml beside .bin) that takes one BGR image with values 0-255,
such as person-reidentification-retail-0277 and -0287 of the Open Model Zoo. Its features are extracted once and kept
under ``--cache``; a second run only evaluates and needs no openvino. Remove the file to extract again.

Protocol: 3,368 queries against the gallery. A gallery image of the query's own identity and camera does not count,
images of identity -1 (junk) leave the gallery, those of identity 0 (distractors) stay. The seconds of a re-ranked or
expanded row are its own and the ranking's together. Clusters are made of the training images without identities,
which only grade them; noise counts as clusters of one. Of several repeats the fastest counts. The peak memory of a row
is that of the whole process while the row was made; on CUDA that of the device.
"""

import argparse
import io
import re
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pedsearch.clustering import clustering_quality, dbscan_labels, jaccard_similarity
from pedsearch.functional import average_query_expansion, k_reciprocal_rerank, rank_metrics

JUNK = -1
# Images and identities of each folder; the 752 of the gallery count the distractors and the junk as one each.
FOLDERS = {'query': (3368, 750), 'bounding_box_test': (19732, 752), 'bounding_box_train': (12936, 751)}
RANKING_COLUMNS = {'mAP': 'mAP', 'rank-1': 'rank1', 'rank-5': 'rank5', 'rank-10': 'rank10', 'mINP': 'mINP'}
QUALITY_COLUMNS = {'ARI': 'ari', 'NMI': 'nmi', 'purity': 'purity', 'outliers': 'outlier_share'}


def read_images(data: Path) -> dict[str, bytes]:
    """JPEG files of the three folders, ``'query/0001_c1s1_001051_00.jpg'`` -> bytes, in sorted order."""
    images = {}
    if data.is_dir():
        for path in data.glob('*/*.jpg'):
            images[f'{path.parent.name}/{path.name}'] = path.read_bytes()
    elif data.is_file():
        with tarfile.open(data) as archive:
            for member in archive:
                if member.isfile() and member.name.endswith('.jpg'):
                    images['/'.join(Path(member.name).parts[-2:])] = archive.extractfile(member).read()
    else:
        raise SystemExit(f'--data must be the folder Market-1501-v15.09.15 or its .tar.xz, got {data}')
    return {name: images[name] for name in sorted(images) if name.split('/')[0] in FOLDERS}


def extract_feats(model: Path, images: dict[str, bytes], num_threads: int) -> np.ndarray:
    """Features of the images in their order.

    Args:
        model: IR file (.xml) of a network with one input (1, 3, H, W), BGR 0-255.
        images: JPEG bytes by name.
        num_threads: Threads of the network.

    Returns:
        np.ndarray: (N, D) float32, as the network gives them.
    """
    try:
        import openvino as ov
    except ImportError as error:
        raise ImportError(f'the features of {model.stem} are not under --cache and need openvino to be extracted; '
                          'run `pip install openvino`') from error
    # Float32 is asked for because OpenVINO takes bfloat16 where the CPU has it, and that moves the features.
    settings = {'INFERENCE_PRECISION_HINT': 'f32', 'PERFORMANCE_HINT': 'THROUGHPUT',
                'INFERENCE_NUM_THREADS': num_threads}
    network = ov.Core().compile_model(model, 'CPU', settings)
    _, _, height, width = network.input(0).shape
    feats = np.empty((len(images), network.output(0).shape[1]), dtype=np.float32)
    requests = ov.AsyncInferQueue(network)
    requests.set_callback(lambda request, place: np.copyto(feats[place], request.get_output_tensor(0).data[0]))
    for place, content in enumerate(images.values()):
        image = Image.open(io.BytesIO(content)).convert('RGB').resize((width, height), Image.Resampling.BILINEAR)
        bgr = np.asarray(image, dtype=np.float32)[:, :, ::-1].transpose(2, 0, 1)  # (H, W, 3) -> (3, H, W)
        requests.start_async({0: np.ascontiguousarray(bgr[None])}, place)
    requests.wait_all()
    return feats


def load_feats(model: Path, cache: Path, data: Path, num_threads: int) -> dict[str, np.ndarray]:
    """``feats`` (N, D) and ``names`` (N,) of all images, from the cache or else from the network."""
    path = cache / f'features_{model.stem}.npz'
    if not path.is_file():
        images = read_images(data)
        start = time.perf_counter()
        feats = extract_feats(model, images, num_threads)
        seconds = time.perf_counter() - start
        print(f'{model.stem}: {len(feats):,} images in {seconds:.0f} s, {len(feats) / seconds:.0f} images/s '
              f'with {num_threads} thread(s)', flush=True)
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(path, feats=feats, names=np.array(list(images)))
    with np.load(path) as stored:
        return {key: stored[key] for key in ('feats', 'names')}


def split_folders(feats: np.ndarray, names: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Features (n, D), identities (n,) and cameras (n,) of each folder, which must be complete."""
    folders = np.array([name.split('/')[0] for name in names])
    # Only the start of a name is read: some end in .jpg.jpg.
    ids = np.array([re.match(r'(-?\d+)_c(\d)', name.split('/')[1]).groups() for name in names], dtype=np.int64)
    parts = {}
    for folder, expected in FOLDERS.items():
        pids, camids = ids[folders == folder].T
        got = (len(pids), len(np.unique(pids)))
        if got != expected:
            raise SystemExit(f'{folder} must hold {expected[0]} images of {expected[1]} identities, '
                             f'got {got[0]} of {got[1]}; pass the whole Market-1501 as --data')
        parts[folder] = feats[folders == folder], pids, camids
    return parts


def measured(device: torch.device, repeats: int, function: Callable) -> tuple[object, float, float]:
    """Result, seconds of the fastest of ``repeats`` calls, and their peak memory in GiB."""
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
    else:
        Path('/proc/self/clear_refs').write_text('5')  # Linux starts a new peak of the resident memory
    seconds = []
    for _ in range(repeats):
        result = None  # the last one would count towards the peak
        start = time.perf_counter()
        result = function()
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    if device.type == 'cuda':
        return result, min(seconds), torch.cuda.max_memory_allocated(device) / 2**30
    return result, min(seconds), int(re.search(r'VmHWM:\s+(\d+)', Path('/proc/self/status').read_text())[1]) / 2**20


def embeddings(feats: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.from_numpy(feats).to(device), dim=1)


def rankings(parts: dict, device: torch.device, repeats: int) -> list[list]:
    """One row for each way to rank the gallery: its name, the metrics in percent, seconds and peak memory."""
    query_feats, query_pids, query_camids = parts['query']
    gallery_feats, gallery_pids, gallery_camids = parts['bounding_box_test']
    kept = gallery_pids != JUNK
    ids = query_pids, gallery_pids[kept], query_camids, gallery_camids[kept]
    query, gallery = embeddings(query_feats, device), embeddings(gallery_feats[kept], device)

    def plain() -> dict:
        return rank_metrics(query, gallery, *ids)

    def reranked() -> dict:
        dist = k_reciprocal_rerank(query, gallery, k1=20, k2=6, lambda_value=0.3)
        return rank_metrics(query, gallery, *ids, dist=dist)

    def expanded() -> dict:
        return rank_metrics(*average_query_expansion(query, gallery, k=5, alpha=3), *ids)

    rows = []
    for name, rank in {'plain': plain, 're-ranked (k1 20, k2 6, lambda 0.3)': reranked,
                       'AQE (k 5, alpha 3)': expanded}.items():
        metrics, seconds, peak = measured(device, repeats, rank)
        rows.append([name, *(100 * metrics[key] for key in RANKING_COLUMNS.values()), seconds, peak])
    return rows


def clusters(parts: dict, device: torch.device, repeats: int) -> list:
    """Quality of the clusters of the training images; seconds and peak memory of the Jaccard graph and of DBSCAN."""
    feats, pids, _ = parts['bounding_box_train']
    embeds = embeddings(feats, device)
    similarity, *graph_cost = measured(device, repeats, lambda: jaccard_similarity(embeds, k1=30, k2=6))
    labels, *dbscan_cost = measured(device, repeats, lambda: dbscan_labels(similarity, eps=0.6, min_samples=4))
    quality = clustering_quality(labels, pids)
    grades = [100 * quality[key] for key in QUALITY_COLUMNS.values()]
    return [quality['num_clusters'], *grades, *graph_cost, *dbscan_cost]


def print_table(columns: list[str], rows: list[list]) -> None:
    for row in [columns, ['---'] * len(columns), *rows]:
        print('| ' + ' | '.join(f'{cell:.2f}' if isinstance(cell, float) else f'{cell}' for cell in row) + ' |')
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', type=Path, required=True, help='folder Market-1501-v15.09.15 or its .tar.xz')
    parser.add_argument('--models', type=Path, nargs='+', required=True, help='folders of IR files (.xml)')
    parser.add_argument('--cache', type=Path, required=True, help='folder of the extracted features')
    parser.add_argument('--device', default='cpu', help='cpu or cuda; features are always extracted on the CPU')
    parser.add_argument('--threads', type=int, default=torch.get_num_threads(), help='threads of feature extraction')
    parser.add_argument('--repeats', type=int, default=3, help='calls of everything timed, the fastest counts')
    args = parser.parse_args()
    if args.repeats < 1:
        parser.error(f'--repeats must be at least 1, got {args.repeats}')

    device = torch.device(args.device)
    models = sorted(model for folder in args.models for model in folder.rglob('*.xml'))
    if not models:
        raise SystemExit(f'--models must hold IR files (.xml), got none in {", ".join(map(str, args.models))}')
    ranking_rows, cluster_rows = [], []
    for model in models:
        parts = split_folders(**load_feats(model, args.cache, args.data, args.threads))
        ranking_rows += [[model.stem, *row] for row in rankings(parts, device, args.repeats)]
        cluster_rows.append([model.stem, *clusters(parts, device, args.repeats)])
    print(f'{device}, {torch.get_num_threads()} threads, seconds of the fastest of {args.repeats}\n')
    print_table(['model', 'ranking', *RANKING_COLUMNS, 'seconds', 'peak memory (GiB)'], ranking_rows)
    print_table(['model', 'clusters', *QUALITY_COLUMNS, 'Jaccard seconds', 'peak memory (GiB)', 'DBSCAN seconds',
                 'peak memory (GiB)'], cluster_rows)


if __name__ == '__main__':
    main()
