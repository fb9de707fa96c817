import torch

from pedsearch.models.memories.resizable import ResizableBuffers


class Memory(ResizableBuffers):

    def __init__(self, size: int, dims: int) -> None:
        super().__init__()
        self.register_buffer('rows', torch.zeros(size, dims))
        self.register_buffer('count', torch.zeros(()))


def test_rows_follow_the_checkpoint_and_other_dimensions_do_not():
    stored = Memory(3, 2)
    stored.rows.fill_(4.)
    loaded = torch.nn.Sequential(Memory(5, 2))
    loaded.load_state_dict({f'0.{name}': value for name, value in stored.state_dict().items()})
    assert torch.equal(loaded[0].rows, stored.rows)
    result = Memory(5, 2)._load_from_state_dict
    errors: list[str] = []
    result(Memory(3, 4).state_dict(), '', {}, True, [], [], errors)
    assert len(errors) == 1
    assert 'rows' in errors[0]


def test_a_missing_buffer_is_reported():
    missing = Memory(2, 2).load_state_dict({'count': torch.ones(())}, strict=False).missing_keys
    assert missing == ['rows']
