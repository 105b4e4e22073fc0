"""
# Which heads look local, global, causal or dilated?

Four masks that efficient transformers use, and the trained heads that come nearest to each.
Attention over n tokens has n x n entries, and a mask keeps only some of them. Do heads that were
trained with full attention come near such patterns by themselves?
"""

# %%
# ## The masks
#
# Each pattern is a function that returns which keys a query can see, as a boolean array.
# *Local* sees a window, *causal* the past, *global* lets a few tokens see and be seen by all, and
# *dilated* is a window with gaps (Beltagy et al., "Longformer", 2020).

import matplotlib.pyplot as plt
import numpy as np
import torch

from interpviz.attention import (
    capture_attention,
    causal_mask,
    dilated_mask,
    global_mask,
    local_mask,
    pattern_score,
    synthetic_attention,
)
from interpviz.render import describe, head_heatmap, pattern_mask
from interpviz.zoo import load_model

bert, gpt = load_model("bert"), load_model("gpt")
sentence = "The doctor asked the nurse for the file, because she had left it on the table."


def attention_of(m):
    """Tokens and weights (layers, heads, query, key) of the sentence."""
    inputs = m.tokenizer(sentence, return_tensors="pt").to(m.model.device)
    with torch.no_grad():
        maps = capture_attention(m.model, inputs)
    tokens = m.tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
    return tokens, maps.stacked()[:, 0].cpu()


bert_tokens, bert_weights = attention_of(bert)
gpt_tokens, gpt_weights = attention_of(gpt)
n = len(bert_tokens)

masks = {
    "local": local_mask(n, window=1),
    "global": global_mask(n, [0, n - 1]),
    "causal": causal_mask(n),
    "dilated": dilated_mask(n, window=2, dilation=2),
}
fig, axes = plt.subplots(2, 2, figsize=(6.4, 6.8), layout="constrained")
for ax, (name, mask) in zip(axes.flat, masks.items()):
    pattern_mask(mask, ax, title=f"{name}: {mask.mean():.0%} of all entries")
shares = ", ".join(f"{name} {mask.mean():.0%}" for name, mask in masks.items())
describe(fig, f"Four masks of {n} by {n} tokens, with the share of entries each keeps: {shares}.")
plt.show()

# %%
# ## What a head would look like that follows a mask and knows nothing else
#
# [`synthetic_attention`][interpviz.attention.synthetic_attention] spreads each row evenly over what
# the mask lets it see.

fig, axes = plt.subplots(2, 2, figsize=(8, 8.2), layout="constrained")
for ax, (name, mask) in zip(axes.flat, masks.items()):
    head_heatmap(synthetic_attention(mask), bert_tokens, ax, title=name, vmax=1, colorbar=False)
describe(fig, "The four masks as attention: each row is even over the tokens that it can see.")
plt.show()

# %%
# ## The real heads that come nearest
#
# [`pattern_score`][interpviz.attention.pattern_score] compares the share of attention inside the
# mask with the share that an even spread would put there: 1 is all inside, 0 is no better than
# even. For the dilated mask the diagonal is left out, or a head that looks at itself would win.
# Every head of a GPT is causal, because the model is built that way; of these, the one shown is
# the one that spreads most evenly over the past.

scores = {name: pattern_score(bert_weights, mask) for name, mask in masks.items()}
gaps = masks["dilated"] & ~np.eye(n, dtype=bool)
scores["dilated"] = pattern_score(bert_weights, gaps)

fig, axes = plt.subplots(2, 2, figsize=(10, 9), layout="constrained")
found = {}
for ax, name in zip(axes.flat, masks):
    if name == "causal":
        even = torch.from_numpy(synthetic_attention(causal_mask(len(gpt_tokens))))
        distance = (gpt_weights - even).abs().sum((-1, -2))
        layer, head = divmod(int(distance.argmin()), gpt_weights.shape[1])
        found[name] = f"GPT layer {layer} head {head}"
        head_heatmap(
            gpt_weights[layer, head],
            gpt_tokens,
            ax,
            title=f"causal: {found[name]}",
            vmax=1,
            colorbar=False,
        )
        continue
    layer, head = divmod(int(scores[name].argmax()), bert_weights.shape[1])
    found[name] = f"BERT layer {layer} head {head}, score {scores[name].max():.2f}"
    head_heatmap(
        bert_weights[layer, head],
        bert_tokens,
        ax,
        title=f"{name}: {found[name]}",
        vmax=1,
        colorbar=name in ("global", "dilated"),
    )
listing = "; ".join(f"{name}: {who}" for name, who in found.items())
describe(fig, f"The trained heads that come nearest to each pattern. {listing}.")
plt.show()

# %%

for name, who in found.items():
    print(f"{name:<8} {who}")

# %%
# Near and far are both worth knowing. A score near 1 means that a head learned the pattern by
# itself. For *global* that can mean less than it seems: a head that rests on the first or last
# token of every row has the columns of the mask and none of its rows. A score near 0 means that no
# head comes close; the mask then saves entries in a way that this model did not ask for.
#
# More masks, and what each costs, are on [Which sparse mask costs what?](plot_sparse_masks.md). All
# heads of a model get a name on [What does every head of a model do?](plot_every_head_named.md).
#
# ## The weights behind this page

print(bert.provenance)
print(gpt.provenance)
