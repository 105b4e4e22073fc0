"""Whether a score is affine in an activation, proved from the graph that autograd kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from torch import Tensor
from torch.autograd.graph import Node, get_gradient_edge

Edge = tuple[Node | None, int]

_IN_ALL_OPERANDS = """
Add Sub Rsub Neg Cat Stack Mean Sum Cumsum
View UnsafeView ReshapeAlias Alias AsStrided Expand Permute Transpose T Squeeze Unsqueeze
Select Slice Split SplitWithSizes Unbind Diagonal Gather Index IndexSelect
Clone ToCopy Flip Roll Repeat Unfold Im2Col Col2Im PixelShuffle PixelUnshuffle
AvgPool2D AvgPool3D AdaptiveAvgPool2D AdaptiveAvgPool3D MkldnnAdaptiveAvgPool2D
UpsampleNearest1D UpsampleNearest2D UpsampleNearest3D UpsampleNearestExact2D
UpsampleLinear1D UpsampleBilinear2D UpsampleBicubic2D UpsampleTrilinear3D
ConstantPadNd ReflectionPad1D ReflectionPad2D ReplicationPad1D ReplicationPad2D
"""
_LINEAR_IN_ALL = frozenset(_IN_ALL_OPERANDS.split())

_PRODUCTS = "Mul Mm Bmm Mv Dot Linear Convolution ConvolutionOverrideable"
_SUMS_WITH_PRODUCTS = "Addmm Addmv Addr Addbmm Baddbmm Addcmul"
# Only one of a product's factors may depend on the activation.
_FACTORS = {
    **dict.fromkeys(_PRODUCTS.split(), (0, 1)),
    **dict.fromkeys(_SUMS_WITH_PRODUCTS.split(), (1, 2)),
}

_LINEAR_IN_FIRST = frozenset({"Div"})
_NORMS = frozenset({"NativeBatchNorm", "CudnnBatchNorm", "MiopenBatchNorm"})


def is_affine(score: Tensor, activation: Tensor) -> bool:
    """Tell whether a score is an affine function of an activation.

    Every operation on every way from the activation to the score must be known to be linear in
    what comes from the activation: means, average pooling, linear layers, convolutions, batch
    normalisation in eval mode, reshaping, adding, scaling. Anything else, also anything unknown,
    counts as not affine.

    The graph holds only what is differentiated. What a model computes from the activation and
    detaches, such as a hard gate, is not in it: who relies on the answer must make sure that the
    score moves as its gradient says.

    Args:
        score: The scores `(N,)`, with their graph.
        activation: A tensor of that graph, leaf or not.

    Returns:
        True if it is proved; False if not, or if no way leads from one to the other.
    """
    if score.grad_fn is None or not activation.requires_grad:
        return False
    edge = get_gradient_edge(activation)
    start: Edge = (edge.node, edge.output_nr)
    dependent: set[Node] = set()
    for node in _inputs_first(score.grad_fn, edge.node):
        operands = [
            place
            for place, operand in enumerate(node.next_functions)
            if operand == start or operand[0] in dependent
        ]
        if not operands:
            continue
        if not _is_linear(node, operands):
            return False
        dependent.add(node)
    return score.grad_fn in dependent or (score.grad_fn, score.output_nr) == start


def _is_linear(node: Node, operands: Sequence[int]) -> bool:
    name = re.sub(r"Backward\d+$", "", node.name())
    if name in _LINEAR_IN_ALL:
        return True
    if name in _FACTORS:
        return sum(place in _FACTORS[name] for place in operands) <= 1
    if name in _LINEAR_IN_FIRST:
        return list(operands) == [0]
    if name in _NORMS:
        # With the statistics of the batch, every image would depend on the others.
        return list(operands) == [0] and getattr(node, "_saved_training", True) is False
    return False


def _inputs_first(last: Node, stop: Node) -> Iterator[Node]:
    """Every node of a graph after those that it takes its operands from.

    Args:
        last: The node of the result.
        stop: A node behind which nothing is of interest.
    """
    seen: set[Node] = set()
    waiting = [(last, False)]
    while waiting:
        node, ready = waiting.pop()
        if ready:
            yield node
        elif node not in seen and node is not stop:
            seen.add(node)
            waiting.append((node, True))
            waiting.extend((child, False) for child, _ in node.next_functions if child is not None)
