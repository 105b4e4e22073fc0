"""
# Where does a token's information come from?

One layer says where it looks, but a token has been mixed many times before it gets there. Four
measures follow attention through the layers, and a test tells which of them to believe.
"""

# %%
# ## A question that has an answer
#
# Which words make two sentences alike? The score is the cosine of their embeddings, each the mean
# of its tokens. It is one number for a sentence, so it can be traced back to the words, and the
# trace can be checked: hide a word, and see what the score loses.

# mkdocs_gallery_thumbnail_number = 3
import matplotlib.pyplot as plt
import torch

from interpviz.attention import capture_attention, max_flow, relevance, rollout
from interpviz.render import (
    attention_graph,
    caption,
    clean_tokens,
    compare_attention,
    describe,
    text_heatmap,
)
from interpviz.zoo import load_model

m = load_model("bert")
pairs = {
    "The doctor told the patient to stay in bed until the fever was gone.": (
        "A physician advised a sick man to rest."
    ),
    "Heavy rain flooded the streets of the old town during the night.": (
        "Water covered the roads after the storm."
    ),
    "The orchestra played a long symphony by Beethoven in the new hall.": (
        "Musicians performed classical music at a concert."
    ),
    "My sister bought a small red car from her neighbour last week.": "A woman got a new vehicle.",
    "The parliament passed a law that lowers the tax on electric cars.": (
        "Lawmakers voted for cheaper green vehicles."
    ),
    "After the match the goalkeeper said that the team had played badly.": (
        "A football player criticised the side."
    ),
    "Scientists found a planet that may have water on its surface.": (
        "Astronomers discovered a new world."
    ),
    "The chef put fresh basil and garlic into the tomato sauce.": (
        "A cook prepared an Italian meal with herbs."
    ),
}
device = m.model.device
inputs = m.tokenizer(list(pairs), return_tensors="pt", padding=True).to(device)
others = m.tokenizer(list(pairs.values()), return_tensors="pt", padding=True).to(device)
ids, real = inputs["input_ids"], inputs["attention_mask"]
words = real.bool() & ~torch.isin(ids, torch.tensor(m.tokenizer.all_special_ids, device=device))


def mean_of_real(values, mask):
    """The mean over the real tokens of each sentence."""
    weight = mask.unsqueeze(-1).to(values)
    return (values * weight).sum(1) / weight.sum(1)


with torch.no_grad():
    targets = mean_of_real(m.model(**others).last_hidden_state, others["attention_mask"])


def likeness(output, mask=real):
    """The cosine of each sentence's embedding with that of its partner."""
    return torch.cosine_similarity(mean_of_real(output.last_hidden_state, mask), targets)


with torch.no_grad():
    intact = likeness(m.model(**inputs))
for value, (first, second) in zip(intact.tolist(), pairs.items()):
    print(f"{value:.2f}  {first} / {second}")

# %%
# ## Four measures
#
# - The attention of the **last layer**, the mean of its heads, is what one would draw at first.
# - [`rollout`][interpviz.attention.rollout] multiplies the layers, with the residual connection as
#   half of each (Abnar and Zuidema, ACL 2020).
# - [`max_flow`][interpviz.attention.max_flow] lets a flow run through the layers, with the weights
#   as capacities (same paper).
# - [`relevance`][interpviz.attention.relevance] multiplies each weight by the gradient of the score
#   and keeps what speaks for it (Chefer et al., ICCV 2021). Only this one knows the question.
#
# The sentences differ in length; the captured maps remember which tokens are padding.

maps = capture_attention(m.model, inputs)
fused = torch.stack([weights.mean(1) for weights in maps.weights.values()])
followed = relevance(m.model, inputs, likeness)
matrices = {
    "last layer": fused[-1],
    "rollout": rollout(maps),
    "max flow": max_flow(maps),
    # A token's relevance for itself holds a 1 that says nothing about the score.
    "relevance": followed.without_itself().tokens,
}
length = int(real[0].sum())
tokens = m.tokenizer.convert_ids_to_tokens(ids[0, :length])
compared = {name: matrices[name][0, :length, :length].cpu() for name in ("last layer", "rollout")}
fig = compare_attention(compared, tokens, columns=1)
caption(fig, m.provenance.caption)
favourites = []
for name, matrix in compared.items():
    column = matrix.mean(0)
    favourites.append(f"{name}: {column.max():.0%} on {tokens[int(column.argmax())]}")
describe(
    fig, f"Two matrices of one sentence, token by token. Their mean row: {'; '.join(favourites)}."
)
plt.show()

# %%
# The last layer mixes states that are mixed already: its columns stand for places, no longer for
# words. The rollout goes back to the words. What it multiplies can be drawn: for the last word, the
# strongest links of each layer on the way down, and what arrives.

word = int(words[0].nonzero().max()) - 1
fig = attention_graph(fused[:, 0, :length, :length], tokens, query_idx=word, residual=0.5)
caption(fig, m.provenance.caption)
arrived = compared["rollout"][word]
listing = ", ".join(f"{tokens[i]} {arrived[i]:.2f}" for i in arrived.argsort(descending=True)[:4])
describe(
    fig,
    f"A graph of {len(fused)} layers: paths from the token {tokens[word]!r} of the last layer down "
    f"to the words. Most arrives at {listing}.",
)
plt.show()

# %%
# ## One text, four colourings
#
# The embedding is the mean of all tokens, so each measure's rows are averaged too. Below them
# stands the answer that they are after: what the score loses when a word is hidden from the model.
# Each row is divided by its greatest value.


def without(hidden):
    """The score with some tokens hidden, shape `(batch,)`."""
    keep = real * ~hidden
    with torch.no_grad():
        return likeness(m.model(input_ids=ids, attention_mask=keep), keep)


found = {name: mean_of_real(matrix, real) for name, matrix in matrices.items()}
alone = torch.eye(ids.shape[1], dtype=torch.bool, device=device)
loss = torch.stack([intact - without(one.expand_as(ids)) for one in alone], dim=1)


def share(values):
    """Values of the words over the greatest of them; NaN for all other tokens."""
    values = values.masked_fill(~words, torch.nan)
    return values / values.nan_to_num(-torch.inf).amax(1, keepdim=True)


rows = {**found, "measured: what the score loses": loss}
shown = torch.stack([share(values)[0, :length] for values in rows.values()])
fig = text_heatmap(
    shown.cpu(), tokens, row_names=list(rows), label="share of the row's greatest", vmin=-1, vmax=1
)
caption(fig, m.provenance.caption)
top = {name: tokens[int(row.nan_to_num(-1).argmax())] for name, row in zip(rows, shown)}
listing = "; ".join(f"{name}: {token}" for name, token in top.items())
describe(fig, f"One sentence, coloured by four measures and by test. The top word: {listing}.")
plt.show()

# %%
# ## Which one is right?
#
# A faithful measure names the words that the score rests on. So hide the words of each sentence in
# the order of each measure, the highest first, and see how fast the score falls. Hiding words at
# random, twenty times, is what must be beaten.

generator = torch.Generator().manual_seed(0)
counts = range(1, 6)


def fall(values, count):
    """The mean loss of the score when the words of the highest values are hidden."""
    order = values.masked_fill(~words, -torch.inf).argsort(-1, descending=True)
    hidden = torch.zeros_like(words).scatter(1, order[:, :count], True)
    return (intact - without(hidden)).mean().item()


falls = {name: [fall(values, count) for count in counts] for name, values in found.items()}
draws = [torch.rand(ids.shape, generator=generator).to(device) for _ in range(20)]
chance = torch.tensor([[fall(draw, count) for count in counts] for draw in draws])
low, high = chance.quantile(0.05, 0), chance.quantile(0.95, 0)

fig, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
for (name, values), marker in zip(falls.items(), "osD^"):
    ax.plot(counts, values, marker=marker, label=name)
ax.plot(counts, chance.mean(0), color="gray", linestyle=":", label="random")
ax.fill_between(counts, low, high, color="gray", alpha=0.25, linewidth=0)
ax.set(xticks=counts, xlabel="words hidden", ylabel="loss of the score")
fig.legend(loc="outside upper center", ncols=3)
caption(fig, m.provenance.caption)
listing = "; ".join(f"{name} {values[2]:.3f}" for name, values in falls.items())
describe(
    fig,
    f"A line chart: loss of the score by words hidden. With three hidden: {listing}; at random "
    f"{chance.mean(0)[2]:.3f}, 90% of the draws from {low[2]:.3f} to {high[2]:.3f}.",
)
plt.show()

# %%


def ranks(values):
    """The place of each number among them, from the least."""
    return values.argsort().argsort().float()


def agreement(values, reference):
    """Spearman's rank correlation over the words of a sentence, as the mean over sentences."""
    found = [
        torch.corrcoef(torch.stack([ranks(v[w]), ranks(r[w])]))[0, 1].item()
        for v, r, w in zip(values, reference, words)
    ]
    return sum(found) / len(found)


print(f"mean score {intact.mean():.2f}; loss with {', '.join(map(str, counts))} words hidden")
listed = {**falls, "random": chance.mean(0).tolist()}
for name, values in listed.items():
    agrees = f"{agreement(found[name], loss):+.2f}" if name in found else ""
    print(f"{name:<11}" + "".join(f"{value:7.3f}" for value in values) + f"{agrees:>8}")
print("last column: rank correlation with the loss when one word alone is hidden")

# %%
# Where max flow looks almost the same everywhere, the reason is in its definition: what reaches a
# word passes the first layer, and the sum of what this layer lets in is the limit. If that is all
# it tells, it ranks words as the first layer does:

first_layer = mean_of_real(fused[0], real)
for name in ("max flow", "rollout"):
    same = agreement(found[name], first_layer)
    print(f"{name:<9} and the first layer: rank correlation {same:.2f}")

# %%
# ## Which words speak for the next one?
#
# A GPT's score is there without being built: the logit of the most probable next token. Its tokens
# cannot look ahead, so every path ends at the first token sooner or later, and a rollout over many
# layers finds little else. The first token is therefore left blank here, and its share printed.

g = load_model("gpt")
prompts = [
    "In winter it is cold. In summer it is",
    "She put the milk back into the fridge and closed the",
    "The Eiffel Tower stands in Paris. The Colosseum stands in",
]


def next_token(prompt):
    """What three measures say of the tokens, and what hiding each costs the next one."""
    given = g.tokenizer(prompt, return_tensors="pt").to(g.model.device)
    captured = capture_attention(g.model, given)
    explained = relevance(g.model, given)
    row = explained.without_itself().row[0]
    last = list(captured.weights.values())[-1]
    count = len(row)
    keep = 1 - torch.eye(count + 1, count, dtype=torch.long, device=row.device)
    with torch.no_grad():
        many = g.model(input_ids=given["input_ids"].expand(count + 1, -1), attention_mask=keep)
    odds = many.logits[:, -1].log_softmax(-1)[:, explained.target[0]]
    measures = {
        "last layer": last.mean(1)[0, -1],
        "rollout": rollout(captured, causal=True)[0, -1],
        "relevance": row,
        "measured: what the log-probability loses": odds[-1] - odds[:-1],
    }
    return given["input_ids"][0], explained.target[0], odds[-1].exp().item(), measures


for prompt in prompts:
    read, target, probability, measures = next_token(prompt)
    *guesses, measured = measures.values()
    print(f"{prompt} ... {g.tokenizer.decode([int(target)])!r} ({probability:.0%})")
    for name, values in zip(measures, guesses):
        both = torch.stack([ranks(values[1:]), ranks(measured[1:])])
        of_first = (values[0] / values.sum()).item()
        print(
            f"   {name:<11}{of_first:5.0%} on the first token; rank correlation of the others "
            f"with the measured loss {torch.corrcoef(both)[0, 1]:+.2f}"
        )

# %%

read, target, probability, measures = next_token(prompts[0])
tokens = g.tokenizer.convert_ids_to_tokens(read)
shown = torch.stack(list(measures.values()))
shown[:, 0] = torch.nan
shown = shown / shown.nan_to_num(0).amax(1, keepdim=True)
names = [*list(measures)[:-1], "measured: loss of log-probability"]
fig = text_heatmap(
    shown.cpu(), tokens, row_names=names, label="share of the row's greatest", vmin=-1, vmax=1
)
caption(fig, g.provenance.caption)
following = g.tokenizer.decode([int(target)]).strip()
read_as = clean_tokens(tokens)
best = {n: read_as[int(row.nan_to_num(-1).argmax())] for n, row in zip(names, shown)}
listing = "; ".join(f"{name}: {token}" for name, token in best.items())
describe(
    fig,
    f"A prompt that the model continues with {following!r} ({probability:.0%}), coloured by three "
    f"measures and by test. The top token behind the first: {listing}.",
)
plt.show()

# %%
# Three prompts and eight sentences are no benchmark. They show how to ask: take a score that you
# care about, and let the measures compete with hiding words at random.
#
# ## The weights behind this page

for used in (m, g):
    print(used.provenance)
