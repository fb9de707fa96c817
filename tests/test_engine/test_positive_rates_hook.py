"""Oracle: rates counted by hand."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from pedsearch.engine import PositiveRatesHook
from pedsearch.models.losses import MultiLabelBCELoss


def runner(model, **dataset) -> SimpleNamespace:
    return SimpleNamespace(model=model, logger=logging.getLogger('test'),
                           train_dataloader=SimpleNamespace(dataset=SimpleNamespace(**dataset)))


def test_losses_without_rates_get_those_of_the_training_set():
    model = nn.ModuleList([MultiLabelBCELoss(), MultiLabelBCELoss(positive_rates=[.1, .2])])
    PositiveRatesHook().before_train(runner(model, schema='toy', positive_rates=np.array([.25, .5])))
    assert model[0].positive_rates.tolist() == [.25, .5]
    torch.testing.assert_close(model[1].positive_rates, torch.tensor([.1, .2]))


def test_a_training_set_without_attributes():
    with pytest.raises(ValueError, match='PositiveRatesHook needs a training set with attributes, got none; set schema'):
        PositiveRatesHook().before_train(runner(MultiLabelBCELoss(), schema=None))
    PositiveRatesHook().before_train(runner(nn.Linear(1, 1), schema=None))
