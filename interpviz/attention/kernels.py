"""Capture through transformers' attention interface, whatever kernel the model is set to.

A model of transformers asks its configuration which attention function to call. While layers are
captured that answer is a function of ours: for chosen layers it runs the module's own eager
function and hands on the weights, or hands on the whole call; for all others it calls what was set
before.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from interpviz.attention.calls import AttentionCall

if TYPE_CHECKING:
    from torch import Tensor, nn

# transformers treats names that contain "sdpa" or "flash" specially, so ours contain neither.
KERNEL = "interpviz"
FUSED_MASKS = "interpviz_fused_masks"
"""The name that stands in for "sdpa", so that its layers get the masks that they always got."""


class Record(Protocol):
    """Takes the weights of one run of a layer."""

    def __call__(
        self, weights: Tensor, visible: Tensor | None = None, causal: bool | None = None
    ) -> None:
        """Take them.

        Args:
            weights: Shape `(batch, heads, query, key)`.
            visible: True where a query sees a key, broadcast to the weights; None where it is not
                known, or everything is seen.
            causal: Whether the layer says that it is causal; None where it says nothing.
        """


Stream = Callable[[AttentionCall], "Tensor | None"]
"""Takes a call and returns the layer's output, or None where the usual kernel is to compute it."""

_INTERFACE = "ALL_ATTENTION_FUNCTIONS"


@dataclass
class _Loan:
    """A configuration that points to our function for now."""

    config: Any
    original: str | None
    borrowers: int = 0


_recorders: WeakKeyDictionary[nn.Module, list[Record]] = WeakKeyDictionary()
_streams: WeakKeyDictionary[nn.Module, Stream] = WeakKeyDictionary()
_loans: dict[int, _Loan] = {}

_functions: dict[type, FunctionType | None] = {}


def _attention_function(kind: type) -> FunctionType | None:
    """The method of a class that calls an attention function through the interface."""
    # A plain dict, because torch.compile warns about functools.cache.
    if kind not in _functions:
        _functions[kind] = _search(kind)
    return _functions[kind]


def _search(kind: type) -> FunctionType | None:
    for base in kind.__mro__:
        # The base class of all models handles the interface itself, and computes no attention.
        if base.__module__ == "transformers.modeling_utils":
            continue
        for member in vars(base).values():
            function = inspect.unwrap(member) if callable(member) else member
            if isinstance(function, FunctionType) and _INTERFACE in function.__code__.co_names:
                return function
    return None


def uses_interface(module: nn.Module) -> bool:
    """Whether a module computes attention through transformers' attention interface."""
    return _attention_function(type(module)) is not None


def _eager_function(function: FunctionType) -> Callable[..., Any]:
    """The eager attention function that a module's own file gives as the default."""
    for name in function.__code__.co_names:
        candidate = function.__globals__.get(name)
        if "eager" in name and callable(candidate):
            return candidate  # type: ignore[no-any-return]
    candidate = function.__globals__["eager_attention_forward"]
    return candidate  # type: ignore[no-any-return]


def _kernel(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *args: Any,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attend with the masks of eager attention."""
    return _attend(False, module, query, key, value, attention_mask, *args, **kwargs)


def _kernel_with_fused_masks(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *args: Any,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attend with the masks of sdpa: boolean, or None for a causal layer without padding."""
    return _attend(True, module, query, key, value, attention_mask, *args, **kwargs)


def _attend(
    fused_masks: bool,
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    *args: Any,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attend, and hand the weights or the call to whoever asked for this module's."""
    function = _attention_function(type(module))
    assert function is not None
    loan = _loans.get(id(getattr(module, "config", None)))
    # A copy made of a model with hooks still points here, but was never borrowed.
    original = "eager" if loan is None or loan.original is None else loan.original
    recorders, stream = _recorders.get(module, []), _streams.get(module)
    eager = _eager_function(function)
    call = AttentionCall(
        module, query, key, value, mask, _named(eager, args, kwargs), eager, fused_masks
    )
    if stream is not None:
        output = stream(call)
        if output is not None:
            return output, None
    fused = fused_masks and loan is not None
    if not recorders and original != "eager" and (fused or _takes_eager_mask(original)):
        usual: Any = function.__globals__[_INTERFACE].get(original, eager)
        return usual(module, query, key, value, mask, *args, **kwargs)  # type: ignore[no-any-return]
    output, weights = call.eager_in_blocks()
    for record in recorders:
        record(weights, call.visible(), getattr(module, "is_causal", None))
    # Other kernels return no weights, and the caller is to get what he would have got.
    return output, weights if original == "eager" else None


def _named(
    eager: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Arguments after the mask by name."""
    if not args:
        return kwargs
    names = list(inspect.signature(eager).parameters)[5:]
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _takes_eager_mask(implementation: str) -> bool:
    """Whether an implementation understands the additive masks of the eager one."""
    return not any(word in implementation for word in ("flash", "flex", "paged"))


def _register() -> None:
    """Make our function, with the masks of the eager one, known to transformers."""
    from transformers import AttentionInterface, AttentionMaskInterface

    # Without a mask function of its own name a model gets no mask at all.
    masks: Any = AttentionMaskInterface
    AttentionInterface.register(KERNEL, _kernel)
    masks.register(KERNEL, masks()["eager"])
    AttentionInterface.register(FUSED_MASKS, _kernel_with_fused_masks)
    masks.register(FUSED_MASKS, masks()["sdpa"])


def _with_subconfigs(config: Any) -> Iterator[Any]:
    """A configuration and the configurations inside it."""
    if not hasattr(config, "_attn_implementation_internal"):
        return
    yield config
    for key in getattr(config, "sub_configs", {}):
        yield from _with_subconfigs(getattr(config, key, None))


def _configs(model: nn.Module) -> Iterable[Any]:
    """Every configuration that decides about attention through the interface, once."""
    modules = dict(model.named_modules())
    using = [name for name, module in modules.items() if uses_interface(module)]
    holders = {""}
    for name in using:
        parts = name.split(".")
        holders.update(".".join(parts[: n + 1]) for n in range(len(parts)))
    found: dict[int, Any] = {}
    foreign: set[int] = set()
    for name, module in modules.items():
        config = getattr(module, "config", None)
        if name in holders:
            found.update({id(one): one for one in _with_subconfigs(config)})
        elif config is not None and hasattr(module, "config_class"):
            # A submodel that ignores the interface would not know our name.
            foreign.add(id(config))
    held = {id(getattr(modules[name], "config", None)) for name in using}
    return [config for key, config in found.items() if key in held or key not in foreign]


def _borrow(config: Any) -> None:
    loan = _loans.setdefault(id(config), _Loan(config, config._attn_implementation_internal))
    loan.borrowers += 1
    ours = FUSED_MASKS if loan.original == "sdpa" else KERNEL
    config._attn_implementation_internal = ours


def _give_back(config: Any) -> None:
    loan = _loans[id(config)]
    loan.borrowers -= 1
    if not loan.borrowers:
        del _loans[id(config)]
        # Someone who set another implementation meanwhile wants to keep that one.
        if config._attn_implementation_internal in (KERNEL, FUSED_MASKS):
            config._attn_implementation_internal = loan.original


def attach(
    model: nn.Module,
    records: dict[nn.Module, Record],
    streams: dict[nn.Module, Stream] | None = None,
) -> ExitStack:
    """Capture the weights, or the calls, of modules that use the interface.

    Args:
        model: The transformers model, or a model that holds some.
        records: For each module to capture, the function that takes its weights.
        streams: For each module whose weights are never to be held, the function that takes its
            calls.

    Returns:
        A stack whose `close` gives the model back as it was.
    """
    _register()
    undo = ExitStack()
    for module, record in records.items():
        _recorders.setdefault(module, []).append(record)
        undo.callback(_forget, module, record)
    for module, stream in (streams or {}).items():
        _streams[module] = stream
        undo.callback(_streams.pop, module, None)
    for config in _configs(model):
        _borrow(config)
        undo.callback(_give_back, config)
    return undo


def _forget(module: nn.Module, record: Record) -> None:
    _recorders[module].remove(record)
    if not _recorders[module]:
        del _recorders[module]
