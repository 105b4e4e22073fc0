"""
# What do BERT's heads do?

Some heads of BERT do one thing that can be said in a few words: look back by one, look ahead by
one, or rest. This page finds them among all heads of all layers, and follows one word.
"""

# %%
# ## Capture the attention of one sentence
#
# [`BERTAttentionVisualizer`][interpviz.attention.BERTAttentionVisualizer] captures the weights of
# every layer while the model runs, whatever attention kernel the model is set to, and gives the
# model back unchanged.

import matplotlib.pyplot as plt
import numpy as np
import torch

from interpviz import BERTAttentionVisualizer
from interpviz.attention import pattern_score, synthetic_attention
from interpviz.render import all_heads_grid, describe
from interpviz.zoo import load_model

m = load_model("bert")
sentence = "The doctor asked the nurse for the file, because she had left it on the table."
inputs = m.tokenizer(sentence, return_tensors="pt").to(m.model.device)
tokens = m.tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])

visualizer = BERTAttentionVisualizer(m.model)
with visualizer, torch.no_grad():
    m.model(**inputs)

weights = visualizer.attention_maps.stacked()[:, 0].cpu()
layers, heads, n, _ = weights.shape
print(f"{layers} layers, {heads} heads each, {n} tokens")

# %%
# ## The whole model on one page
#
# One small square a head, a row of squares a layer. Within a square, rows are the tokens that look
# and columns the tokens looked at. Lines along the diagonal are heads that look a fixed number of
# tokens away; upright lines are tokens that everybody looks at.
# [`all_heads_grid`][interpviz.render.all_heads_grid] draws it.

fig = all_heads_grid(weights)
describe(
    fig,
    f"Small heat maps of all {layers * heads} heads, {layers} rows of {heads}: some have a bright "
    "line along the diagonal, some bright columns, others are spread out.",
)
plt.show()

# %%
# ## All heads of the first layer
#
# The same heads of one layer, with their tokens; each row sums to one. [`visualize_all_heads`]
# [interpviz.attention.AttentionVisualizer.visualize_all_heads] draws them on one colour scale.

fig = visualizer.visualize_all_heads(weights[0], tokens)
plt.show()

# %%
# ## Which heads have a simple rule?
#
# Three rules are tried on every head of the model: look at the token before, look at the token
# after, look at the first or last token, which carry no word.
# [`pattern_score`][interpviz.attention.pattern_score] is 0 for a head that looks everywhere alike
# and 1 for one that does nothing else. The first token has none before it, nor the last one after
# it, so the first two rules cannot quite reach 1:

ends = np.zeros((n, n), dtype=bool)
ends[:, [0, -1]] = True
rules = {
    "the token before": np.eye(n, k=-1, dtype=bool),
    "the token after": np.eye(n, k=1, dtype=bool),
    f"{tokens[0]} and {tokens[-1]}": ends,
}
best = {}
for rule, mask in rules.items():
    scores = pattern_score(weights, mask)
    best[rule] = divmod(int(scores.argmax()), heads)
    perfect = synthetic_attention(mask)
    perfect[~mask.any(1)] = 1 / n  # a token without a target looks everywhere alike
    limit = pattern_score(perfect, mask)
    print(
        f"{rule:<20} layer {best[rule][0]} head {best[rule][1]}: {scores.max():.2f} "
        f"of at most {limit:.2f}"
    )

# %%
# ## The head that looks back by one
#
# A bright line just below the diagonal: each token looks at the one before it.

layer, head = best["the token before"]
fig = visualizer.visualize_attention_head(weights[layer], tokens, head)
plt.show()

# %%
# ## The head that rests
#
# Most heads have nothing to say about most tokens. Attention has to go somewhere, since each row
# sums to one, so it goes to the tokens that carry no word. Clark et al. (BlackboxNLP 2019) found
# this in BERT and read it as "no operation".

layer, head = best[f"{tokens[0]} and {tokens[-1]}"]
fig = visualizer.visualize_attention_head(weights[layer], tokens, head)
plt.show()

# %%
# ## What one word looks at
#
# "She" needs the sentence to mean somebody.
# [`plot_attention_flow`][interpviz.attention.AttentionVisualizer.plot_attention_flow] draws where
# one token looks. Of all heads, here is the one in which "she" looks most at the two people.

she = tokens.index("she")
people = [tokens.index("doctor"), tokens.index("nurse")]
layer, head = divmod(int(weights[:, :, she, people].sum(-1).argmax()), heads)
fig = visualizer.plot_attention_flow(weights[layer], tokens, she, head_idx=head)
plt.show()

# %%

for person in people:
    print(f"{tokens[person]:<8} {weights[layer, head, she, person]:.2f}")
print(f"(layer {layer}, head {head})")

# %%
# A weight says where a head looked, not why the model decided as it did: other heads and layers can
# undo it. Read it as a question to test, not as an answer.
#
# ## Look for yourself
#
# The heads of this layer, to touch: choose one, then move over a token, or reach it with Tab and
# the arrow keys. [`AttentionMaps.view`][interpviz.attention.AttentionMaps.view] makes it. Without
# `layers=` it holds the whole model.

visualizer.attention_maps.view(
    tokens=tokens,
    layers=[layer],
    head=head,
    title="Attention of a BERT",
    alt=f"Heat map of layer {layer} head {head} over the tokens of the sentence.",
)

# %%
# ## The weights behind this page

print(m.provenance)
