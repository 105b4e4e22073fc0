"""
# What does every head of a model do?

All heads of a BERT and of a GPT, each named after the pattern that it follows, if it follows one.
How sure is a name, would noise get one too, and does a head keep its name on other texts?
"""

# %%
# ## Names on eight texts
#
# [`classify_heads`][interpviz.attention.classify_heads] holds each head against eleven patterns. A
# head gets the name of one that holds enough of its attention, more than chance would put there.
# Short texts prove little, so these are eight passages from books, some shortened, as one batch.

# mkdocs_gallery_thumbnail_number = 1
import matplotlib.pyplot as plt
import numpy as np
import torch

from interpviz.attention import HEAD_TYPES, capture_attention, classify_heads
from interpviz.render import describe, head_heatmap
from interpviz.zoo import load_model

# Melville, Austen, Carroll, Dickens, Thoreau, Shelley, Wells and Darwin, all in the public domain.
texts = [
    "Some years ago, never mind how long precisely, having little or no money in my purse, and "
    "nothing particular to interest me on shore, I thought I would sail about a little and see "
    "the watery part of the world.",
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, "
    "must be in want of a wife. However little known the feelings or views of such a man may be "
    "on his first entering a neighbourhood, this truth is well fixed.",
    "Alice was beginning to get very tired of sitting by her sister on the bank, and of having "
    "nothing to do: once or twice she had peeped into the book her sister was reading, but it had "
    "no pictures or conversations in it.",
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age "
    "of foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the "
    "season of Light, it was the season of Darkness.",
    "When I wrote the following pages, or rather the bulk of them, I lived alone, in the woods, a "
    "mile from any neighbor, in a house which I had built myself, on the shore of Walden Pond, in "
    "Concord, Massachusetts.",
    "It was on a dreary night of November that I beheld the accomplishment of my toils. With an "
    "anxiety that almost amounted to agony, I collected the instruments of life around me, that I "
    "might infuse a spark of being into the lifeless thing.",
    "No one would have believed in the last years of the nineteenth century that this world was "
    "being watched keenly and closely by intelligences greater than man's and yet as mortal as his "
    "own.",
    "There is grandeur in this view of life, with its several powers, having been originally "
    "breathed into a few forms or into one; and that from so simple a beginning endless forms most "
    "beautiful and most wonderful have been, and are being, evolved.",
]
models = {"BERT": load_model("bert"), "GPT": load_model("gpt")}
captured, found = {}, {}
for title, m in models.items():
    m.tokenizer.pad_token = m.tokenizer.pad_token or m.tokenizer.eos_token
    inputs = m.tokenizer(texts, return_tensors="pt", padding=True).to(m.model.device)
    captured[title] = capture_attention(m.model, inputs)
    padding = captured[title].padding_mask
    found[title] = classify_heads(captured[title], padding_mask=padding)
    print(f"{title}: {len(captured[title])} layers, {int(padding.sum())} tokens")

fig = found["BERT"].plot(title=f"BERT: {models['BERT'].provenance.architecture}")
plt.show()

# %%

fig = found["GPT"].plot(title=f"GPT: {models['GPT'].provenance.architecture}")
plt.show()

# %%
# A dot is a head without a name. A cell tells where a head looks, on these texts; it does not tell
# what the model needs the head for.
#
# ## Tokens that come twice
#
# Induction, to continue a repetition as it went before, shows where there is nothing else to go by:
# on random tokens, said twice (Olsson et al., 2022). Tokens at both ends of the vocabulary, which
# are special ones in many models, are left out.

generator = torch.Generator().manual_seed(0)
for title, m in models.items():
    size = m.model.config.vocab_size
    once = torch.randint(1000, size - 1000, (4, 24), generator=generator)
    twice = torch.cat([once, once], 1).to(m.model.device)
    maps = capture_attention(m.model, {"input_ids": twice})
    found[f"{title}, repeated"] = classify_heads(maps, twice)

fig = found["GPT, repeated"].plot(title="GPT, random tokens said twice")
plt.show()

# %%
# ## How many heads have which name?

counts = {run: types.count() for run, types in found.items()}
named = [name for name in (*HEAD_TYPES, "none") if any(name in count for count in counts.values())]
shares = {
    run: np.array([counts[run].get(name, 0) / types.names.size for name in named])
    for run, types in found.items()
}
fig, axes = plt.subplots(1, 2, figsize=(7, 4.2), layout="constrained", sharey=True, sharex=True)
rows = np.arange(len(named))
for ax, title in zip(axes, models):
    ax.barh(rows - 0.2, shares[title], height=0.38, label="eight texts")
    ax.barh(rows + 0.2, shares[f"{title}, repeated"], height=0.38, label="random tokens, twice")
    ax.set(title=title, xlabel="share of the heads", yticks=rows)
    ax.set_yticklabels(named)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
axes[0].invert_yaxis()
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
listing = "; ".join(
    f"{run}: " + ", ".join(f"{name} {number}" for name, number in count.items())
    for run, count in counts.items()
)
describe(fig, f"Bars: the share of heads with each name. {listing}.")
plt.show()

# %%

print(f"{'heads':<16}" + "".join(f"{run:>16}" for run in found))
for name in named:
    print(f"{name:<16}" + "".join(f"{counts[run].get(name, 0):>16}" for run in found))
print(f"{'all':<16}" + "".join(f"{types.names.size:>16}" for types in found.values()))

# %%
# ## One real head of each name
#
# The head with the highest score of each name, on the opening of a sentence that repeats itself, so
# that there is something to continue.

short = texts[3].partition(", it was the epoch")[0]
tokens, weights, visible = {}, {}, {}
for title, m in models.items():
    maps = capture_attention(m.model, m.tokenizer(short, return_tensors="pt").to(m.model.device))
    tokens[title] = maps.tokens[0]
    weights[title] = maps.stacked()[:, 0].cpu()
    seen = torch.ones(weights[title].shape[-2:], dtype=torch.bool)
    visible[title] = seen.tril() if maps.kinds[0] == "decoder" else seen

best = {}
for name in named[:-1] if "none" in named else named:
    candidates = [
        (types.scores[types.of(name)[0]], run, types.of(name)[0])
        for run, types in found.items()
        if types.of(name)
    ]
    best[name] = max(candidates)

fig, axes = plt.subplots(
    -(-len(best) // 2), 2, figsize=(8.4, 4.6 * -(-len(best) // 2)), layout="constrained"
)
for ax in axes.flat[len(best) :]:
    ax.remove()
for ax, (name, (score, run, (layer, head))) in zip(axes.flat, best.items()):
    title = run.split(",")[0]
    head_heatmap(
        weights[title][layer, head],
        tokens[title],
        ax,
        mask=visible[title],
        title=f"{name}, {score:.2f}\n{title} layer {layer} head {head}",
        vmax=1,
        colorbar=False,
    )
listing = "; ".join(
    f"{name}: {run.split(',')[0]} layer {layer} head {head}"
    for name, (_, run, (layer, head)) in best.items()
)
describe(
    fig, f"A heat map of the best head of each name, on a text that repeats itself. {listing}."
)
plt.show()

# %%
# ## How sure is a name?
#
# What would chance do? The weights of every row are shuffled among the keys that the query sees, so
# a head keeps its values and loses its places. Here is the highest score of each head, over all
# patterns but *uniform*, which does not ask for places.


def shuffled(weights, visible):
    """The weights of each row, in a random order of the visible keys."""
    order = torch.rand(weights.shape, generator=generator).masked_fill(~visible, 2.0).argsort(-1)
    places = (~visible).int().argsort(dim=-1, stable=True).expand_as(order)
    return torch.zeros_like(weights).scatter(-1, order, weights.gather(-1, places)) * visible


chance = {}
for title, maps in captured.items():
    real = maps.padding_mask.cpu()
    seen = real[:, None, :, None] & real[:, None, None]
    seen = seen.tril() if maps.kinds[0] == "decoder" else seen
    layers = [shuffled(layer.cpu(), seen) for layer in maps.weights.values()]
    chance[title] = classify_heads(layers, maps.tokens, padding_mask=real)


def highest(types):
    """The highest score of each head over all patterns that ask for places."""
    scores = [values for name, values in types.all_scores.items() if name != "uniform"]
    return np.nanmax(scores, axis=0).flatten()


fig, axes = plt.subplots(2, 1, figsize=(6, 5), layout="constrained", sharex=True)
bins = np.linspace(-0.05, 1, 43)
for ax, title in zip(axes, models):
    ax.hist(highest(found[title]), bins, alpha=0.8, label="as trained")
    ax.hist(highest(chance[title]), bins, alpha=0.8, label="shuffled")
    ax.axvline(0.4, color="gray", linestyle=":", label="least score for a name")
    ax.set(title=title, ylabel="heads")
axes[1].set_xlabel("highest score of a head")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
most = {title: highest(types).max() for title, types in chance.items()}
names = {title: int((types.names != "none").sum()) for title, types in chance.items()}
listing = "; ".join(
    f"{title}: shuffled heads reach {most[title]:.2f} and {names[title]} get a name"
    for title in models
)
describe(fig, f"Histograms of the highest score of each head, as trained and shuffled. {listing}.")
plt.show()

# %%

for title, types in chance.items():
    size = types.names.size
    print(
        f"{title}: {(found[title].names != 'none').sum()} of {size} heads have a name; shuffled: ",
        end="",
    )
    print(f"{names[title]} (highest score {most[title]:.2f}) {types.count()}")

# %%
# *Uniform* does not ask where the weights lie, so shuffling leaves it as it is: a head that was
# even is even still.
#
# And could the name be another? Some names lie within others: who looks at the token before also
# looks near. The wider name then scores as high or higher, and yet the narrower one is given where
# it explains at least two thirds of that. So the rival that counts is the best of the other names
# that are not wider. *Uniform* is left out, for its score has another scale.

wider = {
    "previous token": ("local", "dilated"),
    "next token": ("local", "dilated"),
    "self": ("local",),
    "local": ("dilated",),
    "first token": ("global",),
    "separator": ("global",),
    "induction": ("duplicate token", "dilated"),
    "duplicate token": ("dilated",),
}


def rival(types, layer, head):
    """The highest score of a head among the names that are neither its own nor wider."""
    name = types.names[layer, head]
    left_out = {name, "uniform", *wider.get(name, ())}
    scores = [
        all_[layer, head] for other, all_ in types.all_scores.items() if other not in left_out
    ]
    return np.nanmax(scores)


fig, axes = plt.subplots(2, 1, figsize=(5.6, 7.6), layout="constrained", sharex=True, sharey=True)
doubts = {}
for ax, title in zip(axes, models):
    types = found[title]
    places = np.argwhere((types.names != "none") & (types.names != "uniform"))
    first = np.array([types.scores[tuple(place)] for place in places])
    second = np.array([rival(types, *place) for place in places])
    near = first - second < 0.1
    doubts[title] = int(near.sum()), len(places)
    ax.scatter(second[~near], first[~near], s=18, alpha=0.7, label="further apart")
    ax.scatter(second[near], first[near], s=24, marker="D", label="less than 0.1 apart")
    ax.axline((0, 0), slope=1, color="gray", linestyle=":", linewidth=1)
    ax.set(title=title, ylabel="score of the name", xlim=(-0.03, 1.03), ylim=(0.35, 1.03))
axes[1].set_xlabel("score of its rival")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
listing = "; ".join(f"{title} {close} of {size}" for title, (close, size) in doubts.items())
describe(fig, f"Score of each name against its rival. Less than 0.1 apart: {listing}.")
plt.show()

# %%

for title, (close, size) in doubts.items():
    print(f"{title}: {close} of {size} names have a rival less than 0.1 below")

# %%
# ## Does a head keep its name?
#
# The texts are split in two halves of four, and the heads named on each alone.

halves = {}
for title, maps in captured.items():
    halves[title] = [
        classify_heads(
            [layer[part] for layer in maps.weights.values()],
            maps.tokens[part],
            padding_mask=maps.padding_mask[part],
        ).names.flatten()
        for part in (slice(0, 4), slice(4, 8))
    ]

fig, axes = plt.subplots(2, 1, figsize=(6, 6.4), layout="constrained", sharex=True)
for ax, (title, (one, two)) in zip(axes, halves.items()):
    present = [name for name in (*HEAD_TYPES, "none") if name in one]
    same = [(two[one == name] == name).mean() for name in present]
    lost = [0 if name == "none" else (two[one == name] == "none").mean() for name in present]
    other = 1 - np.add(same, lost)
    rows = range(len(present))
    ax.barh(rows, same, label="the same")
    ax.barh(rows, other, left=same, label="another")
    ax.barh(rows, lost, left=np.add(same, other), color="gray", label="none any more")
    ax.set_yticks(rows, [f"{name} ({(one == name).sum()})" for name in present])
    ax.invert_yaxis()
    ax.set_title(f"{title}: {(one == two).mean():.0%} of all heads keep their name")
axes[1].set_xlabel("share of the heads with the name on the first half")
axes[1].xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
agree = {title: float((one == two).mean()) for title, (one, two) in halves.items()}
listing = ", ".join(f"{title} {share:.0%}" for title, share in agree.items())
describe(
    fig,
    "Stacked bars: what the heads that have a name on the first four texts are called on the other "
    f"four. Heads with the same name on both: {listing}.",
)
plt.show()

# %%

for title, (one, two) in halves.items():
    either = (one != "none") | (two != "none")
    both = (one != "none") & (two != "none")
    merged = [
        np.where(np.isin(part, ["first token", "global"]), "fixed", part) for part in (one, two)
    ]
    print(f"{title}: of {one.size} heads {(one == two).mean():.0%} are called alike on both halves")
    print(f"  of those with a name on either half: {(one == two)[either].mean():.0%}")
    print(f"  of those with a name on both halves: {(one == two)[both].mean():.0%}")
    alike = (merged[0] == merged[1]).mean()
    print(f"  of all, with 'first token' and 'global' taken as one: {alike:.0%}")

# %%
# A name belongs to a head and a kind of text. *First token* and *global* are near to each other: a
# head that rests on one token of the text rests on the first one, or on a few others, as the text
# has them. Read such a map as a first look, and test what a head is for by taking it away.
#
# ## The weights behind this page

for m in models.values():
    print(m.provenance)
