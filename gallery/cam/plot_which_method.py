"""
# Which method for which question

Plain Grad-CAM answers one question: where is the evidence for this class? Here are six others, the
method that answers each, and the figure that shows why.
"""

# %%
# ## Where are all of them?
#
# One large cup and two small ones. Grad-CAM's weights may be below zero, and what they take away
# hits the weak objects first. [`GradCAMPlusPlus`][interpviz.cam.GradCAMPlusPlus] only adds. The
# line goes around all that is above one half.

# mkdocs_gallery_thumbnail_number = 4
import warnings
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn
from torchvision.transforms.functional import gaussian_blur

from interpviz import GradCAM, GradCAMPlusPlus
from interpviz.cam import (
    AblationCAM,
    DeepFeatureFactorization,
    EigenCAM,
    EigenGradCAM,
    FinerCAM,
    LayerCAM,
    RandomCAM,
    ScoreCAM,
)
from interpviz.render import caption, describe, map_panels
from interpviz.zoo import load_model, load_photo, photos

m = load_model("efficientnet_lite0")
last = m.target_layer
cat, cup = load_photo("chelsea"), load_photo("coffee")

boxes = [(0, 0, 280), (300, 40, 120), (300, 300, 148)]
cups = Image.new("RGB", (448, 448), (90, 60, 40))
for left, top, side in boxes:
    cups.paste(ImageOps.fit(cup, (side, side)), (left, top))


def seen(size, box):
    """Where a box of a picture lies in what the network sees of it, True or False a pixel."""
    mask = Image.new("L", size)
    mask.paste(255, box)
    return torch.from_numpy(np.asarray(m.view(mask))[..., 0] > 127)


x, view = m.preprocess(cups)[None], m.view(cups)
adding = {"Grad-CAM": GradCAM, "Grad-CAM++": GradCAMPlusPlus}
maps = [kind(m.model, last)(x, "espresso")[0] for kind in adding.values()]
weakest = [
    min(
        heat[seen(cups.size, (left, top, left + side, top + side))].max().item()
        for left, top, side in boxes
    )
    for heat in maps
]
titles = [f"{name}\nweakest cup: {peak:.0%}" for name, peak in zip(adding, weakest)]
fig = map_panels(view, maps, titles, photo_title="espresso?\n")
for ax, heat in zip(fig.axes[1:], maps):
    ax.contour(heat, [0.5], colors="white", linewidths=1.5)
caption(fig, m.provenance.caption)
listing = ", of ".join(f"{name} {peak:.0%}" for name, peak in zip(adding, weakest))
describe(
    fig,
    "A large cup and two small ones with two maps for espresso. Brightest point of the weakest "
    f"cup: of {listing}.",
)
plt.show()

# %%
# There is a price. What only adds also adds for other objects: with a cat in the picture, more of
# the cup's map falls on the cat.

mosaic = Image.new("RGB", (448, 448))
mosaic.paste(ImageOps.fit(cat, (448, 224)), (0, 0))
mosaic.paste(ImageOps.fit(cup, (448, 224)), (0, 224))
pair, pair_view = m.preprocess(mosaic)[None], m.view(mosaic)
classes = ["tiger cat", "espresso"]
half = pair.shape[-1] // 2


def on_its_own(heats):
    """The share of the cat's map on the cat, and of the cup's map on the cup."""
    return [
        (heats[0][:half].sum() / heats[0].sum()).item(),
        (heats[1][half:].sum() / heats[1].sum()).item(),
    ]


print(f"{'':<12}  weakest of three cups   cup's map on the cup, beside a cat")
for (name, kind), peak in zip(adding.items(), weakest):
    share = on_its_own(kind(m.model, last).class_maps(pair, classes).maps)[1]
    print(f"{name:<12}  {peak:21.0%}   {share:34.0%}")

# %%
# [Grad-CAM or Grad-CAM++?](plot_gradcam_or_gradcam_plus_plus.md) looks closer at the two.
#
# ## Where exactly?
#
# The last layer has few positions, so its map is a blot. At an early layer Grad-CAM, with one
# weight a channel, lights up whatever looks alike: here the trees.
# [`LayerCAM`][interpviz.cam.LayerCAM] weighs every position by itself and stays on the building. Of
# several layers, `fuse="product"` keeps what all of them show.

palace = load_photo("china")
x, view = m.preprocess(palace)[None], m.view(palace)
early = "blocks.3"
kinds = {
    "Grad-CAM,\nlast layer": GradCAM(m.model, last),
    "Grad-CAM,\nearly layer": GradCAM(m.model, early),
    "LayerCAM,\nearly layer": LayerCAM(m.model, early),
    "LayerCAM,\nboth, by product": LayerCAM(m.model, [early, last], fuse="product"),
}
maps = {name: kind(x, "palace")[0] for name, kind in kinds.items()}
fig = map_panels(view, list(maps.values()), list(maps), photo_title="palace?\n")
caption(fig, m.provenance.caption)

building = seen(palace.size, (70, 20, 345, 345))
shares = {name: (heat[building].sum() / heat.sum()).item() for name, heat in maps.items()}
listing = ", ".join(f"{n.replace(chr(10), ' ')} {share:.0%}" for n, share in shares.items())
describe(
    fig,
    "A palace above trees, and four maps: a large blot; specks on building and trees; specks on "
    "the building; the same specks without those beside it. "
    f"Share of each on the building: {listing}.",
)
plt.show()

# %%
# Two numbers say how good and how fine a map is: its share on the building, and how much of the
# picture holds the brighter half of it.


def half_of_it(heat):
    """The smallest share of the picture that holds half of a map."""
    values = heat.flatten().sort(descending=True).values.cumsum(0)
    return (values < values[-1] / 2).float().mean().item()


print(f"{'':<26}  on the building   half of it lies on")
for name, heat in maps.items():
    print(f"{name.replace(chr(10), ' '):<26}  {shares[name]:15.0%}   {half_of_it(heat):18.0%}")
print(f"{'any map, by chance':<26}  {building.float().mean():15.0%}")

# %%
# ## What sets it apart from its twin?
#
# Three kinds of cat, all of them probable, and three maps that look the same: most of what speaks
# for one speaks for the others too. [`FinerCAM`][interpviz.cam.FinerCAM] takes away what the class
# shares with those named in `against`, or with the ones the network finds most alike.

x, view = m.preprocess(cat)[None], m.view(cat)
cats = ["tiger cat", "Egyptian cat", "tabby"]
plain = GradCAM(m.model, last).class_maps(x, cats)
finer = FinerCAM(m.model, last, against=cats).class_maps(x, cats)

titles = [f"{name} {p:.0%}\nGrad-CAM" for name, p in zip(plain.names, plain.probabilities)]
titles += [f"{name},\nnot the others" for name in finer.names]
fig = map_panels([view] * 6, [*plain.maps, *finer.maps], titles, columns=3)
caption(fig, m.provenance.caption)


def likeness(heats):
    """The mean correlation of the maps with each other."""
    table = torch.corrcoef(heats.flatten(1))
    return np.mean([table[i, j].item() for i, j in combinations(range(len(heats)), 2)])


describe(
    fig,
    f"One photo of a cat with maps for {', '.join(cats)}. Grad-CAM's correlate by "
    f"{likeness(plain.maps):.2f}, FinerCAM's by {likeness(finer.maps):.2f}.",
)
plt.show()

# %%
print(f"mean correlation of two of the maps: Grad-CAM {likeness(plain.maps):+.2f}, ", end="")
print(f"FinerCAM {likeness(finer.maps):+.2f}")

# %%
# A portrait in uniform, which the network takes for an academic gown just as well. What would make
# it a uniform and no gown?

portrait = load_photo("grace_hopper")
x, view = m.preprocess(portrait)[None], m.view(portrait)
dress = ["military uniform", "academic gown"]
plain = GradCAM(m.model, last).class_maps(x, dress)
finer = FinerCAM(m.model, last, against=dress).class_maps(x, dress)

titles = [f"{name} {p:.0%}\nGrad-CAM" for name, p in zip(plain.names, plain.probabilities)]
titles += [f"{a},\nnot {b}" for a, b in (dress, dress[::-1])]
fig = map_panels(view, [*plain.maps, *finer.maps], titles, photo_title="input\n")
caption(fig, m.provenance.caption)
describe(
    fig,
    "A portrait in uniform. Grad-CAM draws cap, face and jacket for both classes; FinerCAM draws "
    "badge and ribbons for the uniform, and the cap for the gown.",
)
plt.show()

# %%
# Is it true? Blur the brightest tenth of each map, and see how far the uniform falls behind the
# gown.

first, second = (m.categories.index(name) for name in dress)
blurred = gaussian_blur(x, 41, 12.0)


def lead(images):
    """The logit of the first class minus that of the second."""
    with torch.no_grad():
        logits = m.model(images)[0]
    return (logits[first] - logits[second]).item()


print(f"uniform minus gown, nothing blurred:              {lead(x):+.2f}")
for method, found in {"Grad-CAM": plain, "FinerCAM": finer}.items():
    bright = found.maps[0] > found.maps[0].quantile(0.9)
    print(
        f"brightest tenth of {method} for uniform blurred:  {lead(x.where(~bright, blurred)):+.2f}"
    )

# %%
# ## What if there are no gradients?
#
# A network that rounds its features, as small devices do, is a staircase: its slope is zero at
# every step. It classifies almost as before, but a gradient sees nothing.


class Rounded(nn.Module):
    """The network with its pooled features rounded to halves."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.categories = network.categories

    def forward(self, images):
        pooled = self.network.forward_features(images).mean((2, 3))
        return self.network.classifier((2 * pooled).round() / 2)


rounded = Rounded(m.model)
maps = {"Grad-CAM,\nnot rounded": GradCAM(m.model, last).class_maps(pair, classes)}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    maps["Grad-CAM,\nrounded"] = GradCAM(rounded, last).class_maps(pair, classes)
maps["AblationCAM,\nrounded"] = AblationCAM(rounded, last).class_maps(pair, classes)
maps["ScoreCAM,\nrounded"] = ScoreCAM(rounded, last, channels=32).class_maps(pair, classes)

for name, found in maps.items():
    listing = ", ".join(f"{n} {p:.0%}" for n, p in zip(found.names, found.probabilities))
    print(f"{name.replace(chr(10), ' '):<22} {listing}")
print(caught[0].message)

# %%
# [`AblationCAM`][interpviz.cam.AblationCAM] switches each channel off, one after another, and asks
# what the score loses. Only what lies behind the layer runs again, so it is quick here.
# [`ScoreCAM`][interpviz.cam.ScoreCAM] shows the whole network the picture through each channel as
# a mask. That is slow; with `channels=32` it tries the masks that differ most, and each stands for
# those like it.

drawn = [found.maps[index] for index in (0, 1) for found in maps.values()]
titles = [f"{name}: {label}" for name in ("cat", "cup") for label in maps]
fig = map_panels([pair_view] * len(drawn), drawn, titles, columns=len(maps))
caption(fig, m.provenance.caption)
describe(
    fig,
    "A cat above a cup, maps for the cat in the upper row and for the cup in the lower. Of the "
    "rounded network Grad-CAM's are black; AblationCAM's and ScoreCAM's lie where Grad-CAM's did "
    "before the rounding.",
)
plt.show()

# %%
# ## What does the layer see at all?
#
# No class, no score: [`DeepFeatureFactorization`][interpviz.cam.DeepFeatureFactorization] splits
# what a layer holds of several photos into a few concepts. The same colour is the same concept in
# all of them. ([`EigenCAM`][interpviz.cam.EigenCAM] gives the strongest direction of one photo.)

names = ["astronaut", "grace_hopper", "camera", "chelsea"]
portraits = [load_photo(name) for name in names]
layer = "blocks.5.2.bn1"
concepts = DeepFeatureFactorization(m.model, layer)(
    torch.stack([m.preprocess(photo) for photo in portraits]), k=6
)
fig = concepts.plot([m.view(photo) for photo in portraits])
caption(fig, m.provenance.caption)
plt.show()

# %%
# How much of each concept is in which photo? One that is spread over all the people shows what
# the network takes for the same in them; one that stays with the cat, what it does not.

amounts = concepts.grids.flatten(2).sum(2)
print(f"{'':<10}" + "".join(f"{name:>14}" for name in names))
for label, column in zip(concepts.labels, (amounts / amounts.sum(0)).T.tolist()):
    print(f"{label:<10}" + "".join(f"{share:14.0%}" for share in column))

# %%
# ## Is it better than chance?
#
# [`RandomCAM`][interpviz.cam.RandomCAM] weighs the channels at random. Its maps are no noise: they
# show what the layer holds, and some fall on the cup by luck. One photo cannot tell.

x, view = m.preprocess(cup)[None], m.view(cup)
maps = {"Grad-CAM": GradCAM(m.model, last)(x, "espresso")[0]}
for seed in range(4):
    maps[f"RandomCAM, seed {seed}"] = RandomCAM(m.model, last, seed=seed)(x)[0]
fig = map_panels(view, list(maps.values()), list(maps), photo_title="espresso?", columns=6)
caption(fig, m.provenance.caption)
describe(
    fig, "A cup, its Grad-CAM, and four maps with random weights, some of them on the cup too."
)
plt.show()

# %%
# Two classes can. A map that does not ask for the class is the same for both, so what it wins on
# the cat it loses on the cup: it lies on the dotted line. The distance from the line is what a
# method knows about the class.

by_chance = [
    on_its_own(RandomCAM(m.model, last, seed=seed).class_maps(pair, classes).maps)
    for seed in range(20)
]
asked = {
    kind.__name__: on_its_own(kind(m.model, last).class_maps(pair, classes).maps)
    for kind in (GradCAM, GradCAMPlusPlus, EigenGradCAM, AblationCAM, EigenCAM)
}

fig, ax = plt.subplots(figsize=(7.4, 4.6), layout="constrained")
ax.plot([0, 1], [1, 0], linestyle=":", color="gray", label="does not ask for the class")
ax.scatter(*zip(*by_chance), color="gray", alpha=0.5, label=f"RandomCAM, {len(by_chance)} seeds")
for (name, shares), marker in zip(asked.items(), "os^Dv"):
    ax.scatter(*shares, s=70, marker=marker, label=name, zorder=3)
ax.set(xlabel="cat's map: share on the cat", ylabel="cup's map: share on the cup")
ax.set(xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal")
fig.legend(loc="outside right center")
caption(fig, m.provenance.caption)
listing = "; ".join(f"{name} {a:.0%} and {b:.0%}" for name, (a, b) in asked.items())
describe(
    fig,
    "The share of each map on its own object, cat and cup. Random maps lie all along a line from "
    f"one to the other; on it or above it: {listing}.",
)
plt.show()

# %%

print(f"{'':<16}   on cat   on cup   mean")
lowest, highest = np.min(by_chance, axis=0), np.max(by_chance, axis=0)
spans = [f"{a:.0%}-{b:.0%}" for a, b in zip(lowest, highest)]
print(f"{'RandomCAM':<16}  {spans[0]:>7}  {spans[1]:>7}   {np.mean(by_chance):4.0%}")
for name, shares in asked.items():
    print(f"{name:<16}  {shares[0]:7.0%}  {shares[1]:7.0%}   {np.mean(shares):4.0%}")

# %%
# ## In short
#
# - *Where is the evidence?* [`GradCAM`][interpviz.cam.GradCAM].
# - *Where are all of them?* [`GradCAMPlusPlus`][interpviz.cam.GradCAMPlusPlus].
# - *Where exactly?* [`LayerCAM`][interpviz.cam.LayerCAM] at an early layer and the last together.
# - *What sets it apart from its twin?* [`FinerCAM`][interpviz.cam.FinerCAM].
# - *What if there are no gradients?* [`AblationCAM`][interpviz.cam.AblationCAM] where little of the
#   network lies behind the layer, else [`ScoreCAM`][interpviz.cam.ScoreCAM].
# - *What does the layer see at all?*
#   [`DeepFeatureFactorization`][interpviz.cam.DeepFeatureFactorization].
# - *Is it better than chance?* [`RandomCAM`][interpviz.cam.RandomCAM] beside it.
#
# ## The weights and photos behind this page

print(m.provenance)
for photo in photos():
    if photo.name in ("coffee", "china", *names):
        print(photo)
