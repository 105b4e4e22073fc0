"""The decoder of importance, against the same steps written out."""

import torch

from interpviz.zoo.focus_network import ImportanceHead


def test_the_head_is_three_upsamplings_and_leaves_the_class_token_out() -> None:
    head = ImportanceHead((8, 6, 5, 4), patch=14).double().eval()
    tokens = torch.randn(2, 1 + 9, 8, dtype=torch.float64, generator=torch.Generator())
    grid = torch.zeros(2, 8, 3, 3, dtype=torch.float64)
    for row in range(3):
        for column in range(3):
            grid[:, :, row, column] = tokens[:, 1 + 3 * row + column]
    for n in (1, 2, 3):
        grid = head.get_submodule(f"bn{n}")(head.get_submodule(f"upconv{n}")(grid)).clamp(min=0)
    assert grid.shape == (2, 4, 24, 24)
    logits = torch.nn.Upsample((42, 42), mode="bilinear")(head.final_conv(grid))
    torch.testing.assert_close(head(tokens), logits)
    other = tokens.clone()
    other[:, 0] += 1
    assert torch.equal(head(other), head(tokens))
