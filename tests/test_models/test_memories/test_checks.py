import pytest
import torch

from pedsearch.models.memories.checks import check_memory_settings, check_rows
from tests.test_models.host_traffic import host_traffic


def test_what_fits_passes():
    check_memory_settings('Memory', 4, .1, 1)
    for dtype in (torch.uint8, torch.int16, torch.int64):
        check_rows(torch.ones(2, 4), torch.tensor([0, 2], dtype=dtype), torch.ones(3, 4), 'ids', 0, 'do that')
    check_rows(torch.ones(0, 4), torch.zeros(0, dtype=torch.long), torch.ones(3, 4), 'ids', 0, 'do that')


def test_the_line_names_what_came_and_what_to_do():
    with pytest.raises(ValueError, match=r'ids must lie in 0...2, got 1...3; do that'):
        check_rows(torch.ones(2, 4), torch.tensor([1, 3]), torch.ones(3, 4), 'ids', 0, 'do that')


def test_a_memory_without_rows():
    with pytest.raises(ValueError, match=r'the memory has no rows yet, got 2 ids; fill it with reset\(\) or a checkp'):
        check_rows(torch.ones(2, 4), torch.tensor([1, 3]), torch.ones(0, 4), 'ids', 0, 'do that')


def test_values_are_read_on_the_cpu_only():
    embed, ids = torch.ones(2, 4, device='meta'), torch.ones(2, dtype=torch.long, device='meta')
    with host_traffic() as counts:
        check_rows(embed, ids, embed, 'ids', 0, 'do that')
    assert not counts
