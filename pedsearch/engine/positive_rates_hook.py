"""Tells losses how frequent the attributes of the training set are."""

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from pedsearch.models.losses import MultiLabelBCELoss
from pedsearch.registry import HOOKS


@HOOKS.register_module()
class PositiveRatesHook(Hook):
    """Give every :class:`~pedsearch.models.losses.MultiLabelBCELoss` the rates of the training set.

    When: before training, where the loss has no rates yet, neither from the config nor from a checkpoint.
    Touches: the buffer ``positive_rates``.
    """

    priority = 'NORMAL'

    def before_train(self, runner: Runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        waiting = [module for module in model.modules()
                   if isinstance(module, MultiLabelBCELoss) and not len(module.positive_rates)]
        if not waiting:
            return
        dataset = runner.train_dataloader.dataset
        if getattr(dataset, 'schema', None) is None:
            raise ValueError('PositiveRatesHook needs a training set with attributes, got none; set schema in the '
                             'dataset')
        rates = torch.as_tensor(dataset.positive_rates, dtype=torch.float32)
        for module in waiting:
            module.positive_rates = rates.to(module.positive_rates.device)
        known = rates[(rates > 0) & (rates < 1)]
        runner.logger.info(f'{len(rates)} attributes, {100 * float(rates.mean()):.1f} % positive, '
                           f'{len(rates) - len(known)} without both kinds of labels')
