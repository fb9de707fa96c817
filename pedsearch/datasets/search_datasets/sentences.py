"""Sentences as queries: who of the annotated people is described, and where else they are."""

from .search_dataset import SearchDataset


def described_people(dataset: SearchDataset) -> list[dict]:
    """The sentences of a test split, each of a person once.

    Args:
        dataset (SearchDataset): whose instances have a ``caption``.

    Returns:
        list[dict]: ``dict(text, img_id, bbox (4,), pid, targets)``: where the sentence was first written, and the
        boxes of that person in all images, ``img_id -> (m, 4) list``, that one included. By image.

    Raises:
        ValueError: nobody with an identity is described.
    """
    places: dict[int, dict[int, list]] = {}
    described: dict[tuple[int, str], dict] = {}
    for img_id in range(len(dataset)):
        for instance in dataset.get_data_info(img_id)['instances']:
            pid, text = instance['pid'], instance.get('caption')
            if pid < 0 or instance['ignore_flag']:
                continue
            targets = places.setdefault(pid, {})
            targets.setdefault(img_id, []).append(instance['bbox'])
            if text:
                described.setdefault((pid, text), dict(text=text, img_id=img_id, bbox=instance['bbox'], pid=pid,
                                                       targets=targets))
    if not described:
        raise ValueError('the test annotations must describe people with an identity (caption and person_id), got '
                         'none; docs/own_data.md shows the format')
    return list(described.values())
