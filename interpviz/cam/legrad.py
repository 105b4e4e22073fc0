"""The method that asks how a score would change with each attention weight."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from interpviz.cam.base import CAM
from interpviz.cam.engine.engine import CAMOptions
from interpviz.cam.engine.grids import as_grid
from interpviz.cam.engine.heads import attention_blocks, recorded_heads
from interpviz.cam.engine.hooks import explained, first_tensor
from interpviz.cam.engine.layers import Layer, get_layers
from interpviz.cam.engine.replay import Replay
from interpviz.cam.engine.run import Run
from interpviz.cam.maps import Scale
from interpviz.cam.targets import score_of
from interpviz.device import unwrap
from interpviz.errors import InputError, LayerError


class LeGrad(CAM):
    r"""The sensitivity of each block's own answer to its attention, for vision transformers.

    The tokens that block l hands on are sent through the model's own head, past the blocks behind
    it, which gives a score s_l. The map of the block is, for each patch j, the mean over heads and
    queries i of `ReLU(ds_l / dA_l[head, i, j])`, with A_l the block's attention weights. The maps
    of all blocks are averaged. Class and register tokens are left out.

    A head hands on `A_l V_l`, so the gradient for A_l is the gradient for what it hands on, times
    its values: no attention weights are needed, and any attention kernel may run.

    Use it when the model is a vision transformer, and a map of one layer shows too little.

    Paper: Bousselham, Boggust, Chaybouti, Strobelt and Kuehne, "LeGrad: An Explainability Method
    for Vision Transformers via Feature Formation Sensitivity", ICCV 2025 (arXiv:2404.03214).

    Args:
        model: A vision transformer whose blocks all have the same width, such as ViT, DeiT, DINOv2
            or the image tower of CLIP.
        target_layer: The blocks, in the order in which they run; by default all.
        **options: As for [`CAM`][interpviz.cam.CAM]; but the maps of the blocks are always
            averaged as they are, and they have one channel, so `fuse` and `eigen_smooth` stay as
            they are by default.

    Raises:
        LayerError: No transformer blocks are found in the model; from a call, the heads of a block
            cannot be read, because it attends within windows or between channels, or adds its bias
            where no hook sees it.
        InputError: `fuse` or `eigen_smooth` is asked for.

    Examples:
        >>> import torch
        >>> from torchvision.models import VisionTransformer
        >>> model = VisionTransformer(32, 8, 2, 4, 32, 64).eval()
        >>> LeGrad(model)(torch.rand(1, 3, 32, 32), 7).shape
        torch.Size([1, 32, 32])
    """

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layer | Sequence[Layer] | None = None,
        **options: Unpack[CAMOptions],
    ) -> None:
        inner = unwrap(model) if isinstance(model, nn.Module) else model
        if target_layer is not None:
            self.blocks = get_layers(inner, target_layer)
        else:
            self.blocks = attention_blocks(inner) if isinstance(inner, nn.Module) else []
            if isinstance(inner, nn.Module) and not self.blocks:
                raise LayerError(
                    f"LeGrad found no transformer blocks of one width in {type(inner).__name__}: "
                    "name them as `target_layer`, or use a method for any network."
                )
        if options.get("fuse", "mean") != "mean" or options.get("eigen_smooth"):
            raise InputError(
                "LeGrad averages one map a block, so there are no channels to smooth and no other "
                'way to fuse: leave out `eigen_smooth`, and `fuse` at "mean".'
            )
        super().__init__(model, self.blocks[-1] if self.blocks else None, **options)

    @classmethod
    def explains(cls, model: nn.Module) -> bool:
        """Whether the model has transformer blocks over patches.

        Args:
            model: Any module.
        """
        return bool(attention_blocks(model))

    def _weigh(self, run: Run) -> list[Tensor]:
        replay = Replay(run, 0)
        calls = self._calls(run)
        found = [self._sensitivity(run, replay, block, *calls[block]) for block in self.blocks]
        if len({each.shape for each in found}) > 1:
            raise LayerError(
                f"The blocks have {sorted({each.shape[1] for each in found})} tokens: pass blocks "
                "with the same tokens as `target_layer`."
            )
        patches = torch.stack(found).mean(0)
        return [as_grid(patches[..., None], run.trace.names[0], run.layout)]

    def _calls(self, run: Run) -> dict[nn.Module, tuple[Any, Any]]:
        calls: dict[nn.Module, tuple[Any, Any]] = {}

        owner = threading.get_ident()

        def note(block: nn.Module, args: Any, kwargs: Any) -> None:
            if threading.get_ident() == owner:
                calls[block] = (args, kwargs)

        handles = [b.register_forward_pre_hook(note, with_kwargs=True) for b in self.blocks]
        try:
            with explained(run.model), torch.no_grad():
                run.inputs.run(run.model)
        finally:
            for handle in handles:
                handle.remove()
        unused = [type(block).__name__ for block in self.blocks if block not in calls]
        if unused:
            raise LayerError(f"A block, {unused[0]}, was not used: pass blocks that images go to.")
        return calls

    def _sensitivity(
        self, run: Run, replay: Replay, block: nn.Module, args: Any, kwargs: Any
    ) -> Tensor:
        def tracked(value: Any) -> Any:
            floating = isinstance(value, Tensor) and value.is_floating_point()
            return value.detach().clone().requires_grad_() if floating else value

        with torch.enable_grad(), explained(run.model):
            with recorded_heads(block) as heads:
                output = first_tensor(block(*map(tracked, args), **kwargs))
            assert run.target is not None
            assert output is not None
            score = score_of(run.target, replay.output(output), run.inputs.count)
            return heads.gradient(score).relu().mean((1, 2)).float()

    def _maps(self, run: Run, scale: Scale) -> Tensor:  # noqa: ARG002
        return super()._maps(run, "raw")
