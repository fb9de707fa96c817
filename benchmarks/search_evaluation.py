"""Time the person search evaluation at the size of PRW against the plain loop over queries and images.

    python benchmarks/search_evaluation.py                     # 2,057 queries x 6,112 images x 8 detections, 256-d
    python benchmarks/search_evaluation.py --queries 200 --images 600 --min-ratio 0

Both run in one process on the same synthetic detections, and must agree. The plain loop is the one that person search
code bases share: per query, per gallery image, one product, one Python list to grow, then scikit-learn's AP.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import average_precision_score

from pedsearch.functional import SearchQuery, evaluate_search

TOPK = (1, 5, 10)


def make_data(num_queries: int, num_images: int, num_dets: int, embed_dims: int, num_ids: int,
              rng: np.random.Generator) -> tuple[dict, list[SearchQuery]]:
    """Synthetic detections of people who walk through many images, and queries for them."""
    centres = rng.standard_normal((num_ids, embed_dims)).astype(np.float32)
    detections, gt_bboxes, gt_pids = {}, {}, {}
    for img_id in range(num_images):
        pids = rng.choice(num_ids, size=num_dets, replace=False)
        corners = rng.uniform((0, 0), (1700, 700), size=(num_dets, 2))
        sides = rng.uniform((20, 60), (120, 380), size=(num_dets, 2))
        gt = np.concatenate([corners, corners + sides], axis=1)
        bboxes = gt + rng.normal(0, 0.08, size=(num_dets, 4)) * sides.repeat(2, axis=0).reshape(num_dets, 4)
        bboxes[:, 2:] = np.maximum(bboxes[:, 2:], bboxes[:, :2] + 1)
        embeds = centres[pids] + rng.normal(0, 3.0, size=(num_dets, embed_dims)).astype(np.float32)
        embeds = (embeds / np.linalg.norm(embeds, axis=1, keepdims=True)).astype(np.float32)
        scores = rng.uniform(0.5, 1.0, size=num_dets).astype(np.float32)
        detections[img_id] = (bboxes.astype(np.float32), scores, embeds)
        gt_bboxes[img_id], gt_pids[img_id] = gt, pids
    images_of = {}
    for img_id, pids in gt_pids.items():
        for place, pid in enumerate(pids.tolist()):
            images_of.setdefault(pid, {})[img_id] = gt_bboxes[img_id][place:place + 1]
    queries = []
    for img_id in rng.choice(num_images, size=num_queries, replace=num_queries > num_images).tolist():
        place = int(rng.integers(num_dets))
        pid = int(gt_pids[img_id][place])
        embeds = detections[img_id][2]
        others = np.argsort(-detections[img_id][1])
        queries.append(SearchQuery(
            img_id=img_id, bbox=gt_bboxes[img_id][place], embed=embeds[place],
            targets={target: bboxes for target, bboxes in images_of[pid].items() if target != img_id},
            context_embeds=embeds[others[others != place]]))
    return detections, queries


def plain_iou(bbox1: np.ndarray, bbox2: np.ndarray) -> float:
    width = min(bbox1[2], bbox2[2]) - max(bbox1[0], bbox2[0])
    height = min(bbox1[3], bbox2[3]) - max(bbox1[1], bbox2[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(bbox[2] - bbox[0]) * (bbox[3] - bbox[1]) for bbox in (bbox1, bbox2)]
    return width * height / (sum(areas) - width * height)


def plain_context_sims(query: SearchQuery, detections: dict, cbgm: dict) -> dict[tuple[int, int], float]:
    """New similarities of context matching, (image, detection) -> similarity."""
    embed, contexts = query.embed.astype(np.float32), query.context_embeds.astype(np.float32)
    ranked = []
    for img_id, (_, _, embeds) in detections.items():
        if img_id != query.img_id:
            ranked.extend((-sim, img_id) for sim in (embeds @ embed).tolist())
    ranked.sort()
    query_side = np.stack([embed, *contexts])[:cbgm['k2']]
    changed = {}
    for img_id in {img_id for _, img_id in ranked[:cbgm['k1']]}:
        weights = query_side @ detections[img_id][2].T
        people, partners = linear_sum_assignment(weights, maximize=True)
        for person, partner in zip(people, partners):
            if person == 0:
                changed[img_id, partner] = weights[people, partners].max()
    return changed


def plain_evaluate(detections: dict, queries: list[SearchQuery], cbgm: dict | None = None) -> dict[str, float]:
    """The protocol as a loop over queries and gallery images."""
    aps, hits_in_top = [], []
    for query in queries:
        changed = {} if cbgm is None else plain_context_sims(query, detections, cbgm)
        embed = query.embed.astype(np.float32)
        y_true, y_score, n_gt, n_tp = [], [], 0, 0
        for img_id, (bboxes, _, embeds) in detections.items():
            if img_id == query.img_id:
                continue
            n_gt += img_id in query.targets
            if not len(bboxes):
                continue
            sims = embeds.dot(embed).ravel()
            for (changed_img, det), sim in changed.items():
                if changed_img == img_id:
                    sims[det] = sim
            labels = np.zeros(len(sims), dtype=np.int32)
            if img_id in query.targets:
                target = query.targets[img_id][0]
                width, height = target[2] - target[0], target[3] - target[1]
                iou_thr = min(0.5, width * height / ((width + 10) * (height + 10)))
                order = np.argsort(-sims)
                sims, bboxes = sims[order], bboxes[order]
                for place, bbox in enumerate(bboxes):
                    if plain_iou(bbox, target) >= iou_thr:
                        labels[place] = 1
                        n_tp += 1
                        break
            y_true.extend(list(labels))
            y_score.extend(list(sims))
        y_true, y_score = np.asarray(y_true), np.asarray(y_score)
        aps.append(average_precision_score(y_true, y_score) * n_tp / n_gt if n_tp else 0.0)
        best = y_true[np.argsort(-y_score)]
        hits_in_top.append([best[:k].any() for k in TOPK])
    return {'mAP': float(np.mean(aps)), **{f'top{k}': float(v) for k, v in zip(TOPK, np.mean(hits_in_top, axis=0))}}


def timed(function: Callable, *args: object, **kwargs: object) -> tuple[dict, float]:
    start = time.perf_counter()
    result = function(*args, **kwargs)
    return result, time.perf_counter() - start


def compare(title: str, detections: dict, queries: list[SearchQuery], min_ratio: float, **kwargs: object) -> dict:
    """Run both, print, and check that they agree."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours, our_time = timed(evaluate_search, detections, queries, score_thr=0.0, topk=TOPK, **kwargs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    plain, plain_time = timed(plain_evaluate, detections, queries, **kwargs)
    difference = max(abs(ours[key] - plain[key]) for key in plain)
    ratio = plain_time / our_time
    print(f'{title}: vectorised {our_time:.2f} s, plain loop {plain_time:.1f} s, ratio {ratio:.1f}; '
          f'peak memory {peak / 2**20:.2f} GiB (+{(peak - before) / 2**20:.2f}); largest difference {difference:.1e}')
    print('  ' + ', '.join(f'{key} {ours[key]:.6f}' for key in plain), flush=True)
    if difference > 1e-6:
        raise SystemExit(f'{title}: results differ, vectorised {ours}, plain {plain}')
    if ratio < min_ratio:
        raise SystemExit(f'{title}: expected a ratio of at least {min_ratio}, got {ratio:.1f}')
    return ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--queries', type=int, default=2057)
    parser.add_argument('--images', type=int, default=6112)
    parser.add_argument('--dets', type=int, default=8, help='detections per image')
    parser.add_argument('--dims', type=int, default=256)
    parser.add_argument('--ids', type=int, default=1200)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--min-ratio', type=float, default=30.0)
    parser.add_argument('--no-cbgm', action='store_true')
    args = parser.parse_args()

    rng = np.random.default_rng(args.seed)
    detections, queries = make_data(args.queries, args.images, args.dets, args.dims, args.ids, rng)
    print(f'{args.queries} queries x {args.images} images x {args.dets} detections, {args.dims}-d')
    result = compare('plain ranking', detections, queries, args.min_ratio)
    with tempfile.TemporaryDirectory() as folder:
        _, dump_time = timed(lambda: (Path(folder) / 'search.json').write_text(json.dumps(result['per_query'])))
        print(f'dump of the ranked lists: {dump_time:.2f} s')
    if not args.no_cbgm:
        compare('context matching k1=30, k2=4', detections, queries, 0.0, cbgm={'k1': 30, 'k2': 4})


if __name__ == '__main__':
    main()
