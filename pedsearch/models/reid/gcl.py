"""GCL: a generator that turns people and a contrast that learns from the turned views, trained together.

Shape legend: B photos, N training images, H x W network input, C channels of the backbone's last map, P stripes, D
embedding dimensions, S x h x w the structure code of a mesh.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce_params
from mmengine.model import BaseModule
from mmengine.optim import OptimWrapperDict
from torch import Tensor, nn

from pedsearch.registry import MODELS
from pedsearch.structures import ReIDDataSample

from ..layers import part_codes
from ..losses import discriminator_loss, lsgan_generator_loss
from ..memories import PendingUpdate
from .base_reid import ReIDModel, labels_of

STAGES = 'warmup', 'joint'


def column_of(data_samples: list[ReIDDataSample], key: str, device: torch.device) -> Tensor:
    """One integer of every sample, (B,).

    Raises:
        ValueError: a sample has no such number.
    """
    values = [sample.get(key) for sample in data_samples]
    if None in values:
        raise ValueError(f'every training sample must have {key}, got none for '
                         f'{data_samples[values.index(None)].get("img_path")}; draw samples with a sampler of '
                         'pedsearch, which seeds them')
    return torch.tensor(values, device=device)


@MODELS.register_module()
class GCLHead(BaseModule):
    """Contrast of photos, and of their turned views, with a memory of all training images.

    In :class:`GCL` it gets the views too; in a plain ``ReIDModel`` it is GCL without generator. ``PseudoLabelHook``
    fills the memory once (:meth:`init_memory`), clusters :meth:`memory_feats` before each epoch and calls
    :meth:`reset_memory` with the labels.

    Args:
        embed_dims: D.
        memory: a :class:`~pedsearch.models.memories.ViewMemory`.
        init_cfg: as in mmengine.
    """

    def __init__(self, embed_dims: int, memory: dict | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.memory = MODELS.build(dict(memory or dict(type='ViewMemory'), embed_dims=embed_dims))
        self._pending = PendingUpdate()

    def loss(self, feats: Tensor, neck_feats: Tensor, data_samples: list[ReIDDataSample],
             turned: Tensor | None = None) -> dict[str, Tensor]:
        """Losses of ``neck_feats`` (B, D) and ``turned`` (B, D); the features before the neck (B, C) are not used."""
        labels_of(data_samples, neck_feats.device)  # an outlier has no positives
        rows, seeds = (column_of(data_samples, key, neck_feats.device) for key in ('sample_idx', 'seed'))
        self._pending.add(neck_feats, rows)
        return self.memory.loss(neck_feats, rows, seeds, turned)

    def update_memory(self) -> None:
        """Write the photos since the last call into the memory; called after the optimizer's step."""
        for embed, rows in self._pending.take():
            self.memory.update(embed, rows)

    def init_memory(self, feats: Tensor) -> None:
        """Fill the memory with the embeddings (N, D) of the training set."""
        self._pending.take()
        self.memory.reset(feats)

    def memory_feats(self) -> Tensor:
        """Rows of all training images (N, D)."""
        return self.memory.embeds

    def reset_memory(self, feats: Tensor, labels: Tensor) -> None:
        """Say which label each image has, ``labels`` (N,), -1 for outliers; the rows, ``feats`` (N, D), stay."""
        self.memory.set_labels(labels)


@dataclass
class Views:
    """Photos, and what the generator makes of them.

    Args:
        photos (Tensor): (B, 3, H, W) normalised.
        rebuilt, turned (Tensor): (B, 3, H, W) the photos painted anew, on the mesh as photographed and turned.
        back (Tensor): (B, 3, H, W) painted from the turned view on the mesh as photographed.
        structure (Tensor): (B, S, h, w) of the meshes as photographed.
        codes, rebuilt_codes, turned_codes, back_codes (Tensor): (B, C, P) appearance; ``rebuilt_codes`` is None where
            nothing needs it.
        feats, turned_feats (Tensor): (B, D) the neck's output for photos and turned views.
        others (list[Tensor]): more pictures that the discriminator judges.
    """

    photos: Tensor
    rebuilt: Tensor
    turned: Tensor
    back: Tensor
    structure: Tensor
    codes: Tensor
    rebuilt_codes: Tensor | None
    turned_codes: Tensor
    back_codes: Tensor
    feats: Tensor
    turned_feats: Tensor
    others: list[Tensor] = field(default_factory=list)

    def fakes(self) -> list[Tensor]:
        """Everything painted."""
        return [self.rebuilt, self.turned, self.back, *self.others]


@MODELS.register_module()
class GCL(ReIDModel):
    """Re-identification trained together with a generator that turns people.

    ``rebuilt = G(code(photo), mesh)``, ``turned = G(code(photo), turned mesh)``, ``back = G(code(turned), mesh)``.
    The discriminator takes a step first; then one backward pass serves the generator and, in the joint stage, the
    encoder: adversarial, image (``rebuilt`` and ``back`` against the photo), feature (codes against the photo's) and,
    in the joint stage, the head's contrastive losses.

    The optimizers are ``discriminator``, ``generator`` and, in the joint stage, ``encoder``. Samples carry ``mesh`` and
    ``turned_mesh``, (1, H, W) uint8 with background 255, as ``LoadMeshViews`` sets them.

    Args:
        generator: a :class:`~pedsearch.models.gan.ViewGenerator`.
        discriminator: a :class:`~pedsearch.models.gan.MultiScaleDiscriminator`.
        stage: 'warmup' trains generator and discriminator with the encoder frozen, 'joint' everything.
        loss_weights: of ``adversarial``, ``image``, ``cycle``, ``feat``, ``feat_cycle``, and the contrast's ``view``,
            ``turned`` and ``turned_positive``; those not named keep their defaults 1, 5, 5, 5, 5, 1, 1, 1.
        r1_weight: of the discriminator's gradient penalty.
        num_parts: P.
        feat_target: whose code the feature loss compares, that of the 'turned' view or of the 'rebuilt' photo.
        update_statistics: which passes the encoder's running statistics follow in the joint stage: of 'photos' alone or
            of 'all' pictures.
        encoder_losses: what trains the encoder in the joint stage: 'all' losses, or the 'contrast' alone while the
            painting losses end at the generator.
        amp_dtype: 'bfloat16' runs the networks under autocast; norms and losses stay in float32. None: float32.
        **kwargs: of :class:`~pedsearch.models.reid.ReIDModel`; its ``backbone``, ``pooling`` and ``neck`` are the
            encoder.

    Source: Chen et al., "Joint Generative and Contrastive Learning for Unsupervised Person Re-identification", CVPR
    2021, and its released code. Deviation: see docs/deviations.md.
    """

    def __init__(self, generator: dict, discriminator: dict, *, stage: str = 'joint', loss_weights: dict | None = None,
                 r1_weight: float = 0.01, num_parts: int = 4, feat_target: str = 'turned',
                 update_statistics: str = 'photos', encoder_losses: str = 'all', amp_dtype: str | None = None,
                 **kwargs) -> None:
        super().__init__(**kwargs)
        for name, value, allowed in (('stage', stage, STAGES), ('feat_target', feat_target, ('turned', 'rebuilt')),
                                     ('update_statistics', update_statistics, ('photos', 'all')),
                                     ('encoder_losses', encoder_losses, ('all', 'contrast')),
                                     ('amp_dtype', amp_dtype, (None, 'bfloat16'))):
            if value not in allowed:
                raise ValueError(f'{name} must be one of {", ".join(map(repr, allowed))}, got {value!r}')
        self.generator = MODELS.build(generator)
        self.discriminator = MODELS.build(discriminator)
        self.stage = stage
        self.loss_weights = self.default_weights()
        unknown = set(loss_weights or ()) - set(self.loss_weights)
        if unknown:
            raise ValueError(f'loss_weights must be of {", ".join(self.loss_weights)}, got '
                             f'{", ".join(sorted(unknown))}')
        self.loss_weights.update(loss_weights or {})
        self.r1_weight = r1_weight
        self.num_parts = num_parts
        self.feat_target = feat_target
        self.update_statistics = update_statistics
        self.encoder_losses = encoder_losses
        self.amp_dtype = amp_dtype and getattr(torch, amp_dtype)
        if stage == 'warmup':
            self.encoder().requires_grad_(False)

    @staticmethod
    def default_weights() -> dict[str, float]:
        """Weight of every loss."""
        return dict(adversarial=1., image=5., cycle=5., feat=5., feat_cycle=5., view=1., turned=1., turned_positive=1.)

    def encoder(self) -> nn.ModuleList:
        """The parts that turn a photo into an embedding."""
        return nn.ModuleList([self.backbone, self.pooling, self.neck])

    def optimized_parts(self) -> dict[str, nn.Module]:
        """What each optimizer trains."""
        parts = dict(discriminator=self.discriminator, generator=self.generator)
        return parts if self.stage == 'warmup' else dict(parts, encoder=self.encoder())

    def required_parts(self) -> tuple[str, ...]:
        """What a training of this stage starts from."""
        encoder = 'backbone', 'pooling', 'neck'
        return encoder if self.stage == 'warmup' else (*encoder, 'generator', 'discriminator')

    def train(self, mode: bool = True) -> 'GCL':
        """As in torch; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self.stage == 'warmup':
            self.encoder().eval()
        return self

    # -- one step -----------------------------------------------------------------------------------------------------

    def train_step(self, data: dict, optim_wrapper: OptimWrapperDict) -> dict[str, Tensor]:
        """Step the discriminator, then generator and encoder.

        Args:
            data (dict): ``inputs`` and ``data_samples`` of a batch, as large on every process.
            optim_wrapper (OptimWrapperDict): one for each of :meth:`optimized_parts`.

        Returns:
            dict[str, Tensor]: losses to log.

        Raises:
            TypeError: there is one optimizer for all.
            ValueError: samples without meshes, label or seed.
        """
        if not isinstance(optim_wrapper, OptimWrapperDict):
            raise TypeError(f'{type(self).__name__} has an optimizer for each of {", ".join(self.optimized_parts())}, '
                            f"got one {type(optim_wrapper).__name__}; set optim_wrapper's constructor='PartOptimizers'")
        data = self.data_preprocessor(data, True)
        photos, data_samples = data['inputs'], data['data_samples']
        with self.autocast(photos.device):
            views = self.generate(photos, *self.meshes(data_samples), data_samples)
            judged = discriminator_loss(self.discriminator, photos, views.fakes(), self.r1_weight)
        log = {f'discriminator_{name}': loss.detach() for name, loss in judged.items()}
        self._backward(sum(judged.values()), optim_wrapper, ['discriminator'])
        with self.autocast(photos.device), _fixed(self.discriminator):
            painting = self.painting_losses(views)
            contrast = self.contrast_losses(views, data_samples) if self.stage == 'joint' else {}
        total, logged = self.parse_losses(painting | contrast)
        if contrast and self.encoder_losses == 'contrast':
            optim_wrapper['generator'].backward(self.parse_losses(painting)[0], retain_graph=True,
                                                inputs=list(self.generator.parameters()))
            total, _ = self.parse_losses(contrast)
        self._backward(total, optim_wrapper, [name for name in self.optimized_parts() if name != 'discriminator'])
        return log | logged

    def loss(self, inputs: Tensor, data_samples: list[ReIDDataSample]) -> dict[str, Tensor]:
        """There is no single loss: discriminator and generator take their steps one after the other."""
        raise TypeError(f"{type(self).__name__} takes its steps itself, got mode='loss'; call train_step, and on "
                        'several processes wrap it in ManualDataParallel (configs/_base_/manual_runtime.py)')

    def _backward(self, loss: Tensor, optim_wrapper: OptimWrapperDict, names: list[str]) -> None:
        """One backward pass for some optimizers, gradients averaged over processes, and their steps."""
        optim_wrapper[names[0]].backward(loss)
        parts = self.optimized_parts()
        for name in names:
            all_reduce_params((param.grad for param in parts[name].parameters() if param.grad is not None), op='mean')
            optim_wrapper[name].step()
            optim_wrapper[name].zero_grad()

    def generate(self, photos: Tensor, meshes: Tensor, turned_meshes: Tensor,
                 data_samples: list[ReIDDataSample]) -> Views:
        """Paint every photo anew: as it stands, turned, and from the turned view back.

        Args:
            photos (Tensor): (B, 3, H, W) normalised.
            meshes, turned_meshes (Tensor): (B, 1, H, W) in [-1, 1], background 1.
            data_samples (list[ReIDDataSample]): B.
        """
        with torch.set_grad_enabled(self.stage == 'joint' and torch.is_grad_enabled()):
            codes, feats = self.encode(photos)
        structures = self.generator.encode(torch.cat([meshes, turned_meshes]))  # norms are those of each picture alone
        structure = structures[:len(photos)]
        rebuilt, turned = self.generator.decode(torch.cat([codes, codes]), structures).chunk(2)
        with self.encoding_generated():
            needed = self.feat_target == 'rebuilt' or self.update_statistics == 'all'
            rebuilt_codes = self.codes(rebuilt) if needed else None
            turned_codes, turned_feats = self.encode(turned)
            back = self.generator.decode(turned_codes, structure)
            back_codes = self.codes(back)
        return Views(photos, rebuilt, turned, back, structure, codes, rebuilt_codes, turned_codes, back_codes, feats,
                     turned_feats)

    def painting_losses(self, views: Views) -> dict[str, Tensor]:
        """Weighted losses of what is painted: adversarial, image and feature losses."""
        target = views.codes.detach()
        compared = views.turned_codes if self.feat_target == 'turned' else views.rebuilt_codes
        return self._weighted(dict(
            adversarial=sum(lsgan_generator_loss(self.discriminator(fake)) for fake in views.fakes()),
            image=F.l1_loss(views.rebuilt, views.photos),
            cycle=F.l1_loss(views.back, views.photos),
            feat=F.l1_loss(compared, target),
            feat_cycle=F.l1_loss(views.back_codes, target)))

    def contrast_losses(self, views: Views, data_samples: list[ReIDDataSample]) -> dict[str, Tensor]:
        """Weighted losses of the head with photos and their turned views."""
        terms = self.head.loss(None, views.feats, data_samples, views.turned_feats)
        return self._weighted({name.removeprefix('loss_'): term for name, term in terms.items()})

    def _weighted(self, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        return {f'loss_{name}': self.loss_weights[name] * term for name, term in terms.items()}

    # -- parts --------------------------------------------------------------------------------------------------------

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> appearance codes (B, C, P) and the neck's output (B, D)."""
        maps = self._maps(images)
        return part_codes(maps, self.num_parts), self.neck(self.pooling(maps))

    def codes(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> appearance codes alone (B, C, P); the neck's statistics follow where they follow all."""
        maps = self._maps(images)
        if self.update_statistics == 'all':
            with torch.no_grad():
                self.neck(self.pooling(maps))
        return part_codes(maps, self.num_parts)

    def _maps(self, images: Tensor) -> Tensor:
        maps = self.backbone(images)
        return maps[-1] if isinstance(maps, (tuple, list)) else maps

    def meshes(self, data_samples: list[ReIDDataSample]) -> tuple[Tensor, Tensor]:
        """Meshes as photographed and turned, (B, 1, H, W) each in [-1, 1], background 1."""
        without = [sample.get('img_path') for sample in data_samples if 'turned_mesh' not in sample]
        if without:
            raise ValueError(f'every training sample must have mesh and turned_mesh, got none for {without[0]}; put '
                             'LoadMeshViews into the training pipeline')
        stacked = (torch.stack([sample.get(name) for sample in data_samples]) for name in ('mesh', 'turned_mesh'))
        return tuple(meshes.float() / 127.5 - 1 for meshes in stacked)

    @contextmanager
    def encoding_generated(self) -> Iterator[None]:
        """A block that encodes generated pictures: running statistics follow them only where they follow all."""
        kept = self.training and self.update_statistics == 'photos'
        holders = [module for module in self.encoder().modules() if module._buffers] if kept else []
        originals = [dict(module._buffers) for module in holders]
        for module, buffers in zip(holders, originals):
            module._buffers.update({name: buffer.clone() for name, buffer in buffers.items() if buffer is not None})
        try:
            yield
        finally:
            for module, buffers in zip(holders, originals):
                module._buffers.update(buffers)

    def autocast(self, device: torch.device) -> torch.autocast:
        """The precision of the networks."""
        return torch.autocast(device.type, self.amp_dtype or torch.bfloat16, enabled=self.amp_dtype is not None)


@contextmanager
def _fixed(module: nn.Module) -> Iterator[None]:
    """A block in which a module passes gradients on but gathers none."""
    params = [param for param in module.parameters() if param.requires_grad]
    for param in params:
        param.requires_grad_(False)
    try:
        yield
    finally:
        for param in params:
            param.requires_grad_(True)
