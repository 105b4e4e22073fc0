"""
# What does a GPT look at while it writes?

A model that writes reads everything again for each new token: the prompt and what it has written so
far. This page follows a name out of the prompt into the answer, token by token.
"""

# mkdocs_gallery_thumbnail_number = 3

# %%
# ## Let it write
#
# [`capture_attention`][interpviz.attention.capture_attention] with `generate=` lets the model write
# and joins the attention of all steps. The model keeps what it read in a cache, so each step looks
# with one new token only; together the steps give the same triangle as one pass over the whole
# text. The prompt holds a name that no model can know.

import matplotlib.pyplot as plt
import numpy as np
import torch

from interpviz.attention import capture_attention
from interpviz.render import caption, clean_tokens, describe, head_heatmap
from interpviz.zoo import load_model

m = load_model("gpt")
prompt = (
    "The doctor's name is Veronika Halloway. When the phone rings, she says: "
    '"Hello, this is Doctor'
)
inputs = m.tokenizer(prompt, return_tensors="pt").to(m.model.device)
settings = {"max_new_tokens": 13, "do_sample": False, "pad_token_id": m.tokenizer.eos_token_id}
maps = capture_attention(m.model, inputs, tokens=m.tokenizer, generate=settings)

new, given = maps.generated, maps.prompt_length
print("prompt: ", prompt)
print("written:", m.tokenizer.decode(new.ids[0]))

# %%
# `maps.generated` holds what was written, and the logarithm of the probability that the model gave
# to each token when it chose it. The last token has no row in the maps, since the model never read
# it. How sure was the model?

ids = torch.cat([maps.token_ids[0, :given], new.ids[0]]).cpu()
tokens = clean_tokens(maps.tokens[0][:given] + new.tokens[0])
written = range(given, len(tokens))
sure = new.logprobs[0].exp().tolist()

fig, ax = plt.subplots(figsize=(6, 0.27 * len(written) + 1), layout="constrained")
bars = ax.barh(range(len(written)), sure, height=0.75)
ax.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
ax.set(yticks=range(len(written)), xlabel="probability when it was written", xlim=(0, 1.12))
ax.set_yticklabels([tokens[place] for place in written], parse_math=False)
ax.invert_yaxis()
caption(fig, m.provenance.caption)
listing = ", ".join(f"'{tokens[place]}' {p:.2f}" for place, p in zip(written, sure))
describe(fig, f"Bars: the probability of each written token. {listing}.")
plt.show()

# %%
# ## A head that copies
#
# The token before is the one that writes: what it looks at decides what comes next. So take the
# steps that wrote a token of the prompt once more, leave out the first token of the text (see [How
# does a GPT look back?](plot_gpt_looks_back.md)), and see which head looks most at the place that
# the token could be copied from.

weights = maps.stacked()[:, 0].cpu()
layers, heads, n = weights.shape[:3]
places = torch.arange(n)
sources = torch.zeros(n, n, dtype=torch.bool)
for place in written:
    sources[place - 1] = (ids[:n] == ids[place]) & (places < given) & (places > 0)
copied = [place for place in written if sources[place - 1].any()]
asked = [place - 1 for place in copied]
share = (weights * sources).sum(-1)[:, :, asked].mean(-1)
layer, head = divmod(int(share.argmax()), heads)
print("written and also in the prompt:", ", ".join(tokens[place] for place in copied))
print(f"layer {layer} head {head} looks at them with {share.max():.0%} before they are written")

# %%
# Its triangle over the whole text. Below the line are the tokens that the model wrote itself; what
# they look at to the left of the line is the prompt.

see = np.tri(n, dtype=bool)
fig = head_heatmap(weights[layer, head], tokens[:n], mask=see, title=f"Layer {layer}, head {head}")
ax = fig.axes[0]
ax.axhline(given - 0.5, color="C1")
ax.axvline(given - 0.5, color="C1")
strongest = [(place, int(weights[layer, head, place - 1].argmax())) for place in copied]
caption(fig, m.provenance.caption)
listing = ", ".join(f"'{tokens[key]}' before '{tokens[place]}'" for place, key in strongest)
describe(
    fig,
    f"A triangle of {n} tokens with lines where the prompt of {given} ends. The strongest weight "
    f"of tokens that were copied: {listing}.",
)
plt.show()

# %%
# ## What each step looks at, over all heads
#
# The mean over all heads of all layers, without the first token and the token itself, which take
# most in every step. Columns are the written tokens, rows all tokens that could be looked at. A
# ring marks where the same token stands earlier.

rows = weights.mean((0, 1))[given - 1 :]
rows[:, 0] = 0
for row, place in zip(rows, written):
    row[place - 1] = 0
rows = rows / rows.sum(-1, keepdim=True)
seen = torch.stack([places < place - 1 for place in written])

fig, ax = plt.subplots(figsize=(0.3 * len(written) + 2.4, 0.2 * n + 1.2), layout="constrained")
picture = ax.imshow(rows.where(seen, torch.nan).T, cmap="viridis", aspect="auto", vmin=0)
fig.colorbar(picture, ax=ax, label="share of what is left", aspect=40, pad=0.02)
ax.axhline(given - 0.5, color="C1")
earlier = [
    (row, key)
    for row, place in enumerate(written)
    for key in range(1, place - 1)
    if ids[key] == ids[place]
]
for row, key in earlier:
    ax.plot(row, key, "o", markersize=7, markerfacecolor="none", markeredgecolor="#ff6ec7")
ax.set(yticks=range(n), xticks=range(len(written)), xlabel="token that is written")
ax.set_yticklabels(tokens[:n], fontsize=8, parse_math=False)
ax.set_xticklabels([tokens[place] for place in written], rotation=90, parse_math=False)
ax.set_ylabel("token that is looked at (orange: end of the prompt)")
caption(fig, m.provenance.caption)
ringed = [rows[row, key].item() for row, key in earlier]
describe(
    fig,
    f"A map of {len(written)} written tokens by {n} tokens that could be looked at. Earlier places "
    f"of the written token get {np.mean(ringed or [0]):.0%} each on average.",
)
plt.show()

# %%

for row, place in zip(rows, written):
    top = row.topk(3)
    keys = ", ".join(f"{tokens[k]!r} {v:.2f}" for v, k in zip(top.values, top.indices.tolist()))
    print(f"{tokens[place]!r:>12} was written looking at {keys}")
steady = rows[:, 1 : given - 1].amin(0)
key = int(steady.argmax()) + 1
print(f"in every step at least {steady.max():.2f} on {tokens[key]!r}, token {key} of the prompt")

# %%
# A row that is bright from left to right is one more place to rest, and says nothing about the
# token that is written. What changes from column to column does.

# %%
# ## Prompt or own text?
#
# The share of attention that falls on the model's own text, out of all but the first token, by
# layer and step. The own text grows, so some growth means nothing: the line below compares with
# attention that is spread evenly.

steps = weights[:, :, given - 1 :]
own = steps[..., given:].sum(-1)
rest = steps[..., 1:].sum(-1)
by_layer = (own.sum(1) / rest.sum(1)).numpy()
even = np.array([(place - given) / (place - 1) for place in written])

fig, (above, below) = plt.subplots(
    2, 1, figsize=(6.5, 8), height_ratios=(3, 1), sharex=True, layout="constrained"
)
picture = above.imshow(by_layer, cmap="viridis", aspect="auto", vmin=0, vmax=1)
above.set(ylabel="layer")
below.plot(by_layer.mean(0), marker="o", markersize=4, label="mean over layers")
below.plot(even, ":", color="gray", label="spread evenly")
below.set(ylim=(0, 1), ylabel="share", xticks=range(len(written)), xlabel="token that is written")
below.set_xticklabels([tokens[place] for place in written], rotation=90, parse_math=False)
below.legend(frameon=False, fontsize="small", ncols=2)
fig.colorbar(picture, ax=above, label="share on the model's own text", pad=0.01)
caption(fig, m.provenance.caption)
low, high = by_layer.mean(1).argmin(), by_layer.mean(1).argmax()
describe(
    fig,
    f"The share on the own text, {layers} layers by {len(written)} steps: over the layers from "
    f"{by_layer[low].mean():.0%} in layer {low} to {by_layer[high].mean():.0%} in layer {high}. In "
    f"the last step {by_layer[:, -1].mean():.0%}; spread evenly it would be {even[-1]:.0%}.",
)
plt.show()

# %%

print(f"last step: {by_layer[:, -1].mean():.0%} on the own text; spread evenly {even[-1]:.0%}")
print(f"layer {low} looks least at the own text ({by_layer[low].mean():.0%} over all steps)")
print(f"layer {high} looks most at it ({by_layer[high].mean():.0%})")

# %%
# A weight says where a head looked, not what it made of it. Whether heads that look at the name are
# needed to write it is tested in [How does a GPT copy?](plot_induction.md).
#
# ## The weights behind this page

print(m.provenance)
