"""
# What breaks when a head is switched off?

A heat map shows where a head looks, not whether anything depends on it. Switching it off does. This
page does so with all heads of BERT and many of a GPT, and compares with a cheaper guess.
"""

# %%
# ## A task for BERT: find the sentence that means the same
#
# Sixteen sentences look for their partners. Two and two share a word that means something else in
# each, such as "bat", so that a sentence has to be read as a whole. Its embedding is the mean of
# its tokens, and the loss is the cross-entropy of its cosines with all possible partners, divided
# by 0.05. Heads are switched off for the sentences that search; their partners stay as they are.

# mkdocs_gallery_thumbnail_number = 2
from math import log

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F

from interpviz.attention import (
    ablate_heads,
    attention_distance,
    attention_entropy,
    capture_attention,
    head_importance,
)
from interpviz.render import caption, clean_tokens, describe, layer_head_heatmap, text_heatmap
from interpviz.zoo import load_model

m = load_model("bert")
pairs = {
    "The bat flew out of the cave at dusk.": "A winged animal left its den in the evening.",
    "His bat broke when he hit the ball.": "Sports equipment cracked during the game.",
    "She paid the money into the bank.": "A woman put her savings into an account.",
    "They sat on the bank and fished.": "Two anglers rested beside the river.",
    "The plant makes steel for ships.": "A factory produces metal.",
    "The plant needs water and light.": "Flowers die in a dry, dark room.",
    "The star shone all night.": "A distant sun was seen in the dark sky.",
    "The star signed pictures for fans.": "A famous actress met her admirers.",
    "The mouse ran behind the wall.": "A rodent hid in the house.",
    "The mouse and the keyboard are new.": "I bought parts for my computer.",
    "The judge left the court.": "A lawyer's day in the chamber of law was over.",
    "The players left the court.": "The tennis match had ended.",
    "The crane lifted the steel beam.": "A machine raised heavy loads at the building site.",
    "The crane stood in the shallow lake.": "A tall bird waited for fish.",
    "He lost the match to a younger man.": "A boxer was beaten by his rival.",
    "He struck a match and lit the fire.": "Someone set wood burning with a small flame.",
}


def tokenized(sentences):
    """The model's inputs for some sentences."""
    return m.tokenizer(list(sentences), return_tensors="pt", padding=True).to(m.model.device)


def embedding(output, mask):
    """Unit vectors, the direction of the mean over a sentence's real tokens."""
    return F.normalize((output.last_hidden_state * mask.unsqueeze(-1)).sum(1), dim=-1)


partners = tokenized(pairs.values())
with torch.no_grad():
    index = embedding(m.model(**partners), partners["attention_mask"])


class Task:
    """Some of the sentences, with the loss of finding their partners."""

    def __init__(self, start, stop):
        self.inputs = tokenized(list(pairs)[start:stop])
        self.truth = torch.arange(start, stop, device=index.device)

    def cosines(self, output):
        return embedding(output, self.inputs["attention_mask"]) @ index.T

    def loss(self, output):
        return F.cross_entropy(self.cosines(output) / 0.05, self.truth, reduction="none")

    def found(self, output):
        return (self.cosines(output).argmax(1) == self.truth).float().mean().item()


half = len(pairs) // 2
everything, ranked, held_out = Task(0, len(pairs)), Task(0, half), Task(half, len(pairs))
with torch.no_grad():
    cosines = everything.cosines(m.model(**everything.inputs))
others = ~torch.eye(len(pairs), dtype=torch.bool, device=cosines.device)
print(f"cosine of partners {cosines.diag().mean():.2f}, of others {cosines[others].mean():.2f}")

# %%
# ## Two measures of importance
#
# [`head_importance`][interpviz.attention.head_importance] has both. `"ablation"` switches off one
# head after another and takes the change of the loss: the truth, at the price of a run for each
# head. `"gradient"` asks how fast the loss would change if each head were turned down a little, for
# all heads in one forward and one backward pass (Michel, Levy and Neubig, NeurIPS 2019). It has no
# sign: it tells how much a head matters, not whether the model would be worse or better without.

guessed = head_importance(m.model, ranked.inputs, ranked.loss).cpu()
measured = head_importance(m.model, ranked.inputs, ranked.loss, method="ablation").cpu()
layers, heads = guessed.shape

fig, axes = plt.subplots(2, 1, figsize=(6, 1.6 + 0.5 * layers), layout="constrained")
layer_head_heatmap(guessed, axes[0], label="|slope|", title="guessed from the gradient", vmin=0)
limit = measured.abs().max().item()
layer_head_heatmap(
    measured,
    axes[1],
    label="change of the loss",
    title="measured: each head switched off",
    cmap="RdBu_r",
    vmin=-limit,
    vmax=limit,
)
caption(fig, m.provenance.caption)
most = divmod(int(measured.argmax()), heads)
better = (measured < 0).float().mean().item()
describe(
    fig,
    f"Two maps of all heads, layers by heads. The loss grows most without layer {most[0]} head "
    f"{most[1]}, by {measured.max():.3f}, and falls without {better:.0%} of the heads.",
)
plt.show()

# %%


def rank_correlation(first, second):
    """Spearman's rank correlation."""
    ranks = [values.flatten().argsort().argsort().float() for values in (first, second)]
    return torch.corrcoef(torch.stack(ranks))[0, 1].item()


def compare(guess, truth):
    """How well the gradient ranks heads, in words."""
    print(f"rank correlation with the change of the loss: {rank_correlation(guess, truth):+.2f}")
    print(
        f"with the size of the change, up or down:      {rank_correlation(guess, truth.abs()):+.2f}"
    )
    print(f"heads without which the loss falls: {(truth < 0).float().mean():.0%}")


compare(guessed, measured)

# %%
# ## How many heads can go?
#
# One head's absence says little of ten. So heads are removed one after another, the least important
# first by each measure, at random, and the most important first. The order comes from one half of
# the sentences and the loss from the other half, so that no measure is judged by what it has seen.


def switched_off(order, count, heads):
    """The first heads of an order, as `ablate_heads` takes them."""
    off = {}
    for number in order[:count].tolist():
        off.setdefault(number // heads, []).append(number % heads)
    return off


@torch.no_grad()
def run(order, count):
    """Loss and share of found partners without the first heads of an order."""
    with ablate_heads(m.model, switched_off(order, count, heads)) as ablated:
        output = ablated(**held_out.inputs)
    return held_out.loss(output).mean().item(), held_out.found(output)


total = layers * heads
counts = [round(total * part / 8) for part in range(9)]
orders = {
    "least first, by gradient": guessed.flatten().argsort(),
    "least first, by ablation": measured.flatten().argsort(),
    "most first, by gradient": guessed.flatten().argsort(descending=True),
}
curves = {name: [run(order, k) for k in counts] for name, order in orders.items()}
generator = torch.Generator().manual_seed(0)
draws = [torch.randperm(total, generator=generator) for _ in range(4)]
chance = torch.tensor([[run(draw, k) for k in counts] for draw in draws])
curves["at random, mean of 4"] = chance.mean(0).tolist()

fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
share = [100 * k / total for k in counts]
for (name, values), line in zip(curves.items(), ("C0o-", "C1s-", "C3^-", ":")):
    colour = {"color": "gray"} if line == ":" else {}
    ax.plot(share, [loss for loss, _ in values], line, label=name, **colour)
low, high = chance[..., 0].amin(0), chance[..., 0].amax(0)
ax.fill_between(share, low, high, alpha=0.2, color="gray", linewidth=0)
ax.set(xlabel="heads switched off, %", ylabel="loss on the other sentences")
ax.set_ylim(bottom=0)
fig.legend(loc="outside upper center", ncols=2)
caption(fig, m.provenance.caption)
listing = "; ".join(f"{name} {values[4][0]:.2f}" for name, values in curves.items())
describe(
    fig,
    f"A line chart: loss by the share of heads switched off, from {curves[name][0][0]:.2f} with "
    f"all heads to {curves[name][-1][0]:.2f} with none. With half of them: {listing}.",
)
plt.show()

# %%

print(f"{'found with heads off':<26}" + "".join(f"{k / total:6.0%}" for k in counts))
for name, values in curves.items():
    print(f"{name:<26}" + "".join(f"{found:6.0%}" for _, found in values))
print(f"found by guessing: {1 / len(pairs):.0%}; loss of guessing: {log(len(pairs)):.2f}")

# %%
# At the right end no head is left: no word knows of another, and the embedding is a mean of single
# words. What is still found there is what the words alone give away. A task that needs no attention
# would make every head look useless, so this end of the curve belongs in the picture.
#
# ## A task for a GPT: the next word
#
# The same for a GPT, with the loss of each next token of a paragraph. The gradient is as cheap as
# before. Switching off is not, so only every few layers are measured.

g = load_model("gpt")
# The opening of Alice's Adventures in Wonderland (Lewis Carroll, 1865).
paragraphs = [
    "Alice was beginning to get very tired of sitting by her sister on the bank, and of having "
    "nothing to do: once or twice she had peeped into the book her sister was reading, but it had "
    "no pictures or conversations in it, “and what is the use of a book,” thought Alice “without "
    "pictures or conversations?”",
    "So she was considering in her own mind (as well as she could, for the hot day made her feel "
    "very sleepy and stupid), whether the pleasure of making a daisy-chain would be worth the "
    "trouble of getting up and picking the daisies.",
]
text, later = (g.tokenizer(p, return_tensors="pt").to(g.model.device) for p in paragraphs)


def each_token(logits, ids):
    """The loss of each token but the first, shape `(batch, token)`."""
    wanted = ids[:, 1:].expand(len(logits), -1)
    return F.cross_entropy(logits[:, :-1].float().transpose(1, 2), wanted, reduction="none")


def next_word(output):
    """The mean loss of a next token of the first paragraph."""
    return each_token(output.logits, text["input_ids"]).mean(1)


slopes = head_importance(g.model, text, next_word).cpu()
deep, wide = slopes.shape
tested = list(range(0, deep, -(-deep // 4)))
changes = head_importance(g.model, text, next_word, method="ablation", layers=tested).cpu()
print(f"{text['input_ids'].shape[1]} tokens; measured: all heads of layers {tested}")
compare(slopes[tested], changes)

# %%

fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for place, layer in enumerate(tested):
    ax.plot(slopes[layer], changes[place], "osD^"[place], label=f"layer {layer}", alpha=0.85)
ax.axhline(0, linewidth=1, color="gray", linestyle=":")
ax.set(xscale="log", xlabel="guessed from the gradient", ylabel="change of the loss")
fig.legend(loc="outside upper center", ncols=3)
caption(fig, g.provenance.caption)
worst = divmod(int(changes.argmax()), wide)
layer, head = tested[worst[0]], worst[1]
missed = (slopes > slopes[layer, head]).sum().item()
describe(
    fig,
    f"A scatter plot of {changes.numel()} heads: the change of the loss when one is switched off, "
    f"against the gradient's guess. The greatest change is that of layer {layer} head {head}, "
    f"{changes.max():+.2f}; by the gradient {missed} of {slopes.numel()} heads come before it.",
)
plt.show()

# %%
# A small step along the slope is not the same as taking a head away. Heads that the gradient
# misses lie above or below the line on the left. Now heads are removed together again, with the
# loss of the paragraph that follows:


@torch.no_grad()
def later_loss(order, count):
    with ablate_heads(g.model, switched_off(order, count, wide)) as ablated:
        return each_token(ablated(**later).logits, later["input_ids"]).mean().item()


parts = [0, 0.1, 0.3]
steps = [round(part * slopes.numel()) for part in parts]
orders = {
    "least first, by gradient": slopes.flatten().argsort(),
    "most first, by gradient": slopes.flatten().argsort(descending=True),
}
losses = {name: [later_loss(order, k) for k in steps] for name, order in orders.items()}
draws = [torch.randperm(slopes.numel(), generator=generator) for _ in range(3)]
chance = torch.tensor([[later_loss(draw, k) for k in steps] for draw in draws])
losses["at random, mean of 3"] = chance.mean(0).tolist()
losses["at random, least of 3"] = chance.amin(0).tolist()
print(f"{'loss with heads off':<26}" + "".join(f"{part:7.0%}" for part in parts))
for name, values in losses.items():
    print(f"{name:<26}" + "".join(f"{value:7.2f}" for value in values))
print(f"loss of guessing among all tokens: {log(g.model.config.vocab_size):.2f}")

# %%
# The first row, beside those at random, tells whether the gradient finds heads that can go; the
# second row, whether it finds those that cannot.

# %%
# ## The head that is missed most
#
# Of the heads that were measured, one's absence costs most. Which words does it cost, and where
# does it look before the word that suffers most, the first ten left aside?

ids = text["input_ids"]
tokens = g.tokenizer.convert_ids_to_tokens(ids[0])
with torch.no_grad():
    intact = each_token(g.model(**text).logits, ids)[0]
    with ablate_heads(g.model, {layer: head}) as ablated:
        without = each_token(ablated(**text).logits, ids)[0]
seen = capture_attention(g.model, text, layers=layer)[0, head][0]
cost = F.pad((without - intact).cpu(), (1, 0), value=torch.nan)
# A word further on has more that can be looked at.
sufferer = 10 + int(cost[10:].argmax())
# The token before a word is the one that predicts it.
looks = seen[sufferer - 1].cpu().masked_fill(torch.arange(len(tokens)) >= sufferer, torch.nan)

words = clean_tokens(tokens)
fig = text_heatmap(
    cost, tokens, title=f"Without layer {layer} head {head}", label="change of the token's loss"
)
caption(fig, g.provenance.caption)
dearest = cost.nan_to_num(0).argsort(descending=True)[:3].tolist()
listing = ", ".join(f"{words[place]!r} {cost[place]:+.2f}" for place in dearest)
describe(
    fig,
    f"The paragraph, coloured by what each token's loss gains without layer {layer} head {head}. "
    f"Most: {listing}.",
)

word = words[sufferer]
fig = text_heatmap(looks, tokens, title=f"Where it looks before {word!r}", label="weight")
caption(fig, g.provenance.caption)
focus = looks.nan_to_num(0).argsort(descending=True)[:3].tolist()
listing = ", ".join(f"{words[place]!r} {looks[place]:.2f}" for place in focus)
describe(fig, f"The paragraph up to {word!r}, coloured by the head's weights. Most: {listing}.")
plt.show()

# %%

first, before, itself = seen[1:, 0].mean(), seen.diagonal(-1).mean(), seen.diagonal()[1:].mean()
print(f"loss {intact.mean():.2f}, without this head {without.mean():.2f}")
print(f"its weights: first token {first:.0%}, the one before {before:.0%}, itself {itself:.0%};")
print(
    f"mean distance {attention_distance(seen, causal=True):.1f} tokens, entropy "
    f"{attention_entropy(seen, causal=True):.2f} of 1"
)
print(f"worse for {(without > intact).float().mean():.0%} of the tokens")

# %%
# So a picture of a head is a question, and this is one way to ask it. What it cannot show: another
# head may do the same, so that neither is missed alone; and what was set to zero is a state that
# the model never met in training.
#
# ## The weights behind this page

for used in (m, g):
    print(used.provenance)
