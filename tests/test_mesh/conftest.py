import pytest
import torch

from pedsearch.mesh.prism_body import PrismBody
from pedsearch.mesh.toy_world import ToyWorld, ToyWorldConfig

SMALL = ToyWorldConfig(
    image_size=(72, 128), num_cameras=3, num_train_ids=6, num_test_ids=5, num_train_images=9, num_test_images=12,
    people=(2, 4), person_height=(24.0, 46.0), seed=3,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='package')
def small_config() -> ToyWorldConfig:
    return SMALL


@pytest.fixture(scope='package')
def small_world(small_config: ToyWorldConfig) -> ToyWorld:
    return ToyWorld(small_config, PrismBody())
