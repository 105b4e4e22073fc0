"""
# Vision transformers: ViT and Swin

A transformer has no channels over a picture, but a sequence of tokens. Where do its maps come from,
and which layer works?
"""

# %%
# ## A row of tokens is a grid
#
# A ViT cuts the picture into patches and turns each into a token; one more, the class token, stands
# in front. A map needs a grid of positions, and the tokens are one, row by row: the size of the
# patches is read from the model's first layer.
#
# The ViT of this page needs no hub. It was trained to tell the main object from the rest, and gives
# a logit of importance for each pixel.

# mkdocs_gallery_thumbnail_number = 5
import math
import warnings

import matplotlib.pyplot as plt
import torch
import torchvision
from PIL import Image, ImageOps

from interpviz import GradCAM
from interpviz.cam import CAM, MaskScore, Similarity, find_target_layer, layer_name
from interpviz.errors import AssetError, ZeroMapWarning
from interpviz.render import caption, describe, map_panels
from interpviz.zoo import load_model, load_photo, photos

m = load_model("vit_small_focus", weights="packaged")
shown = ["flower", "coffee"]
views = [m.view(load_photo(name)) for name in shown]
x = torch.stack([m.preprocess(load_photo(name)) for name in shown])
x = x.to(next(m.model.parameters()).device)


def shape_at(model, layer, images):
    """The shape of a layer's output, and the grid in it: two of its axes, or a square of tokens."""
    found = []
    handle = layer.register_forward_hook(lambda *call: found.append(call[2]))
    with torch.no_grad():
        model(images)
    handle.remove()
    shape = tuple(found[0].shape)
    side = math.isqrt(shape[1])
    return shape, shape[1:3] if len(shape) == 4 else (side, side)


tokens, grid = shape_at(m.model, m.target_layer, x[:1])
print(f"{layer_name(m.model, m.target_layer)}: tokens {tokens}, grid {grid}")
print(f"{tokens[1]} tokens = {grid[0]} x {grid[1]} patches + {tokens[1] - grid[0] * grid[1]}")

# %%
with torch.no_grad():
    importance = m.model(x)[:, 0].cpu()
objects = importance >= 0
areas = objects.float().mean((1, 2)).tolist()

titles = [f"{name}: object {area:.0%}" for name, area in zip(shown, areas)]
fig = map_panels(views, importance.sigmoid(), titles, label="importance")
caption(fig, m.provenance.caption)
describe(fig, f"Two photos and the importance the ViT gives each pixel. {'; '.join(titles)}.")
plt.show()

# %%
# ## Which layer, and which method?
#
# What makes the network call these pixels important?
# [`MaskScore`][interpviz.cam.MaskScore] takes the mean logit over the pixels that it predicted.
# The layer is the norm in front of the attention of an early, two middle and the last block.

blocks = [2, 5, 8, 11]
names = ["gradcam", "hirescam", "eigencam"]
maps, shares = {}, {}
for name in names:
    for block in blocks:
        cam = CAM.from_name(name)(m.model, f"blocks.{block}.norm1")
        found = cam(x, MaskScore(0)).cpu()
        maps[name, block] = found
        shares[name, block] = ((found * objects).sum((1, 2)) / found.sum((1, 2))).tolist()

for index, photo in enumerate(shown):
    titles = [f"{name}, block {block}\n{shares[name, block][index]:.0%}" for name, block in maps]
    panels = [found[index] for found in maps.values()]
    fig = map_panels([views[index]] * len(panels), panels, titles, columns=len(blocks))
    caption(fig, m.provenance.caption)
    listing = "; ".join(title.replace("\n", " ") for title in titles)
    describe(fig, f"The photo {photo}, three methods, four blocks. On the object: {listing}.")
plt.show()

# %%
# The share of each map that falls on the predicted object, as the mean over both photos. Chance is
# the object's own share of the picture.

means = {key: sum(values) / len(values) for key, values in shares.items()}
chance = sum(areas) / len(areas)
print(f"{'':<10}" + "".join(f"{f'block {block}':>10}" for block in blocks))
for name in names:
    print(f"{name:<10}" + "".join(f"{means[name, block]:10.0%}" for block in blocks))
print(f"chance {chance:.0%}")

fig, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
for name, marker in zip(names, "osD"):
    ax.plot(blocks, [means[name, block] for block in blocks], marker=marker, label=name)
ax.axhline(chance, linewidth=1, linestyle=":", color="gray", label="chance")
ax.set(xticks=blocks, xlabel="block", ylabel="share on the object", ylim=(0, 1.05))
fig.legend(loc="outside upper center", ncols=4)
caption(fig, m.provenance.caption)
listing = "; ".join(f"{name} at block {block} {mean:.0%}" for (name, block), mean in means.items())
describe(fig, f"A line chart: the share on the object by block. {listing}; chance {chance:.0%}.")
plt.show()

# %%
# Grad-CAM gives one weight to a channel for the whole picture. That is near the truth only where
# little computation is left, at the last block. HiResCAM multiplies at each token, and depends less
# on the block. EigenCAM asks for no score: it shows what varies most among the tokens, be it the
# object or the ground.
#
# ## Who reads the tokens?
#
# The head of this network reads the patches. That of a classifier usually reads the class token
# alone. The same transformer can be read in that way: its class token is an embedding of the
# picture, and [`Similarity`][interpviz.cam.Similarity] asks what in a mosaic is like a photo.


class ClassToken(torch.nn.Module):
    """A ViT read as a classifier reads it: by its class token."""

    def __init__(self, vit):
        super().__init__()
        self.vit = vit

    def forward(self, images):
        return self.vit.forward_features(images)[:, 0]


mosaic = Image.new("RGB", (448, 448))
mosaic.paste(ImageOps.fit(load_photo("chelsea"), (448, 224)), (0, 0))
mosaic.paste(ImageOps.fit(load_photo("coffee"), (448, 224)), (0, 224))
net = ClassToken(m.model)
pair = torch.stack([m.preprocess(load_photo(name)) for name in ("chelsea", "coffee")]).to(x.device)
both = m.preprocess(mosaic)[None].to(x.device).expand(2, -1, -1, -1)
with torch.no_grad():
    like = Similarity(net(pair))


def warned(model, layer, images, target):
    """Maps, and what was said where one of them is zero."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", ZeroMapWarning)
        found = GradCAM(model, layer)(images, target).cpu()
    return found, caught[0].message if caught else "no warning"


behind, said = warned(net, "vit.blocks.11", both, like)
print(said)

# %%
# Behind the last attention the tokens go their own ways: no patch reaches the class token any more,
# so the score has no gradient there, and the map is zero. In front of it, at the block's first
# norm, all patches still count. That layer is found by itself.

found = find_target_layer(net, both[:1])
print("found:", layer_name(net, found))

before = GradCAM(net, found)(both, like).cpu()


def on_its_own(cat, cup):
    """Share of the cat's map in the upper half, and of the cup's in the lower one."""
    half = cat.shape[0] // 2
    return [(cat[:half].sum() / cat.sum()).item(), (cup[half:].sum() / cup.sum()).item()]


halves = on_its_own(*before)
titles = [
    "behind the last block\nlike the cat photo: zero",
    f"before its attention\nlike the cat photo, {halves[0]:.0%}",
    f"before its attention\nlike the cup photo, {halves[1]:.0%}",
]
fig = map_panels(
    m.view(mosaic), [behind[0], before[0], before[1]], titles, photo_title="input\n", columns=4
)
caption(fig, m.provenance.caption)
describe(
    fig,
    "A cat above a cup. Behind the last block the map is zero; before its attention "
    f"{halves[0]:.0%} of the cat's map and {halves[1]:.0%} of the cup's fall on their own half.",
)
plt.show()

# %%
# ## ViT-B/16 and Swin
#
# Swin has no class token. It keeps height and width as axes, with the channels last, merges patches
# two by two from stage to stage, and its head takes the mean of all positions. So its last norm
# works, and the grid there is coarse. Shapes need no weights:

layers = {
    "vit_b_16": ["encoder.layers.encoder_layer_11.ln_1"],
    "swin_t": ["features.1", "features.3", "features.5", "features.7", "norm"],
}
with torch.device("meta"):
    blank = torch.empty(1, 3, 224, 224)
    for name, wanted in layers.items():
        model = getattr(torchvision.models, name)().eval()
        for layer in wanted:
            shape, grid = shape_at(model, model.get_submodule(layer), blank)
            print(f"{name:<9} {layer:<36} {shape!s:<18} grid {grid}")

# %%
# Maps for classes need ImageNet weights, which come from a hub. Where none is in reach, the class
# maps of ViT-B/16 and Swin-T are missing here: run this page with access to the addresses printed
# below, or put those files into `checkpoints` of the folder that `torch.hub.get_dir()` names.

classes = ["tiger cat", "espresso"]
classifiers = []
for name in layers:
    try:
        classifiers.append(load_model(name))
    except AssetError:
        weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
        print(f"{name} is missing: {weights.url}")

for c in classifiers:
    cam = GradCAM(c.model, c.target_layer)
    explained = cam.class_maps(c.preprocess(mosaic), classes)
    halves = on_its_own(*explained.maps.cpu())
    titles = [
        f"{name}, {probability:.0%}\n{half:.0%} on its own"
        for name, probability, half in zip(classes, explained.probabilities, halves)
    ]
    fig = map_panels(c.view(mosaic), explained.maps, titles, photo_title="input\n", columns=3)
    caption(fig, c.provenance.caption)
    listing = "; ".join(title.replace("\n", ", ") for title in titles)
    architecture = c.provenance.architecture
    describe(fig, f"A cat above a cup and two class maps of {architecture}: {listing}.")
    print(f"{architecture} at {layer_name(c.model, c.target_layer)}: {listing}")

    last = "encoder.layers.encoder_layer_11" if c.name == "vit_b_16" else "features.7"
    _, said = warned(c.model, last, c.preprocess(mosaic)[None], classes[0])
    print(f"behind its last block: {said}")
plt.show()

# %%
# ## The weights and photos behind this page

for used in (m, *classifiers):
    print(used.provenance)
for photo in photos():
    if photo.name in ("chelsea", *shown):
        print(photo)
