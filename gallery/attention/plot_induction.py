"""
# How does a GPT copy?

A GPT that meets a name for the second time knows how it goes on. Two kinds of heads work together
for that: one looks back by one token, the other looks behind the earlier copy. What is left of the
copying when they are switched off?
"""

# mkdocs_gallery_thumbnail_number = 3

# %%
# ## Copying, and nothing else
#
# Words drawn at random, then the same words again. Nothing in the first copy can be guessed. In the
# second one everything can, but only by copying: no knowledge of language helps. This is the test
# of Olsson et al. ("In-context Learning and Induction Heads", 2022).

import re

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F

from interpviz import GPTAttentionVisualizer
from interpviz.attention import (
    ablate_heads,
    attention_statistics,
    capture_attention,
    classify_heads,
)
from interpviz.render import caption, describe
from interpviz.zoo import load_model

m = load_model("gpt")
generator = torch.Generator().manual_seed(0)
pieces = m.tokenizer.batch_decode([[token] for token in range(len(m.tokenizer))])
vocabulary = torch.tensor([k for k, p in enumerate(pieces) if re.fullmatch(" [a-z]{3,7}", p)])
n = 16


def repeated_words(texts):
    """Random words, twice: token ids of shape (texts, 2 n)."""
    drawn = torch.randperm(len(vocabulary), generator=generator)[: texts * n]
    return vocabulary[drawn].view(texts, n).repeat(1, 2).to(m.model.device)


def losses(ids):
    """-ln p of each token but the first, mean over the texts."""
    with torch.no_grad():
        logits = m.model(input_ids=ids).logits
    loss = F.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")
    return loss.mean(0).cpu()


found, tested = repeated_words(6), repeated_words(2)
loss = losses(found)
first, second = loss[: n - 1], loss[n:]
print("a text begins:", m.tokenizer.decode(found[0, :6]))

# %%

fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
places = np.arange(2, n + 1)
ax.plot(places, first, marker="o", markersize=3, label="first copy")
ax.plot(places, second, marker="o", markersize=3, label="second copy")
ax.axhline(np.log(len(m.tokenizer)), linestyle=":", color="gray", label="blind guess")
ax.set(xlabel="place within the copy", ylabel="loss: -ln p of the token", ylim=0)
ax.legend(frameon=False, fontsize="small")
caption(fig, m.provenance.caption)
describe(
    fig,
    f"Loss by place: {first.mean():.1f} on average in the first copy, {second.mean():.1f} in the "
    f"second.",
)
plt.show()

# %%

print(f"first copy:  loss {first.mean():5.2f}")
print(f"second copy: loss {second.mean():5.2f}; its first tokens {second[:3].mean():.2f}, ", end="")
print(f"its last ones {second[-3:].mean():.2f}")

# %%
# ## Which heads do it?
#
# An *induction head* looks from a token at what came after its earlier copy, and so at what should
# come next. The column `induction` of
# [`AttentionMaps.statistics`][interpviz.attention.AttentionMaps.statistics] is the share of
# attention on those tokens, `previous_token` that on the token just before. The frame marks the
# head with the highest share of `induction`.

maps = capture_attention(m.model, {"input_ids": found}, tokens=m.tokenizer)
statistics = maps.statistics()
induction, previous = statistics.column("induction"), statistics.column("previous_token")
layers, heads = induction.shape

fig, axes = plt.subplots(
    1, 2, figsize=(8, np.clip(0.32 * layers, 3, 8) + 1), sharey=True, layout="constrained"
)
best = statistics.top("induction")[0]
statistics.plot("previous_token", axes[0], title="Looks at the previous token")
statistics.plot("induction", axes[1], title="Looks behind the earlier copy", mark=[best])
axes[1].set_ylabel("")
caption(fig, m.provenance.caption)
describe(
    fig,
    f"Two maps of {layers} layers by {heads} heads. Most attention behind the earlier copy, in a "
    f"frame: layer {best[0]} head {best[1]}, {induction.max():.0%}.",
)
plt.show()

# %%
# [`classify_heads`][interpviz.attention.classify_heads] names heads only where shuffled attention
# could not have done as well:

types = classify_heads(maps)
for name, scores in (("previous token", previous), ("induction", induction)):
    named = [f"{layer}.{head} ({scores[layer, head]:.2f})" for layer, head in types.of(name)]
    print(f"{name} heads (layer.head, share): {', '.join(named) or 'none'}")

# %%
# The best of them on one of the texts. The second diagonal, at the lower left, is the copying: it
# runs one token to the right of where the same words meet.

visualizer = GPTAttentionVisualizer(m.model)
fig = visualizer.visualize_attention_head(maps.weights[best[0]][0], maps.tokens[0], best[1])
fig.axes[0].set_title(f"Layer {best[0]}, head {best[1]}")
plt.show()

# %%
# ## The same head on a real text
#
# A made-up name comes twice, and only the text can tell how it goes on.

text = (
    "The ferryman was called Wendel Ashgrove. He crossed the river nine times a day and never "
    "spoke. When he died, the whole town came to bury Wendel"
)
story = m.tokenizer(text, return_tensors="pt").to(m.model.device)
read = capture_attention(m.model, story)
words = read.tokens[0]
fig = visualizer.plot_attention_flow(read.weights[best[0]], words, len(words) - 1, head_idx=best[1])
plt.show()

# %%


def next_token():
    """The probability of each next token of the story."""
    with torch.no_grad():
        return m.model(**story).logits[0, -1].softmax(-1).cpu()


likely = next_token().topk(3)
for p, token in zip(likely.values, likely.indices):
    print(f"{p:.2f} for {m.tokenizer.decode([token])!r} as the next token")
answer = int(likely.indices[0])

# %%
# ## Is it these heads?
#
# Where a head looks is not yet what it does. So switch heads off with
# [`ablate_heads`][interpviz.attention.ablate_heads]: those with the highest induction scores, and
# as many others of the same layers, drawn at random three times. The random words are new ones, not
# those that the heads were chosen on.


def others(chosen):
    """As many other heads of the same layers, drawn at random."""
    drawn = []
    for layer in dict.fromkeys(layer for layer, _ in chosen):
        off = [head for k, head in chosen if k == layer]
        free = [head for head in range(heads) if head not in off]
        order = torch.randperm(len(free), generator=generator)[: len(off)]
        drawn += [(layer, free[k]) for k in order]
    return drawn


def without(off):
    """Loss on both copies of new words, and the probability of the story's next token."""
    with ablate_heads(m.model, off):
        loss = losses(tested)
        return [loss[: n - 1].mean().item(), loss[n:].mean().item(), next_token()[answer].item()]


counts = [2, 4, 8]
ranked = statistics.top("induction", counts[-1])
intact = without([])
top = np.array([intact] + [without(ranked[:k]) for k in counts])
draws = np.array([[without(others(ranked[:k])) for _ in range(3)] for k in counts])

fig, axes = plt.subplots(2, 1, figsize=(6.5, 7), sharex=True, layout="constrained")
for ax, column in zip(axes, (1, 2)):
    ax.plot([0, *counts], top[:, column], marker="o", label="induction heads off")
    mean = [intact[column], *draws[:, :, column].mean(1)]
    ax.plot([0, *counts], mean, marker="s", markersize=4, label="other heads off, mean")
    ax.plot(np.repeat(counts, 3), draws[:, :, column].ravel(), "x", color="C1", label="each draw")
axes[0].plot([0, *counts], top[:, 0], ":", color="gray")
axes[0].annotate(
    "first copy, induction heads off", (0, top[0, 0]), (0, -4), textcoords="offset points", va="top"
)
axes[0].set(ylabel="loss on the second copy", ylim=(0, None), title="Random words, twice")
piece = m.tokenizer.decode([answer])
axes[1].set(ylabel=f"probability of '{piece}'", ylim=(0, 1), xlabel="heads switched off")
axes[1].set(title="The story's next token", xticks=[0, *counts])
handles, labels = axes[0].get_legend_handles_labels()
fig.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize="small")
caption(fig, m.provenance.caption)
describe(
    fig,
    f"Loss on the second copy with {counts[-1]} heads off: {top[-1, 1]:.1f} for induction heads, "
    f"{draws[-1, :, 1].mean():.1f} for others, {intact[1]:.1f} with none. Probability of the "
    f"story's next token: {top[-1, 2]:.2f}, {draws[-1, :, 2].mean():.2f} and {intact[2]:.2f}.",
)
plt.show()

# %%

print("heads off   second copy: induction   others   |   next token: induction   others")
for k, one, many in zip(counts, top[1:], draws.mean(1)):
    print(f"{k:>9}{one[1]:>25.2f}{many[1]:>9.2f}{one[2]:>27.2f}{many[2]:>9.2f}")
print(f"none     {intact[1]:>25.2f}{intact[1]:>9.2f}{intact[2]:>27.2f}{intact[2]:>9.2f}")

# %%
# The dotted line tells whether the model as a whole was hurt: the first copy cannot be guessed with
# or without these heads. In a story there are more ways to the next word than copying, so less may
# change there.
#
# ## What do induction heads live on?
#
# To look behind the earlier copy, a head must know of each token what came before it. The heads
# that look at the previous token bring it there (Olsson et al. call it composition). If so, an
# induction head must lose its pattern when such a head in a layer below is off. Each is switched
# off alone, and for comparison two other heads of its layer, also one at a time.

copiers = types.of("induction")[:5] or [best]
below = statistics.top("previous_token", previous.numel())
below = [one for one in below if one[0] < max(best[0], 1)]
feeders = [one for one in types.of("previous token") if one in below][:4] or below[:1]


def score(off):
    """Mean induction score of the induction heads."""
    with ablate_heads(m.model, off):
        column = attention_statistics(m.model, {"input_ids": tested}).column("induction")
    return np.mean([column[layer, head] for layer, head in copiers])


whole = score([])
one_off = [score([one]) for one in feeders]
controls = [[score(others([one])) for _ in range(2)] for one in feeders]

fig, ax = plt.subplots(figsize=(6.5, 0.5 * len(feeders) + 1.6), layout="constrained")
rows = np.arange(len(feeders))
ax.axvline(whole, linestyle=":", color="gray", label="none off")
ax.plot(one_off, rows, "o", markersize=9, label="this head off")
ax.plot(np.ravel(controls), rows.repeat(2), "x", label="another of its layer off")
ax.set(yticks=rows, xlim=(0, 1), xlabel="mean score of the induction heads")
ax.set_yticklabels([f"layer {layer}, head {head}" for layer, head in feeders])
ax.margins(y=0.15)
ax.invert_yaxis()
fig.legend(loc="outside upper center", ncols=3, frameon=False, fontsize="small")
caption(fig, m.provenance.caption)
listing = ", ".join(f"layer {k} head {h} {s:.2f}" for (k, h), s in zip(feeders, one_off))
describe(
    fig,
    f"Mean score of the induction heads with one previous-token head off: {listing}; with none off "
    f"{whole:.2f}, with another head off {np.mean(controls):.2f} on average.",
)
plt.show()

# %%

feeder = feeders[int(np.argmin(one_off))]
print(f"none off {whole:.2f}; layer {feeder[0]} head {feeder[1]} off {min(one_off):.2f}; ", end="")
print(f"other heads off {np.min(controls):.2f} to {np.max(controls):.2f}")

# %%
# A dot far to the left is a head that feeds them. A dot on the dotted line looks back as well, but
# they do not need it. A cross far to the left is a head that looks elsewhere and yet brings
# something that they need.
#
# ## The weights behind this page

print(m.provenance)
