"""Time and peak memory of capturing and measuring attention, against plain and eager passes.

    pip install -e ".[bench]" && python tests/benchmarks/attention.py [--repeats 5] [--long 8192]

Models have six layers of twelve heads, hidden size 768, and random weights, which change no times.
"plain" is the model with its default kernel (sdpa), "eager" the same with output_attentions=True.
Numbers are compared before times are. With `--device cuda` all of it runs on a GPU, with
`--profile` the statistics are profiled by operation.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch
import transformers
from measure import medians, peak_growth
from torch import Tensor, nn

from interpviz.attention.capture import capture_attention
from interpviz.attention.streaming import attention_statistics

SIZES: dict[str, Any] = {
    "hidden_size": 768,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "vocab_size": 1000,
    "max_position_embeddings": 8192,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def bert() -> nn.Module:
    """An encoder."""
    return transformers.BertModel(transformers.BertConfig(**SIZES, intermediate_size=3072))


def llama() -> nn.Module:
    """A decoder with grouped heads."""
    config = transformers.LlamaConfig(**SIZES, intermediate_size=2048, num_key_value_heads=4)
    return transformers.LlamaModel(config)


MODELS = {"bert": bert, "llama": llama}


def contenders(model: nn.Module, ids: Tensor) -> dict[str, Callable[[], Any]]:
    """What is timed, by name."""
    network: Any = model

    def plain() -> Any:
        with torch.no_grad():
            return network(ids)

    def eager() -> Any:
        network.set_attn_implementation("eager")
        try:
            with torch.no_grad():
                return network(ids, output_attentions=True)
        finally:
            network.set_attn_implementation("sdpa")

    inputs = {"input_ids": ids}
    return {
        "plain": plain,
        "eager": eager,
        "capture, all": lambda: capture_attention(model, inputs),
        "capture, 1 of 6": lambda: capture_attention(model, inputs, layers=3),
        "statistics": lambda: attention_statistics(model, inputs),
        "statistics, 256": lambda: attention_statistics(model, inputs, queries=256),
    }


def differences(runs: dict[str, Callable[[], Any]]) -> dict[str, str]:
    """How far weights are from those of eager, and statistics from those of captured weights."""
    reference = runs["eager"]().attentions
    maps = runs["capture, all"]()
    chosen = runs["capture, 1 of 6"]()
    table, streamed = maps.statistics(), runs["statistics"]()
    worst = 0.0
    for column in table.columns:
        one_by_one, at_once = streamed.column(column), table.column(column)
        # Distances are relative to themselves, all else lies between 0 and 1.
        apart = (one_by_one - at_once).abs() / at_once.clamp(min=1)
        worst = max(worst, apart.nan_to_num(0).max().item())
    weights = max(
        (a - b).abs().max().item() for a, b in zip(maps.weights.values(), reference, strict=True)
    )
    return {
        "capture, all": f"{weights:.1e}",
        "capture, 1 of 6": f"{(chosen.weights[0] - reference[3]).abs().max().item():.1e}",
        "statistics": f"{worst:.1e}",
    }


def compare(name: str, tokens: int, repeats: int, device: str) -> None:
    """Print one table."""
    torch.manual_seed(0)
    model = MODELS[name]().eval().to(device)
    ids = torch.randint(5, 999, (1, tokens), device=device)
    runs = contenders(model, ids)
    apart = differences(runs)
    seconds = medians(runs, repeats)
    memory = {label: peak_growth(run, device) for label, run in runs.items()}
    plain, least = seconds["plain"], memory["plain"]
    print(f"\n{name}, {tokens} tokens, {device}: plain {plain * 1e3:.0f} ms, median of {repeats}")
    print(
        f"{'':<18}{'time / plain':>14}{'MiB':>9}{'MiB / plain':>13}{'MiB / eager':>13}"
        f"{'difference':>13}"
    )
    for label in runs:
        mib, most = memory[label], memory["eager"]
        shown = f"{'':>9}{'':>13}{'':>13}"
        if mib is not None and least and most:
            shown = f"{mib:>9.0f}{mib / least:>13.2f}{mib / most:>13.2f}"
        print(f"{label:<18}{seconds[label] / plain:>14.2f}{shown}{apart.get(label, ''):>13}")


def long_text(name: str, tokens: int, device: str) -> None:
    """Print time and memory of the statistics of a text whose maps would not fit."""
    torch.manual_seed(0)
    model = MODELS[name]().eval().to(device)
    runs = contenders(model, torch.randint(5, 999, (1, tokens), device=device))
    maps = 6 * 12 * tokens**2 * 4 / 2**30
    print(f"\n{name}, {tokens} tokens, {device}: all maps would take {maps:.1f} GiB")
    for label in ("plain", "statistics", "statistics, 256"):
        seconds: list[float] = []

        def timed(run: Callable[[], Any] = runs[label], seconds: list[float] = seconds) -> None:
            start = time.perf_counter()
            run()
            if device == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)

        memory = peak_growth(timed, device)
        shown = "" if memory is None else f", {memory:.0f} MiB"
        print(f"{label:<18}{seconds[0]:>8.2f} s{shown}")


def profile(name: str, tokens: int, device: str) -> None:
    """Print which operations the statistics spend their time in, beside those of a plain pass."""
    torch.manual_seed(0)
    model = MODELS[name]().eval().to(device)
    runs = contenders(model, torch.randint(5, 999, (1, tokens), device=device))
    for label in ("plain", "statistics"):
        runs[label]()
        with torch.profiler.profile() as found:
            runs[label]()
        by = "self_cuda_time_total" if device == "cuda" else "self_cpu_time_total"
        print(f"\n{name}, {tokens} tokens, {device}, {label}")
        print(found.key_averages().table(sort_by=by, row_limit=12, max_name_column_width=40))


def main() -> None:
    """Read the command line and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tokens", type=int, nargs="*", default=[128, 512, 2048])
    parser.add_argument("--long", type=int, default=8192, help="tokens of a long text; 0 for none")
    parser.add_argument("--model", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(", ".join(f"{package} {version(package)}" for package in ("torch", "transformers")))
    for name in options.model:
        for tokens in options.tokens:
            compare(name, tokens, options.repeats, options.device)
            if options.profile:
                profile(name, tokens, options.device)
        if options.long:
            long_text(name, options.long, options.device)


if __name__ == "__main__":
    main()
