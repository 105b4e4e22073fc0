"""
# Which layer?

A map can be drawn at every layer that has a spatial grid. Early layers have many fine positions and
know little about classes; late layers have few and know a lot. Where is the best place to look?
"""

# %%
# ## The same class from early to late
#
# Any layer can be named. [`get_target_layer`][interpviz.cam.get_target_layer] turns a dotted name
# into the module; `GradCAM` takes the name as well. The output size of each layer stands above its
# map.

import matplotlib.pyplot as plt
import torch

from interpviz import GradCAM, get_target_layer
from interpviz.cam import find_target_layer
from interpviz.cam.layers import layer_name
from interpviz.render import describe, map_panels
from interpviz.zoo import load_model, load_photo, photos

m = load_model("efficientnet_lite0")
photo = load_photo("coffee")
x = m.preprocess(photo)[None]
view = m.view(photo)
layers = ["blocks.0", "blocks.1", "blocks.2", "blocks.4", "blocks.5", "blocks.6", "bn2"]

sizes = {}


def note(name):
    def hook(module, inputs, output):
        sizes[name] = tuple(output.shape[-2:])

    return hook


handles = [get_target_layer(m.model, name).register_forward_hook(note(name)) for name in layers]
with torch.no_grad():
    m.model(x.to(next(m.model.parameters()).device))
for handle in handles:
    handle.remove()

maps = [GradCAM(m.model, name)(x, "espresso")[0] for name in layers]
titles = [f"{name}\n{sizes[name][0]} x {sizes[name][1]}" for name in layers]
fig = map_panels(view, maps, titles, photo_title="input\n", columns=4)
describe(fig, f"A cup of coffee and the map for espresso at {len(layers)} layers, early to late.")
plt.show()

# %%
# Early maps follow edges wherever they are. Late maps cover the object. The last layer is coarse,
# since its grid has few positions, but it is the one closest to the decision.
#
# ## Does the early map know the class?
#
# Ask each layer about a class that is plainly not in the photo. The maps of a layer that knows
# about classes should have little in common.

other = "tiger cat"
rows = []
for name, first in zip(layers, maps):
    second = GradCAM(m.model, name)(x, other)[0]
    both = torch.stack([first.flatten(), second.flatten()])
    rows.append((name, torch.corrcoef(both)[0, 1].item()))
    print(f"{name:<10} correlation of the maps for espresso and {other}: {rows[-1][1]:+.2f}")

fig, ax = plt.subplots(figsize=(6.4, 3), layout="constrained")
ax.plot([name for name, _ in rows], [value for _, value in rows], marker="o")
ax.axhline(0, linewidth=0.8, linestyle=":", color="gray")
ax.set(ylabel="correlation", title=f"Maps for espresso and {other}: how alike are they?")
listing = ", ".join(f"{name} {value:+.2f}" for name, value in rows)
describe(fig, f"A line chart of the correlation of two classes' maps at each layer: {listing}.")
plt.show()

# %%
# ## The layer that is found by itself
#
# Without a `target_layer` the last layer with a grid is taken, which is the usual choice. Pooling
# is skipped, and so is everything behind it.

found = find_target_layer(m.model, x.to(next(m.model.parameters()).device))
print("found:", layer_name(m.model, found))

# %%
# ## Two layers at once
#
# A list of layers gives the mean of their maps, each on its own scale: finer than the last layer
# alone, and still about the class.

pair = ["blocks.4", "bn2"]
combined = GradCAM(m.model, pair)(x, "espresso")[0]
fig = map_panels(
    view,
    [maps[layers.index(name)] for name in pair] + [combined],
    [*pair, " + ".join(pair)],
    photo_title="input",
)
describe(fig, f"A cup of coffee, its maps at {pair[0]} and {pair[1]}, and the mean of both.")
plt.show()

# %%
# ## The weights and photos behind this page

print(m.provenance)
print(next(p for p in photos() if p.name == "coffee"))
