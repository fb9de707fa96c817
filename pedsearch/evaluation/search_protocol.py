"""From a dataset's protocol and a model's features to search queries.

Shape legend: n detections of one image, k other people in a query's image, m target boxes, D embedding dimensions.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pedsearch.functional import SearchQuery

QueryFeatures = Mapping[int, tuple[np.ndarray, np.ndarray | None]]
"""query_id -> (embed (D,), context_embeds (k, D) or None)."""


def build_queries(name: str, protocol: Sequence[Mapping], features: QueryFeatures) -> list[SearchQuery]:
    """Join the queries of a protocol with their features.

    Args:
        name (str): the protocol's name, for errors.
        protocol (Sequence[Mapping]): ``dict(query_id, img_id, bbox (4,), pid, targets={img_id: (m, 4)}, gallery=image
            ids or None)`` per query.
        features (Mapping): query_id -> (embed (D,), context_embeds (k, D) or None).

    Returns:
        list[SearchQuery]: in the order of the protocol.

    Raises:
        ValueError: if the protocol is empty or a query has no feature.
    """
    if not protocol:
        raise ValueError(f'protocol {name!r} must hold at least one query, got none; check the test annotations')
    missing = [entry for entry in protocol if entry['query_id'] not in features]
    if missing:
        raise ValueError(
            f'protocol {name!r}: expected a feature for each of {len(protocol)} queries, got none for {len(missing)}, '
            f'the first being query {missing[0]["query_id"]} of image {missing[0]["img_id"]}; '
            'run the test over every image of the dataset')
    queries = []
    for entry in protocol:
        embed, context_embeds = features[entry['query_id']]
        queries.append(
            SearchQuery(entry['img_id'], entry['bbox'], embed, entry['targets'], entry['gallery'], context_embeds))
    return queries


def other_camera_queries(queries: Sequence[SearchQuery], camids: Mapping[Hashable, int]) -> list[SearchQuery]:
    """The same queries with galleries restricted to images of other cameras.

    Args:
        queries (Sequence[SearchQuery]): queries; each image of ``camids`` is in a gallery that is None.
        camids (Mapping): img_id -> camera of every image, all known.

    Returns:
        list[SearchQuery]: in the same order. Targets seen by the query's own camera no longer count.

    Source: the cross-camera setting of PRW (Zheng et al., CVPR 2017). Deviation: none.
    """
    img_ids = np.array(list(camids))
    cameras = np.array(list(camids.values()))
    elsewhere = {camera: img_ids[cameras != camera] for camera in set(cameras.tolist())}  # shared by its queries
    restricted = []
    for query in queries:
        gallery = elsewhere[camids[query.img_id]]
        if query.gallery is not None:
            listed = np.asarray(query.gallery)
            gallery = listed[np.isin(listed, gallery)]
        restricted.append(replace(query, gallery=gallery))
    return restricted


def random_embeds(num_rows: Sequence[int], embed_dims: int, seed: int) -> list[np.ndarray]:
    """Random unit embeddings, the control that shows what the boxes alone achieve.

    Args:
        num_rows (Sequence[int]): number of embeddings per image, in an order that is the same in every run.
        embed_dims (int): D.
        seed (int): seed of the generator.

    Returns:
        list[numpy.ndarray]: (n, D) float32 per image.
    """
    rows = np.random.default_rng(seed).standard_normal((sum(num_rows), embed_dims)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.split(rows, np.cumsum(num_rows)[:-1])
