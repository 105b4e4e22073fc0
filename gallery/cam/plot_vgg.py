"""
# VGG: before or after the pooling?

A VGG ends in a convolution, a ReLU and a max pooling, and all three have a grid. The pooling halves
it and keeps only the largest of four values. How much of the map does that cost?
"""

# %%
# ## Photos, classes, maps
#
# [`load_model`][interpviz.zoo.load_model] gives VGG-16 with its well-known ImageNet weights where a
# hub is in reach, a small trained VGG-11 otherwise. Each caption says which one drew the figure.
#
# A small network has learned these photos by heart, and from few others. Where its map lies beside
# the object, that is what it learned: a map tells about the network, not about the photo.

# mkdocs_gallery_thumbnail_number = 4
import matplotlib.pyplot as plt
import torch
from PIL import Image, ImageOps
from torch import nn

from interpviz import GradCAM
from interpviz.cam import layer_name
from interpviz.render import caption, describe, map_panels
from interpviz.zoo import load_model, load_photo, photos

m = load_model("vgg")
cam = GradCAM(m.model, m.target_layer)

shown = ["chelsea", "coffee", "flower"]
for name in shown:
    photo = load_photo(name)
    fig = cam.plot_classes(m.preprocess(photo), original_image=m.view(photo), top=3)
    caption(fig, m.provenance.caption)
plt.show()

# %%
# ## Which layer, and why that one
#
# The last layer of each kind, found by going through `model.features`:

features = m.model.features
last = {}
for index, layer in enumerate(features):
    for kind in (nn.Conv2d, nn.ReLU, nn.MaxPool2d):
        if isinstance(layer, kind):
            last[kind.__name__] = f"features.{index}"
print(last)

# %%
# The maps of one class at these three layers, for a mosaic of two photos:

mosaic = Image.new("RGB", (448, 448))
mosaic.paste(ImageOps.fit(load_photo("flower"), (448, 224)), (0, 0))
mosaic.paste(ImageOps.fit(load_photo("coffee"), (448, 224)), (0, 224))
x, view = m.preprocess(mosaic), m.view(mosaic)
classes = ["daisy", "espresso"]

maps, sizes = {}, {}
for kind, name in last.items():
    maps[kind] = GradCAM(m.model, name).class_maps(x, classes).maps
    with torch.no_grad():
        part = features[: int(name.split(".")[1]) + 1]
        sizes[kind] = part(x[None].to(next(part.parameters()).device)).shape[-1]

titles = [f"{kind}, {last[kind]}\n{sizes[kind]} x {sizes[kind]}" for kind in last]
fig = map_panels(view, [found[1] for found in maps.values()], titles, photo_title="input\n")
caption(fig, m.provenance.caption)
grids = ", ".join(f"{kind} {size} by {size}" for kind, size in sizes.items())
describe(fig, f"A flower above a cup and the espresso map at three layers. Grids: {grids}.")
plt.show()

# %%
# Two numbers for each: the share of both maps that falls on its own photo (half is chance), and the
# part of the picture that is above half of the map's maximum. A finer grid gives a smaller spot.

half = maps["ReLU"].shape[1] // 2
for kind, found in maps.items():
    upper = (found[0, :half].sum() / found[0].sum()).item()
    lower = (found[1, half:].sum() / found[1].sum()).item()
    spot = (found > 0.5).float().mean().item()
    print(
        f"{kind:<10} on its own object {(upper + lower) / 2:4.0%}   spot {spot:4.0%} of the picture"
    )

# %%
# The ReLU is the usual choice: what is below zero there has been cut away, and the pooling has not
# yet thrown positions out. Left to itself, the library finds it:

auto = GradCAM(m.model)
auto(x[None])
print("found:", layer_name(m.model, auto.target_layers[0]))

# %%
# ## The weights and photos behind this page

print(m.provenance)
for photo in photos():
    if photo.name in shown:
        print(photo)
