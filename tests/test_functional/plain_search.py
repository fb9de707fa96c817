"""The search protocol written as the plain loop over queries, images and detections that the specification describes."""

import itertools

import numpy as np
from sklearn.metrics import average_precision_score


def plain_iou(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    overlap = width * height
    return overlap / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap)


def best_assignment(weights):
    """Largest-sum assignment by trying all of them: list of (row, column)."""
    rows, columns = weights.shape
    if rows > columns:
        return [(row, column) for column, row in best_assignment(weights.T)]
    choices = itertools.permutations(range(columns), rows)
    best = max(choices, key=lambda choice: sum(weights[row, column] for row, column in enumerate(choice)))
    return list(enumerate(best))


def plain_cbgm(query, images, sims, feats, k1, k2, aggregate='max'):
    """Changed copy of ``sims`` (img_id -> list of similarities) for one query and its gallery images."""
    ranked = sorted((-sim, img_id) for img_id in images for sim in sims[img_id])
    contexts = [] if query.context_embeds is None else list(query.context_embeds)
    people = np.array([query.embed, *contexts], dtype=np.float64)[:k2]
    changed = {img_id: list(values) for img_id, values in sims.items()}
    for img_id in {img_id for _, img_id in ranked[:k1]}:
        weights = people @ feats[img_id].T
        pairs = best_assignment(weights)
        matched = [weights[pair] for pair in pairs]
        for row, column in pairs:
            if row == 0:
                changed[img_id][column] = {
                    'max': max(matched), 'sum': sum(matched), 'mean': sum(matched) / len(matched),
                    'half': (max(matched) + sims[img_id][column]) / 2}[aggregate]
    return changed


def plain_evaluate(detections, queries, score_thr=0.5, topk=(1, 5, 10), score_weighted=False, cbgm=None,
                   duplicates='dedup'):
    """mAP and top-k over the queries with a target, and the AP of each query (None without target)."""
    kept = {}
    for img_id, (bboxes, scores, embeds) in detections.items():
        rows = [i for i, score in enumerate(scores) if score >= score_thr]
        feats = np.array([np.asarray(embeds[i], np.float64) * (scores[i] if score_weighted else 1) for i in rows])
        kept[img_id] = ([bboxes[i] for i in rows], feats)
    aps, tops = [], []
    for query in queries:
        if query.gallery is None:
            images = [img_id for img_id in {**detections, **query.targets} if img_id != query.img_id]
        else:
            images = list(query.gallery)
        if duplicates == 'dedup':
            images = list(dict.fromkeys(images))
        sims = {img_id: [float(feat @ query.embed) for feat in feats] for img_id, (_, feats) in kept.items()}
        if cbgm is not None:
            known = [img_id for img_id in dict.fromkeys(images) if img_id in kept]
            sims = plain_cbgm(query, known, sims, {i: feats for i, (_, feats) in kept.items()}, **cbgm)
        labels, values, n_gt, n_tp, seen = [], [], 0, 0, set()
        for img_id in images:
            n_gt += img_id in query.targets
            if img_id not in kept or (duplicates == 'seqnet' and img_id in seen):
                continue
            seen.add(img_id)
            found = None
            if img_id in query.targets:
                target = query.targets[img_id][0]
                width, height = target[2] - target[0], target[3] - target[1]
                bar = min(0.5, width * height / ((width + 10) * (height + 10)))
                for place in sorted(range(len(sims[img_id])), key=lambda i: -sims[img_id][i]):
                    if plain_iou(kept[img_id][0][place], target) >= bar:
                        found = place
                        n_tp += 1
                        break
            labels += [place == found for place in range(len(sims[img_id]))]
            values += sims[img_id]
        if n_gt == 0:
            aps.append(None)
            continue
        # one rounding to float32 makes what should tie tie
        values = np.array(values, dtype=np.float32)
        labels = np.array(labels, dtype=bool)
        aps.append(average_precision_score(labels, values) * n_tp / n_gt if n_tp else 0.0)
        order = np.lexsort((labels, -values))  # among equals wrong ones first
        tops.append([labels[order][:k].any() for k in topk])
    counted = [ap for ap in aps if ap is not None]
    return {'mAP': np.mean(counted), **{f'top{k}': top for k, top in zip(topk, np.mean(tops, axis=0))}}, aps
