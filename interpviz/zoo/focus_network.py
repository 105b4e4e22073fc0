"""The network behind `vit_small_focus`: timm's ViT with a decoder in the place of its head."""

from __future__ import annotations

from math import isqrt

from torch import Tensor, nn
from torch.nn import functional as F

from interpviz.zoo.extras import require

PATCH = 14
_WIDTHS = (384, 256, 128, 64)


class ImportanceHead(nn.Module):
    """Patch tokens become a map: three transposed convolutions, each of which doubles the grid.

    Args:
        widths: Channels of the tokens and behind each transposed convolution.
        patch: Side of a patch in pixels.
    """

    def __init__(self, widths: tuple[int, int, int, int] = _WIDTHS, patch: int = PATCH) -> None:
        super().__init__()
        self.patch = patch
        self.upconv1 = nn.ConvTranspose2d(widths[0], widths[1], 4, 2, 1)
        self.bn1 = nn.BatchNorm2d(widths[1])
        self.upconv2 = nn.ConvTranspose2d(widths[1], widths[2], 4, 2, 1)
        self.bn2 = nn.BatchNorm2d(widths[2])
        self.upconv3 = nn.ConvTranspose2d(widths[2], widths[3], 4, 2, 1)
        self.bn3 = nn.BatchNorm2d(widths[3])
        self.final_conv = nn.Conv2d(widths[3], 1, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map the importance of each pixel.

        Args:
            tokens: Tensor `(N, 1 + side * side, width)`: the class token, which is not used, and
                the patches row by row.

        Returns:
            Logits `(N, 1, patch * side, patch * side)`, positive where the object is.
        """
        patches = tokens[:, 1:]
        side = isqrt(patches.shape[1])
        grid = patches.transpose(1, 2).reshape(len(tokens), -1, side, side)
        grid = self.bn1(self.upconv1(grid)).relu()
        grid = self.bn2(self.upconv2(grid)).relu()
        grid = self.bn3(self.upconv3(grid)).relu()
        size = (self.patch * side, self.patch * side)
        return F.interpolate(self.final_conv(grid), size, mode="bilinear", align_corners=False)


def build_focus() -> nn.Module:
    """Make timm's ViT-S/14 for 224 pixels, which hands all its tokens to an `ImportanceHead`.

    Raises:
        AssetError: If timm is not installed.
    """
    model: nn.Module = require("timm").create_model(
        "vit_small_patch14_dinov2", pretrained=False, img_size=224, num_classes=0, global_pool=""
    )
    model.head = ImportanceHead()
    return model
