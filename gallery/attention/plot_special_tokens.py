"""
# What do [CLS] and [SEP] draw?

BERT puts `[CLS]` before a text and `[SEP]` behind it. They carry no word, and yet much of the
attention can rest on them. This page counts it, and then tests whether it matters.
"""

# mkdocs_gallery_thumbnail_number = 4

# %%
# ## A batch of short texts
#
# Six things, each said twice. All texts run as one batch; the maps know which tokens are special or
# padding, because the tokenizer says so.

import matplotlib.pyplot as plt
import torch

from interpviz.attention import capture_attention
from interpviz.render import caption, describe, head_heatmap, layer_head_heatmap
from interpviz.zoo import load_model

m = load_model("bert")
firsts = [
    "The cat slept on the warm cushion, and nobody dared to move it.",
    "We missed the last train, so we walked home through the rain.",
    "Her grandfather, a retired baker, still gets up at four.",
    "The museum is closed on Mondays, but the garden stays open.",
    "If the soup tastes bland, add salt, pepper and a little lemon.",
    "The engineers tested the bridge twice, and it held.",
]
seconds = [
    "Nobody wanted to wake the cat, which was asleep by the sunny window.",
    "After the last train had left without us, we went home on foot, soaked.",
    "The old man baked bread all his life, and he still wakes very early.",
    "On Mondays you can visit the garden, though not the museum.",
    "A soup without taste needs seasoning, for example salt or lemon juice.",
    "Twice the bridge was checked by engineers, and it did not give way.",
]
inputs = m.tokenizer(firsts + seconds, return_tensors="pt", padding=True).to(m.model.device)
maps = capture_attention(m.model, inputs)
weights = maps.stacked().float()
layers, texts, heads, length, _ = weights.shape
print(f"{layers} layers of {heads} heads; {texts} texts of at most {length} tokens")

# %%
# ## How much rests where?
#
# The share of attention that words put on each kind of token. Dotted is the share of each kind
# among all tokens, which is what a head would give that looks everywhere alike. Full stops and
# commas say little too, so they are counted beside. The dotted lines of `[CLS]` and `[SEP]` are
# one, since each text has one of both.

ids, real = inputs["input_ids"], inputs["attention_mask"].bool()
mark = [[not any(letter.isalnum() for letter in token) for token in row] for row in maps.tokens]
kinds = {
    "[CLS]": ids == m.tokenizer.cls_token_id,
    "[SEP]": ids == m.tokenizer.sep_token_id,
    "punctuation": torch.tensor(mark, device=ids.device) & real,
}
kinds["words"] = real & ~torch.stack(list(kinds.values())).any(0)
words = kinds["words"]


def from_words(values, queries=words):
    """Mean over the words of all texts, of values `(layer, text, head, query)`."""
    asked = queries[None, :, None]
    return ((values * asked).sum((1, 3)) / queries.sum()).cpu()


share = {name: from_words((weights * at[:, None, None]).sum(-1)) for name, at in kinds.items()}
even = {name: (at.sum(1) / real.sum(1)).mean().item() for name, at in kinds.items()}

fig, ax = plt.subplots(figsize=(6, 4.2), layout="constrained")
for place, name in enumerate(["[CLS]", "[SEP]", "punctuation"]):
    values = share[name]
    ax.fill_between(range(layers), values.amin(1), values.amax(1), color=f"C{place}", alpha=0.15)
    ax.plot(range(layers), values.mean(1), "o-", color=f"C{place}", label=name)
    ax.axhline(even[name], color=f"C{place}", linestyle=":", linewidth=1)
ax.set(xlabel="layer", ylabel="share of the words' attention", xticks=range(layers), ylim=(0, 1))
fig.legend(loc="outside upper center", ncols=3)
listing = "; ".join(
    f"{name} {', '.join(f'{v:.2f}' for v in share[name].mean(1).tolist())}"
    for name in ("[CLS]", "[SEP]", "punctuation")
)
caption(fig, m.provenance.caption)
describe(fig, f"Share of attention over the layers, mean and range of the heads. {listing}.")
plt.show()

# %%

print("kind         of all tokens   attention by layer")
for name, values in share.items():
    row = " ".join(f"{v:5.0%}" for v in values.mean(1).tolist())
    print(f"{name:<12}{even[name]:>14.0%}  {row}")

# %%
# Clark et al. ("What Does BERT Look At?", BlackboxNLP 2019) found that heads of BERT-base look much
# at `[CLS]` in the first layers, at `[SEP]` in the middle, and at punctuation in the last ones.
# Which token takes the part is a matter of training: see which line is far above its dotted one.
#
# ## Which heads rest?
#
# Both maps have one scale. A frame marks the highest head.

fig, axes = plt.subplots(2, 1, figsize=(6, 1.6 + 0.7 * layers), layout="constrained")
tops = {}
for ax, name in zip(axes, ("[CLS]", "[SEP]")):
    tops[name] = divmod(int(share[name].argmax()), heads)
    layer_head_heatmap(
        share[name],
        ax,
        label="share",
        title=f"attention on {name}",
        vmin=0,
        vmax=1,
        mark=[tops[name]],
    )
listing = "; ".join(
    f"{name}, most in layer {a} head {b}, {share[name][a, b]:.0%}" for name, (a, b) in tops.items()
)
describe(fig, f"Two maps of all heads, layers by heads: share of attention on {listing}.")
plt.show()

# %%
# [`statistics`][interpviz.attention.AttentionMaps.statistics] has the sum of the two as a column.
# It counts what the special tokens look at too, and not only the words.

special = maps.statistics().column("special_mass")
resting = int((special > 0.5).sum())
layer, head = divmod(int(share["punctuation"].argmax()), heads)
print(
    f"{resting} of {special.numel()} heads have more than half of their attention on both together"
)
print(f"most on punctuation: layer {layer} head {head}, {share['punctuation'][layer, head]:.0%}")

# %%
# ## What is left without them?
#
# [`without_special_tokens`][interpviz.attention.AttentionMaps.without_special_tokens] drops their
# rows and columns, and [`renormalised`][interpviz.attention.AttentionMaps.renormalised] makes the
# rest sum to one. Above is the head that rests most, as it is; below, the same head without them.
# A row that had little left is now drawn as bright as any other, so read it with its share in mind.

layer, head = divmod(int((share["[CLS]"] + share["[SEP]"]).argmax()), heads)
left = maps.without_special_tokens().renormalised()
before, after = weights[layer, 0, head], left[layer, head][0]
n, k = int(real[0].sum()), int(left.padding_mask[0].sum())

fig, axes = plt.subplots(2, 1, figsize=(4.9, 9.4), layout="constrained")
head_heatmap(before[:n, :n], maps.tokens[0][:n], axes[0], vmax=1, colorbar=False)
head_heatmap(after[:k, :k], left.tokens[0][:k], axes[1], vmax=1, colorbar=False)
axes[0].set_title(f"layer {layer} head {head}")
axes[1].set_title("the same without special tokens")
fig.colorbar(axes[0].images[0], ax=axes, label="attention weight", shrink=0.4, pad=0.02)
rest = 1 - (share["[CLS]"] + share["[SEP]"])[layer, head].item()
describe(
    fig,
    f"Heat maps of layer {layer} head {head}, with special tokens and without. The words put "
    f"{rest:.0%} of their attention on something else.",
)
plt.show()

# %%
# ## Does it matter?
#
# Two ways to take one token away from every head:
#
# - *Silenced:* heads look at it as before, but it passes on nothing: its values are zero.
# - *Hidden:* nobody can look at it. The attention that rested there has to go elsewhere.
#
# A token that is a resting place and nothing else can be silenced without harm, but not hidden.
# What changes is measured on the mean of the words' final states: one minus the cosine with the one
# before. For comparison the same is done to one punctuation mark or one word of each text, drawn
# three times.

generator = torch.Generator().manual_seed(0)


def one_of(at):
    """One token of a kind in each text."""
    drawn = torch.rand(at.shape, generator=generator).to(at.device).where(at, -1)
    return torch.zeros_like(at).scatter(1, drawn.argmax(1, keepdim=True), True)


def states(hidden=None, silenced=None):
    """Final states of all tokens."""
    changed = dict(inputs)
    if hidden is not None:
        changed["attention_mask"] = inputs["attention_mask"].masked_fill(hidden, 0)

    def silence(_module, _args, values):
        return values if silenced is None else values.masked_fill(silenced[..., None], 0)

    named = m.model.named_modules()
    hooks = [
        module.register_forward_hook(silence)
        for name, module in named
        if name.endswith("self.value")
    ]
    with torch.no_grad():
        found = m.model(**changed).last_hidden_state
    for hook in hooks:
        hook.remove()
    return found


def mean_of(found, at):
    return (found * at[..., None]).sum(1) / at.sum(1, keepdim=True)


plain = states()
changes = {}
for name, at in kinds.items():
    draws = [one_of(at) for _ in range(1 if name.startswith("[") else 3)]
    for way in ("silenced", "hidden"):
        moved = []
        for drawn in draws:
            # The token itself is left out, of both, so that only what others lost is counted.
            rest = words & ~drawn
            moved.append(
                1
                - torch.cosine_similarity(
                    mean_of(states(**{way: drawn}), rest), mean_of(plain, rest)
                )
            )
        changes[name, way] = torch.stack(moved).mean().item()

fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
labels = {"[CLS]": "[CLS]", "[SEP]": "[SEP]", "punctuation": "one mark", "words": "one word"}
for shift, way in ((-0.2, "silenced"), (0.2, "hidden")):
    places = [place + shift for place in range(len(labels))]
    bars = ax.barh(places, [changes[name, way] for name in labels], height=0.38, label=way)
    ax.bar_label(bars, fmt="{:.3f}", padding=3)
ax.set(yticks=range(len(labels)), yticklabels=labels.values(), xlabel="change of the mean state")
ax.invert_yaxis()
ax.margins(x=0.15)
fig.legend(loc="outside upper center", ncols=2)
listing = "; ".join(
    f"{text} {changes[name, 'silenced']:.3f} and {changes[name, 'hidden']:.3f}"
    for name, text in labels.items()
)
caption(fig, m.provenance.caption)
describe(fig, f"Bars: change when one token is silenced, and when it is hidden. {listing}.")
plt.show()

# %%
# What would be a large change? The same measure between texts:

means = torch.nn.functional.normalize(mean_of(plain, words), dim=-1)
apart = 1 - means @ means.T
half = len(firsts)
different = ~torch.eye(half, dtype=torch.bool, device=apart.device)
print(f"the same thing said twice: {apart.diagonal(half).mean():.3f}")
print(f"two different things:      {apart[:half, :half][different].mean():.3f}")

# %%
# Where hiding does much more than silencing, it is not what the token says that counts but that it
# is there to be looked at. A head with nine tenths of its attention on it shows the last tenth at
# ten times its strength once it is gone. Leaving special tokens out of a *picture*, as above,
# changes the picture; leaving them out of the *input* changes what the model computes.
#
# ## Two texts in one input
#
# With a pair of texts there are two `[SEP]`, one behind each. Do heads tell them apart? Each dot is
# a head: the share its tokens put on the separator of the text they are in, and on that of the
# other text. On the line a head treats both alike. The two texts are about equally long, and the
# means are taken over both, so that neither place in the input is at an advantage.

pair = m.tokenizer(firsts, seconds, return_tensors="pt", padding=True).to(m.model.device)
paired = capture_attention(m.model, pair)
looks = paired.stacked().float()
separators = pair["input_ids"] == m.tokenizer.sep_token_id
ends = separators.nonzero()[:, 1].view(-1, 2)
position = torch.arange(separators.shape[1], device=ends.device)
inside = ~paired.special_tokens_mask.to(ends.device) & pair["attention_mask"].bool()
first = position < ends[:, :1]

last = separators & ~first & (position != ends[:, :1])
on_last = (looks * last[:, None, None]).sum(-1)
on_first = (looks * (separators & ~last)[:, None, None]).sum(-1)


def split(at):
    """Attention on the chosen separator and on the other, where `at` chooses the first."""
    choice = at[:, None]
    chosen = (torch.where(choice, on_first, on_last), torch.where(choice, on_last, on_first))
    # Both texts count alike, however long.
    return [
        (from_words(values, inside & first) + from_words(values, inside & ~first)) / 2
        for values in chosen
    ]


near = (position - ends[:, :1]).abs() < (position - ends[:, 1:]).abs()
own, other = split(first)
nearer, farther = split(near)

fig, ax = plt.subplots(figsize=(5.6, 5), layout="constrained")
depth = torch.arange(layers)[:, None].expand(layers, heads)
dots = ax.scatter(other, own, c=depth, cmap="viridis", edgecolors="gray", linewidths=0.5, s=45)
top = 1.08 * float(torch.maximum(own, other).max())
ax.plot([0, top], [0, top], color="gray", linestyle=":", linewidth=1)
ax.set(
    xlim=(0, top),
    ylim=(0, top),
    xlabel="share on the other [SEP]",
    ylabel="share on their own [SEP]",
)
ax.set_aspect("equal")
fig.colorbar(dots, ax=ax, label="layer", shrink=0.8)
above = int((own > other).sum())
layer, head = divmod(int((own - other).argmax()), heads)
describe(
    fig,
    f"One dot a head: {above} of {own.numel()} put more on their own separator. The largest lead "
    f"is in layer {layer} head {head}: {own[layer, head]:.2f} and {other[layer, head]:.2f}.",
)
plt.show()

# %%

for name, one, two in (("their own", own, other), ("the nearer", nearer, farther)):
    lead = one - two
    layer, head = divmod(int(lead.argmax()), heads)
    print(
        f"{name:<10} [SEP]: {one.mean():.3f} against {two.mean():.3f}; most in layer {layer} "
        f"head {head}, {one[layer, head]:.3f} against {two[layer, head]:.3f}"
    )

# %%
# A head that leads for the nearer separator no less than for its own may look at a distance only,
# as on the page about [syntax](plot_syntax_heads.md).
#
# ## The weights behind this page

print(m.provenance)
