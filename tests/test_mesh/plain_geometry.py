"""What a mesh is, whoever built it."""

from collections import Counter


def signed_volume(vertices, faces):
    """Volume inside a closed mesh, positive if its triangles are counter-clockwise seen from outside."""
    a, b, c = vertices[faces].double().unbind(1)
    return float((a * b.cross(c, dim=1)).sum() / 6)


def is_closed(vertices, faces):
    """Whether every edge is run through as often in one direction as in the other, corners told by their place alone."""
    places = [tuple(place) for place in (vertices * 1e5).round().long().tolist()]
    edges = Counter()
    for face in faces.tolist():
        for start, end in zip(face, face[1:] + face[:1], strict=True):
            edges[places[start], places[end]] += places[start] != places[end]  # at a pole an edge has no length
    return all(edges[end, start] == count for (start, end), count in edges.items() if count)
