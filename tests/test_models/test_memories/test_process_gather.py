import torch

from pedsearch.models.memories.process_gather import gather_in_rank_order, gather_in_sample_order
from tests.processes import run_on_processes

# five samples with unequal numbers of rows, dealt in turn to two processes
ROWS = {0: [1., 2.], 1: [], 2: [3.], 3: [4., 5., 6.], 4: [7.]}


def gather(rank: int, world_size: int) -> tuple:
    mine = [sample for sample in ROWS if sample % world_size == rank]
    inds = torch.tensor([place for place, sample in enumerate(mine) for _ in ROWS[sample]])
    rows = torch.tensor([row for sample in mine for row in ROWS[sample]])
    return gather_in_sample_order(inds, rows, rows[:, None] * 10)


def test_rows_come_in_the_order_of_the_global_batch():
    for rows, tens in run_on_processes(gather, 2):
        assert rows.tolist() == [1, 2, 3, 4, 5, 6, 7]
        assert tens.tolist() == [[10.], [20], [30], [40], [50], [60], [70]]


def test_one_process_keeps_its_rows():
    rows = torch.randn(3, 2)
    assert gather_in_sample_order(torch.tensor([0, 0, 1]), rows)[0] is rows
    assert gather_in_rank_order(rows)[0] is rows


def gather_chunks(rank: int, world_size: int) -> tuple:
    rows = torch.arange(3.) if rank == 0 else torch.arange(3., 8.)
    return gather_in_rank_order(rows, rows[:, None] * 10)


def test_chunks_come_one_rank_after_another():
    for rows, tens in run_on_processes(gather_chunks, 2):
        assert rows.tolist() == list(range(8))
        assert tens.flatten().tolist() == [10 * value for value in range(8)]
