import torch

from pedsearch.mesh import WalkingBodies
from pedsearch.mesh.renderers import SoftwareRenderer, vertex_normals
from pedsearch.registry import TASK_UTILS


def test_a_name_has_one_person_whatever_the_company():
    bodies = TASK_UTILS.build(dict(type='WalkingBodies'))
    together, alone = bodies(['a.jpg', 'b.jpg', 'a.jpg']), WalkingBodies()(['b.jpg'])
    torch.testing.assert_close(together.vertices[1:2], alone.vertices)
    torch.testing.assert_close(together.vertices[0], together.vertices[2])
    assert float((together.vertices[0] - together.vertices[1]).abs().max()) > 0.05
    assert float((WalkingBodies(seed=1)(['b.jpg']).vertices - alone.vertices).abs().max()) > 0.05


def test_people_fill_their_photos_upright():
    people = WalkingBodies(photo_size=(96, 40))([f'{number}.jpg' for number in range(12)])
    x, y, depth = people.project((96, 40)).unbind(-1)
    height = y.amax(1) - y.amin(1)
    torch.testing.assert_close(height, torch.full((12,), 0.9 * 96), atol=3, rtol=0)
    torch.testing.assert_close((y.amax(1) + y.amin(1)) / 2, torch.full((12,), 48.0), atol=3, rtol=0)
    torch.testing.assert_close(x.mean(1), torch.full((12,), 20.0), atol=3, rtol=0)
    assert bool((depth > 5).all())


def test_they_look_every_way():
    """Seen from outside: the renderer lights what faces the camera, so no body is turned inside out."""
    people = WalkingBodies()([str(number) for number in range(8)])
    output = SoftwareRenderer((32, 16)).draw(
        people.project((32, 16)), vertex_normals(people.vertices, people.faces), people.faces
    )
    lit = [float(image[mask > 0.99].mean()) for image, mask in zip(output.image[:, 0], output.mask, strict=True)]
    assert min(lit) > 0.35
    assert len({round(value, 4) for value in lit}) == 8
