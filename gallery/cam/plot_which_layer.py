"""
# Which layer?

Early layers have many fine positions and know little about classes; late layers have few and know
a lot. A map can be drawn at every layer that has a spatial grid. Where is the best place to look?
"""

# %%
# ## A picture with a known answer
#
# A cat above, a cup below: a map for the cat should fall into the upper half, a map for the cup
# into the lower one.

import matplotlib.pyplot as plt
from PIL import Image, ImageOps

from interpviz import GradCAM
from interpviz.cam import find_target_layer, layer_name
from interpviz.render import describe, map_panels
from interpviz.zoo import load_model, load_photo, photos

m = load_model("efficientnet_lite0")
mosaic = Image.new("RGB", (448, 448))
mosaic.paste(ImageOps.fit(load_photo("chelsea"), (448, 224)), (0, 0))
mosaic.paste(ImageOps.fit(load_photo("coffee"), (448, 224)), (0, 224))
x = m.preprocess(mosaic)
view = m.view(mosaic)

# %%
# ## One class from early to late
#
# Any layer can be given by its dotted name, as `model.named_modules()` lists it.
# [`class_maps`][interpviz.cam.CAM.class_maps] explains both classes with one forward pass.

layers = ["blocks.1", "blocks.2", "blocks.4", "blocks.5", "bn2"]
classes = ["tiger cat", "espresso"]
maps = {name: GradCAM(m.model, name).class_maps(x, classes).maps for name in layers}

fig = map_panels(view, [maps[n][1] for n in layers], layers, photo_title="input", columns=3)
describe(fig, f"A cat above a cup, and the map for espresso at {len(layers)} layers.")
plt.show()

# %%
# Early maps are fine and scattered; the last one is coarse, since its grid has few positions, and
# closest to the decision.
#
# ## How much of each map falls on its own object?
#
# Half would be chance. A layer can be below it: what happens behind the layer is not linear, and a
# gradient knows it only near this one picture.

shares = {}
for name in layers:
    cat, cup = maps[name]
    shares[name] = [(cat[:112].sum() / cat.sum()).item(), (cup[112:].sum() / cup.sum()).item()]
    print(f"{name:<10} cat {shares[name][0]:4.0%}   cup {shares[name][1]:4.0%}")

fig, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
for index, name in enumerate(classes):
    ax.plot(layers, [shares[layer][index] for layer in layers], marker="o", label=name)
ax.axhline(0.5, linewidth=1, linestyle=":", color="gray", label="chance")
ax.set(ylabel="share on its own object", ylim=(0, 1))
ax.legend(loc="lower right")
listing = "; ".join(f"{k} {v[0]:.0%} and {v[1]:.0%}" for k, v in shares.items())
describe(fig, f"A line chart: the share of the cat's and the cup's map on its object. {listing}.")
plt.show()

# %%
best = max(shares, key=lambda name: sum(shares[name]))
print(f"highest for both together: {best}")

# %%
# ## The layer that is found by itself
#
# Without a `target_layer` the last layer with a grid is taken. Pooling only blurs the grid, so it
# is skipped. [`find_target_layer`][interpviz.cam.find_target_layer] tells which layer that is.

found = find_target_layer(m.model, x[None])
print("found:", layer_name(m.model, found))

# %%
# ## The weights and photos behind this page

print(m.provenance)
for photo in photos():
    if photo.name in ("chelsea", "coffee"):
        print(photo)
