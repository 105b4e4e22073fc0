"""
# MobileNet: a narrow block, then a wide layer

The blocks of a MobileNet end in few channels without an activation; one wide layer follows. A map
at the end of a block has to deal with values below zero. Does it still find the object?
"""

# %%
# ## Photos, classes, maps
#
# [`load_model`][interpviz.zoo.load_model] gives MobileNetV3-Large with its well-known ImageNet
# weights where a hub is in reach, a small trained MobileNetV2 otherwise. Each caption says which
# one drew the figure.
#
# A small network has learned these photos by heart, and from few others. Where its map lies beside
# the object, that is what it learned: a map tells about the network, not about the photo.

# mkdocs_gallery_thumbnail_number = 4
import matplotlib.pyplot as plt
import torch
from PIL import Image, ImageOps

from interpviz import GradCAM, GradCAMPlusPlus
from interpviz.cam import layer_name
from interpviz.render import caption, describe, map_panels
from interpviz.zoo import load_model, load_photo, photos

m = load_model("mobilenet")
cam = GradCAM(m.model, m.target_layer)

shown = ["chelsea", "coffee", "rocket"]
for name in shown:
    photo = load_photo(name)
    fig = cam.plot_classes(m.preprocess(photo), original_image=m.view(photo), top=3)
    caption(fig, m.provenance.caption)
plt.show()

# %%
# ## Two candidates for the layer
#
# The last block and the wide layer behind it have the same grid. What differs is their values:

count = len(m.model.features)
candidates = {"last block": f"features.{count - 2}", "wide layer": f"features.{count - 1}"}
mosaic = Image.new("RGB", (448, 448))
mosaic.paste(ImageOps.fit(load_photo("rocket"), (448, 224)), (0, 0))
mosaic.paste(ImageOps.fit(load_photo("coffee"), (448, 224)), (0, 224))
x, view = m.preprocess(mosaic), m.view(mosaic)

device = next(m.model.parameters()).device
with torch.no_grad():
    block = m.model.features[:-1](x[None].to(device))
    wide = m.model.features[-1](block)
for what, values in (("last block", block), ("wide layer", wide)):
    size = " x ".join(str(n) for n in values.shape[1:])
    print(f"{what}: {size}, {(values < 0).float().mean():.0%} of the values below zero")

# %%
# ## Which layer, and why that one
#
# Grad-CAM weighs each channel once, so values below zero turn a channel's meaning around at some
# positions. Grad-CAM++ divides by a sum that can come near zero there. Does it show?

classes = ["missile", "espresso"]
half = x.shape[-1] // 2
panels, titles = [], []
for what, name in candidates.items():
    for method in (GradCAM, GradCAMPlusPlus):
        first, second = method(m.model, name).class_maps(x, classes).maps
        upper = (first[:half].sum() / first.sum()).item()
        lower = (second[half:].sum() / second.sum()).item()
        panels.append(second)
        titles.append(f"{method.__name__}\n{what}, {(upper + lower) / 2:.0%}")

fig = map_panels(view, panels, titles, photo_title="input\n")
caption(fig, m.provenance.caption)
listing = "; ".join(title.replace("\n", ", ") for title in titles)
describe(fig, f"A rocket above a cup and four espresso maps, with the share on its own: {listing}.")
plt.show()

# %%
# The percentages are the share of the maps for both classes that falls on its own photo; half is
# chance.

for title in titles:
    print(title.replace("\n", ", "))
print("the zoo's choice:", layer_name(m.model, m.target_layer))

# %%
# The zoo takes the wide layer, since its output is what the pooling, and so the decision, gets. The
# numbers are of one picture: they tell where to look twice, not which method is better.

# %%
# ## The weights and photos behind this page

print(m.provenance)
for photo in photos():
    if photo.name in shown:
        print(photo)
