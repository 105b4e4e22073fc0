"""
# How does a GPT look back?

A GPT writes from left to right, so each token can look only at itself and at what came before.
What it makes of that freedom: it parks attention on the first token, and it copies.
"""

# %%
# ## A text that repeats itself
#
# The last words repeat the first ones, so there is something to copy.
# [`GPTAttentionVisualizer`][interpviz.attention.GPTAttentionVisualizer] knows that the model is
# causal and leaves blank what a token cannot see.

import matplotlib.pyplot as plt
import numpy as np
import torch

from interpviz import GPTAttentionVisualizer
from interpviz.render import describe, layer_head_heatmap
from interpviz.zoo import load_model

m = load_model("gpt")
text = (
    "The Eiffel Tower stands in Paris. Every year millions of people climb it. "
    "The Eiffel Tower stands"
)
inputs = m.tokenizer(text, return_tensors="pt").to(m.model.device)
ids = inputs["input_ids"][0].tolist()
tokens = m.tokenizer.convert_ids_to_tokens(ids)

visualizer = GPTAttentionVisualizer(m.model)
with visualizer, torch.no_grad():
    logits = m.model(**inputs).logits

weights = torch.stack([w[0] for w in visualizer.attention_maps.weights.values()]).cpu()
layers, heads, n, _ = weights.shape
following = m.tokenizer.decode(logits[0, -1].argmax().item())
print(f"{layers} layers, {heads} heads each, {n} tokens; most likely next: {following!r}")

# %%
# ## The triangle
#
# The heads of the first layer. What is blank is the future. A row of weights is spread over as many
# tokens as there are so far.

fig = visualizer.visualize_all_heads(weights[0], tokens)
plt.show()

# %%
# ## The sink
#
# How much of its attention does each head put on the first token, on average over all later ones?

sink = weights[:, :, 1:, 0].mean(-1)
count = int((sink > 0.5).sum())
fig = layer_head_heatmap(sink, label="share on the first token", title="Attention sinks")
describe(
    fig,
    f"A map of all heads, layers by heads: {count} of {layers * heads} put more than half of their "
    "attention on the first token.",
)
plt.show()

# %%

print(f"{count} of {layers * heads} heads put more than half of their attention on the first token")

# %%
# The first token is not that important. It is only the one that every later token can see, so it
# serves as a place for attention that has nothing to do. Xiao et al. (ICLR 2024) named it the
# attention sink: take it out of a cache and the model falls apart.

layer, head = divmod(int(sink.argmax()), heads)
fig = visualizer.visualize_attention_head(weights[layer], tokens, head)
plt.show()

# %%
# ## The copier
#
# A token that has been seen before can be continued as it was then. An *induction head* does it: it
# looks at the token that came after the earlier copy (Olsson et al., 2022). So mark, for each
# repeated token, what followed it the first time, and see which head looks there.

target = np.zeros((n, n), dtype=bool)
for query in range(n):
    for key in range(1, query):
        target[query, key] = ids[key - 1] == ids[query] and ids[query] in ids[:query]
repeated = target.any(1)
induction = (weights * torch.from_numpy(target)).sum(-1)[:, :, repeated].mean(-1)
layer, head = divmod(int(induction.argmax()), heads)
print(f"layer {layer} head {head}: {induction.max():.0%} of the attention of repeated tokens")

# %%
# Its heat map shows the copy as a second line, below the diagonal, at the end of the text:

fig = visualizer.visualize_attention_head(weights[layer], tokens, head)
plt.show()

# %%
# Where does the head look from the last token, and is it what the model is about to write?

fig = visualizer.plot_attention_flow(weights[layer], tokens, n - 1, head_idx=head)
plt.show()

# %%

row = weights[layer, head, -1]
top = row.topk(3)
for weight, key in zip(top.values.tolist(), top.indices.tolist()):
    print(f"{weight:.2f} on {m.tokenizer.decode([ids[key]])!r} at position {key}")
print("most likely next token:", repr(following))

# %%
# ## The weights behind this page

print(m.provenance)
