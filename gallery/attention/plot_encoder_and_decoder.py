"""
# What differs between an encoder's and a decoder's heads?

A BERT reads a sentence all at once, a GPT from left to right. The same sentence through both: what
the triangle changes, and what the heads of both have in common. A vision transformer joins them.
"""

# %%
# ## The same sentence, twice
#
# [`capture_attention`][interpviz.attention.capture_attention] knows what each layer is: one of an
# encoder sees every token, one of a decoder itself and the past.

# mkdocs_gallery_thumbnail_number = 1
from dataclasses import replace
from math import isqrt

import matplotlib.pyplot as plt
import torch

from interpviz.attention import (
    LayerWeights,
    attention_distance,
    capture_attention,
    head_statistics,
)
from interpviz.render import caption, describe, head_heatmap
from interpviz.zoo import load_model, load_photo, photos

sentence = (
    "The doctor asked the nurse for the file, because she had left it on the table, "
    "and nobody else in the house knew where to look for it."
)
models = {"BERT": load_model("bert"), "GPT": load_model("gpt")}
maps, weights, visible = {}, {}, {}
for title, m in models.items():
    inputs = m.tokenizer(sentence, return_tensors="pt").to(m.model.device)
    maps[title] = capture_attention(m.model, inputs)
    weights[title] = torch.stack([layer[0] for layer in maps[title].weights.values()]).cpu()
    layers, heads, n, _ = weights[title].shape
    seen = torch.ones(n, n, dtype=torch.bool)
    visible[title] = seen.tril() if maps[title].kinds[0] == "decoder" else seen
    print(f"{title}: {layers} {maps[title].kinds[0]} layers, {heads} heads each, {n} tokens")

# %%
# The mean of all heads in the first, the middle and the last third of the layers. What is blank
# cannot be seen. Weights above the end of the scale are drawn as its end, or the few tokens that
# many heads rest on would leave everything else dark.

top = 0.3
thirds = ["first third", "middle third", "last third"]
fig, axes = plt.subplots(3, 2, figsize=(8, 11.6), layout="compressed")
for column, title in enumerate(models):
    parts = weights[title].tensor_split(3)
    for row, (part, where) in enumerate(zip(parts, thirds)):
        head_heatmap(
            part.mean((0, 1)),
            maps[title].tokens[0],
            axes[row, column],
            title=f"{title}, {where} of the layers",
            mask=visible[title],
            vmax=top,
            colorbar=False,
        )
        axes[row, column].set(xlabel="", ylabel="")
picture = axes[0, 0].images[0]
fig.colorbar(
    picture, ax=axes, location="bottom", label="mean attention weight", extend="max", aspect=40
)
first = {title: w.tensor_split(3)[1][:, :, 1:, 0].mean() for title, w in weights.items()}
describe(
    fig,
    "Mean attention of BERT and of the GPT by depth. The GPT's maps are triangles, BERT's squares. "
    "In the middle third the first token gets, from all others, "
    + " and ".join(f"{share:.0%} in the {title}" for title, share in first.items())
    + " of the attention.",
)
plt.show()

# %%
# ## Ahead or back?
#
# Attention by offset: what a query gives to the token so many places before or behind it. The first
# and the last token, where many heads rest, are left out as keys.


def by_offset(w, reach):
    """Mean weight for each offset of key minus query, over all heads."""
    mean = w.mean((0, 1))
    n = len(mean)
    place = torch.arange(n)
    inner = (place > 0) & (place < n - 1)
    return [
        mean.where(inner, torch.nan).diagonal(offset).nanmean().item()
        for offset in range(-reach, reach + 1)
    ]


reach = 8
fig, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
profiles = {title: by_offset(w, reach) for title, w in weights.items()}
for (title, profile), marker in zip(profiles.items(), "os"):
    ax.plot(range(-reach, reach + 1), profile, marker=marker, label=title)
ax.axvline(0, color="gray", linestyle=":", linewidth=1)
ax.set(xlabel="tokens from the query: back < 0 < ahead", ylabel="mean attention weight")
ax.set_ylim(bottom=0)
ax.legend()
listing = "; ".join(
    f"{title}: {p[reach - 1]:.3f} to the token before, {p[reach]:.3f} to itself, "
    f"{p[reach + 1]:.3f} to the one after"
    for title, p in profiles.items()
)
describe(fig, f"Mean attention by offset. {listing}.")
plt.show()

# %%

for title, w in weights.items():
    ahead = w.triu(1).sum(-1).mean((1, 2))
    print(
        f"{title}: {ahead.mean():.0%} of the attention goes ahead "
        f"(by layer {ahead.min():.0%} to {ahead.max():.0%})"
    )

# %%
# ## Every head in numbers
#
# [`head_statistics`][interpviz.attention.head_statistics] measures all heads. One dot a head, over
# the depth of its layer; the line is the mean of a layer. The dotted line is a head that spreads
# evenly over all it can see: with a triangle alone, without any choice, a decoder looks less far
# and gives the first token more. Entropy is relative to what each query sees, so it is 1 for both.


def even_head(found, seen):
    """Maps of one layer with one head that spreads evenly over the visible keys."""
    alike = LayerWeights({found.layer_names[0]: (seen / seen.sum(-1, keepdim=True))[None, None]})
    return replace(found, weights=alike, kinds=found.kinds[:1])


columns = {
    "entropy": "entropy, 0 to 1",
    "distance": "distance in tokens",
    "sink_mass": "share on the first token",
    "self_mass": "share on itself",
}
statistics = {title: head_statistics(found) for title, found in maps.items()}
even = {title: head_statistics(even_head(found, visible[title])) for title, found in maps.items()}


def strip(ax, values, color, **line):
    """One dot a head over the depth of its layer, 0 to 1, and the mean of each layer."""
    depth = torch.linspace(0, 1, len(values))
    ax.plot(depth, values.numpy(), ".", color=color, alpha=0.35)
    ax.plot(depth, values.nanmean(1), color=color, **line)


fig, axes = plt.subplots(4, 2, figsize=(7.6, 10), layout="constrained", sharex=True, sharey="row")
for row, (column, label) in zip(axes, columns.items()):
    for ax, title, color in zip(row, models, ("C0", "C1")):
        strip(ax, statistics[title].column(column), color)
        ax.axhline(even[title].column(column).item(), color="gray", linestyle=":")
    row[0].set_ylabel(label)
    row[0].set_ylim(bottom=0)
for ax, title in zip(axes[0], models):
    ax.set_title(f"{title}: {maps[title].kinds[0]}")
for ax in axes[-1]:
    ax.set_xlabel("depth, first to last layer")
caption(fig, ". ".join(m.provenance.caption for m in models.values()))
listing = "; ".join(
    f"{label}: "
    + " and ".join(
        f"{title} {table.column(column).nanmean():.2f} with {level:.2f} for an even spread"
        for title, table in statistics.items()
        for level in even[title].column(column).flatten().tolist()
    )
    for column, label in columns.items()
)
describe(fig, f"Four statistics of all heads by depth, with the means of all heads. {listing}.")
plt.show()

# %%

print(f"{'mean of all heads':<28}" + "".join(f"{title:>7}{'evenly':>8}" for title in models))
for column, label in columns.items():
    print(f"{label:<28}", end="")
    for title, table in statistics.items():
        evenly = even[title].column(column).item()
        print(f"{table.column(column).nanmean():>7.2f}{evenly:>8.2f}", end="")
    print()

# %%
# A head that rests on the first token looks far by these numbers, though it looks for nothing: read
# distance beside the share on the first token. Both kinds of model have such heads. In a decoder
# the first token is the one that every query can see; an encoder can rest on any token that carries
# no word, at the start, at the end or in between. Which tokens get the most?

for title, w in weights.items():
    received = w.mean((0, 1, 2))
    ranked = received.argsort(descending=True)[:3].tolist()
    shares = ", ".join(f"{maps[title].tokens[0][k]!r} {received[k]:.0%}" for k in ranked)
    print(f"{title}: most attention goes to {shares}")

# %%
# ## An encoder of pictures
#
# A vision transformer is an encoder whose tokens are patches. Its distance is one in the picture,
# in patches. Dosovitskiy et al. (ICLR 2021) found heads that look near and heads that look far side
# by side in the lowest layers of a ViT, and far ones only in the highest; Raghu et al. (NeurIPS
# 2021) that it takes many training pictures to learn to look near. The dots are this network's
# heads, as means over three photos.

vit = load_model("vit_small_focus", weights="packaged")
names = ["flower", "coffee", "chelsea"]
x = torch.stack([vit.preprocess(load_photo(name)) for name in names])
pictures = capture_attention(vit.model, x.to(next(vit.model.parameters()).device))
side = isqrt(next(iter(pictures.weights.values())).shape[-1])
patches = torch.stack(
    [attention_distance(w, grid=(side, side)).mean(0) for w in pictures.weights.values()]
).cpu()
evenly = attention_distance(torch.ones(side**2, side**2), grid=(side, side)).item()

fig, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
strip(ax, patches, "C2", label="mean of a layer")
ax.axhline(evenly, color="gray", linestyle=":", label="evenly over the picture")
ax.set(xlabel="depth, first to last layer", ylabel="distance in patches")
ax.set_ylim(bottom=0)
fig.legend(loc="outside upper center", ncols=2)
caption(fig, vit.provenance.caption)
spread = [(layer.max() - layer.min()).item() for layer in patches]
describe(
    fig,
    f"Distance of all heads of the ViT by depth, {side} by {side} patches. The heads of the first "
    f"layer span {spread[0]:.1f} patches, those of the last {spread[-1]:.1f}; an even spread is at "
    f"{evenly:.1f}.",
)
plt.show()

# %%
# How far do the heads of all three look, if an even spread counts as 1? Three lines, each the mean
# of a layer.

relative = {
    title: table.column("distance").mean(1) / even[title].column("distance").item()
    for title, table in statistics.items()
}
relative["ViT"] = patches.mean(1) / evenly
fig, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
for (title, values), marker in zip(relative.items(), "osD"):
    ax.plot(torch.linspace(0, 1, len(values)), values, marker=marker, markersize=4, label=title)
ax.axhline(1, color="gray", linestyle=":", label="evenly")
ax.set(xlabel="depth, first to last layer", ylabel="distance, relative to an even spread")
ax.set_ylim(bottom=0)
fig.legend(loc="outside lower center", ncols=4)
listing = "; ".join(
    f"{title} {values[0]:.2f} in the first layer, {values[-1]:.2f} in the last"
    for title, values in relative.items()
)
describe(fig, f"Mean distance by depth relative to an even spread. {listing}.")
plt.show()

# %%

for title, values in relative.items():
    print(f"{title:<5} by layer {values.min():.2f} to {values.max():.2f}, mean {values.mean():.2f}")

# %%
# What the triangle does to a decoder's heads it does without any training: compare with the dotted
# lines, not with zero. What lies beyond these lines is what the heads learned.
#
# ## The weights and photos behind this page

for m in (*models.values(), vit):
    print(m.provenance)
for photo in photos():
    if photo.name in names:
        print(photo)
