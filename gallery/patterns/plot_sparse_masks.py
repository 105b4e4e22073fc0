"""
# Which sparse mask costs what?

A mask that keeps few entries is cheap, but then a token may need many layers to hear of another.
Twelve masks, drawn, counted, and followed from layer to layer.
"""

# %%
# ## Twelve masks
#
# Masks are boolean arrays, so they combine as arrays do: `|` joins two, `&` keeps what both allow.
# The last five are joined ones: a causal window, Longformer (Beltagy et al., 2020), BigBird (Zaheer
# et al., NeurIPS 2020) and the two masks of the Sparse Transformer (Child et al., 2019).

# mkdocs_gallery_thumbnail_number = 1
from math import isqrt

import matplotlib.pyplot as plt
import numpy as np

from interpviz.attention import (
    block_mask,
    capture_attention,
    causal_mask,
    dilated_mask,
    global_mask,
    local_mask,
    mask_cost,
    mask_growth,
    random_mask,
    strided_mask,
)
from interpviz.render import caption, describe, pattern_mask
from interpviz.zoo import load_model

patterns = {
    "local": lambda n: local_mask(n, 4),
    "dilated": lambda n: dilated_mask(n, 4, dilation=2),
    "strided": lambda n: strided_mask(n, 8),
    "block": lambda n: block_mask(n, 8),
    "random": lambda n: random_mask(n, 3),
    "global": lambda n: global_mask(n, [0, n // 2]),
    "causal": causal_mask,
    "causal & local": lambda n: causal_mask(n) & local_mask(n, 8),
    "Longformer": lambda n: local_mask(n, 4) | global_mask(n, [0]),
    "BigBird": lambda n: local_mask(n, 1) | global_mask(n, [0, n // 2]) | random_mask(n, 3),
    "Sparse, strided": lambda n: (
        (local_mask(n, isqrt(n)) | strided_mask(n, isqrt(n))) & causal_mask(n)
    ),
    "Sparse, fixed": lambda n: block_mask(n, isqrt(n), summary=1) & causal_mask(n),
}

n = 64
fig, axes = plt.subplots(4, 3, figsize=(7, 9.4), layout="constrained", sharex=True, sharey=True)
for ax, (name, build) in zip(axes.flat, patterns.items()):
    pattern_mask(build(n), ax, title=f"{name}\n{mask_cost(build(n)).share:.0%} of all")
    ax.label_outer()
shares = ", ".join(f"{name} {mask_cost(build(n)).share:.0%}" for name, build in patterns.items())
describe(fig, f"Twelve masks of {n} by {n} tokens, with the share of entries each keeps: {shares}.")
plt.show()

# %%
# ## With n, or with n times n?
#
# A share at one length says little.
# [`mask_growth`][interpviz.attention.mask_growth] measures the g in "entries grow as n to the g":
# 1 for a window of fixed width, 2 for full attention.
# [`mask_cost`][interpviz.attention.mask_cost] counts the entries, and the most keys one query sees.

patterns["full"] = lambda n: np.ones((n, n), dtype=bool)
length = 1024
growth = {name: mask_growth(build, length) for name, build in patterns.items()}
print(f"{length} tokens {'entries':>12} {'share':>7} {'most keys':>10} {'growth':>9}")
for name in sorted(patterns, key=growth.get):
    cost = mask_cost(patterns[name](length))
    print(
        f"{name:<16} {cost.entries:>7,} {cost.share:>7.1%} {cost.most:>10} "
        f"{f'n^{growth[name]:.2f}':>9}"
    )

# %%

lengths = [2**power for power in range(6, 12)]
chosen = ["full", "causal", "strided", "Sparse, strided", "BigBird", "local", "random"]
fig, ax = plt.subplots(figsize=(6, 5), layout="constrained")
for name, marker in zip(chosen, "osD^vPX"):
    entries = [mask_cost(patterns[name](size)).entries for size in lengths]
    grows = f"{name}, n^{growth[name]:.1f}"
    # The cycle has six colours; the seventh line is full attention, in the colour of the text.
    color = plt.rcParams["text.color"] if name == "full" else None
    ax.plot(lengths, entries, marker=marker, color=color, label=grows)
ax.set_xscale("log", base=2)
ax.set_yscale("log")
ax.set(xlabel="tokens", ylabel="entries", xticks=lengths, xticklabels=lengths)
ax.grid(alpha=0.5)
fig.legend(loc="outside lower center", ncols=2)
listing = ", ".join(f"{name} {growth[name]:.2f}" for name in chosen)
describe(
    fig,
    "A line chart, both axes logarithmic: entries by number of tokens. The slopes, which are the "
    f"powers of n: {listing}.",
)
plt.show()

# %%
# A fixed stride and a causal mask lower the line and leave its slope: they save a constant factor.
# A stride that grows as the square root of n lies between. Windows, blocks, random keys and a few
# global tokens grow with n alone.
#
# ## How many layers until every token can reach every other?
#
# What a query does not see, a token that it sees may have seen one layer before. A token also
# carries itself along, through the residual connection. So after k layers a token is reached by
# paths of up to k steps, which a boolean matrix power counts. A causal mask is complete when the
# whole past is reached.


def reach_by_layer(mask, most_layers=400):
    """Share of the reachable pairs that are reached after 1, 2, ... layers, until it stays."""
    step = (mask | np.eye(len(mask), dtype=bool)).astype(np.float32)
    wanted = len(mask) * (len(mask) + 1) / 2 if not np.triu(mask, 1).any() else mask.size
    reached, shares = step, [step.sum() / wanted]
    while shares[-1] < 1 and len(shares) < most_layers:
        reached = (step @ reached > 0).astype(np.float32)
        shares.append(reached.sum() / wanted)
        if shares[-1] == shares[-2]:
            return shares[:-1]
    return shares


size = 256
reach = {name: reach_by_layer(build(size)) for name, build in patterns.items()}
needed = {name: len(shares) if shares[-1] == 1 else None for name, shares in reach.items()}

shown = ["local", "dilated", "block", "random", "BigBird"]
fig, ax = plt.subplots(figsize=(6, 4.6), layout="constrained")
longest = max(len(reach[name]) for name in shown)
for name, marker in zip(shown, "osD^v"):
    shares = reach[name] + [reach[name][-1]] * (longest - len(reach[name]))
    ax.plot(range(1, longest + 1), shares, marker=marker, markevery=(0.0, 0.13), label=name)
ax.set_xscale("log", base=2)
ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
ax.set(xlabel="layers", ylabel="pairs of tokens that are reached", ylim=(0, 1.05))
fig.legend(loc="outside lower center", ncols=3)


def layers_of(name):
    return f"{name} {needed[name]}" if needed[name] else f"{name} never ({reach[name][-1]:.0%})"


listing = ", ".join(layers_of(name) for name in shown)
describe(fig, f"Pairs reached by layer, {size} tokens. Layers until all are: {listing}.")
plt.show()

# %%
# Some masks never get there. Blocks do not talk to each other, and steps of an even length stay on
# even distances; Longformer therefore gives a dilation to some heads only. Random keys spread fast,
# but a token that no other drew as a key is never heard; BigBird adds a window and global tokens.
# One global token is enough for two layers: one to collect, one to hand out.
#
# ## The price of reach
#
# What one layer costs, and how many layers the mask needs. A cross stands for never.

order = sorted(patterns, key=lambda name: (-(needed[name] or np.inf), -reach[name][0]))
rows = range(len(order))
share = [mask_cost(patterns[name](size)).share for name in order]
never = 4 * max(layers for layers in needed.values() if layers)
layers = [needed[name] or never for name in order]
fig, axes = plt.subplots(1, 2, figsize=(7, 4.8), layout="constrained", sharey=True)
axes[0].hlines(rows, 0.005, share, color="C0", alpha=0.5)
axes[0].plot(share, rows, "o", color="C0")
axes[0].set(xscale="log", xlim=(0.005, 1.4), xlabel="share of entries in a layer")
axes[0].set_xticks([0.01, 0.1, 1], ["1%", "10%", "100%"])
axes[0].set_yticks(rows, order)
for row, count in zip(rows, layers):
    lost = count == never
    axes[1].hlines(row, 0.7, count, color="C1" if lost else "C0", alpha=0.5)
    axes[1].plot(count, row, "X" if lost else "o", color="C1" if lost else "C0", markersize=7)
ticks = [1, 4, 16, 64]
axes[1].set(xscale="log", xlim=(0.7, 2 * never), xlabel="layers until all is reached")
axes[1].set_xticks([*ticks, never], [*ticks, "never"])
for ax in axes:
    ax.minorticks_off()
listing = "; ".join(
    f"{name} {part:.1%}, {needed[name] or 'never'}" for name, part in zip(order, share)
)
describe(fig, f"Share of entries and layers until all is reached, {size} tokens. {listing}.")
plt.show()

# %%

print(f"{size} tokens {'layers':>12} {'entries in all these layers':>30}")
for name in sorted(patterns, key=lambda name: needed[name] or np.inf):
    layers = needed[name]
    total = f"{layers * mask_cost(patterns[name](size)).entries:,}" if layers else "-"
    print(f"{name:<16} {layers or 'never':>7} {total:>30}")

# %%
# ## What would trained heads lose?
#
# A cheap mask is of no use if it hides what heads look at. These models were trained without a
# sparse mask. How much of their attention lies inside each, as a mean over all heads and tokens?
# A mask that knows nothing about them keeps as much attention as entries. For the GPT only the past
# counts, in both.

# The opening of Moby-Dick (Herman Melville, 1851).
text = (
    "Call me Ishmael. Some years ago, never mind how long precisely, having little or no money in "
    "my purse, and nothing particular to interest me on shore, I thought I would sail about a "
    "little and see the watery part of the world. It is a way I have of driving off the spleen and "
    "regulating the circulation. Whenever I find myself growing grim about the mouth; whenever it "
    "is a damp, drizzly November in my soul; whenever I find myself involuntarily pausing before "
    "coffin warehouses, and bringing up the rear of every funeral I meet, then, I account it high "
    "time to get to sea as soon as I can."
)
models = {"BERT": load_model("bert"), "GPT": load_model("gpt")}
tried = ["local", "dilated", "strided", "block", "random", "global", "Longformer", "BigBird"]
entries, kept = {}, {}
for title, m in models.items():
    maps = capture_attention(m.model, m.tokenizer(text, return_tensors="pt").to(m.model.device))
    mean = maps.stacked()[:, 0].mean((0, 1)).cpu().numpy()
    count = len(mean)
    visible = causal_mask(count) if title == "GPT" else np.ones((count, count), dtype=bool)
    for name in tried:
        inside = patterns[name](count) & visible
        entries[title, name] = inside.sum() / visible.sum()
        kept[title, name] = mean[inside].sum() / count
    print(f"{title}: {count} tokens, {len(maps)} layers")

tried.sort(key=lambda name: kept["GPT", name])
rows = range(len(tried))
fig, axes = plt.subplots(2, 1, figsize=(6, 6.4), layout="constrained", sharex=True)
for ax, (title, m) in zip(axes, models.items()):
    parts = [entries[title, name] for name in tried]
    held = [kept[title, name] for name in tried]
    ax.hlines(rows, parts, held, color="C0", alpha=0.5)
    ax.plot(parts, rows, "D", color="C1", label="share of the entries")
    ax.plot(held, rows, "o", color="C0", label="share of the attention")
    ax.set_yticks(rows, tried)
    ax.set_title(f"{title}: {m.provenance.architecture}", parse_math=False)
axes[0].set_xlim(0, 1)
axes[0].xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
caption(fig, ". ".join(m.provenance.caption for m in models.values()))
listing = "; ".join(
    f"{title} {name} {entries[title, name]:.0%} of the entries, {kept[title, name]:.0%} of the "
    "attention"
    for title, name in kept
)
describe(fig, f"Entries kept against attention kept. {listing}.")
plt.show()

# %%

print(f"{'attention kept':<16}{'BERT':>8}{'GPT':>8}")
for name in sorted(tried, key=lambda name: -kept["GPT", name]):
    print(f"{name:<16}{kept['BERT', name]:>8.0%}{kept['GPT', name]:>8.0%}")

# %%
# Windows keep the neighbours, a global first token keeps the place where attention rests. The two
# together hold more than either. That a mask keeps the attention does not prove that a model would
# still work with it: what is cut off, however small, may be what mattered.
#
# ## The weights behind this page

for m in models.values():
    print(m.provenance)
