"""
# Every method on one picture

All methods explain the same two classes of the same picture. At the last layer some draw the very
same map; at an earlier layer they part. When does the choice of the method matter?
"""

# %%
# ## A picture with a known answer
#
# The cat is above, the cup below. [`methods`][interpviz.cam.methods] lists the names of those that
# fit a model, and [`CAM.from_name`][interpviz.cam.CAM.from_name] gives the class for each. All are
# called in the same way. Those that run the network hundreds of times get a budget here.

from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageOps

from interpviz.cam import CAM, layer_name, methods
from interpviz.render import caption, describe, map_panels
from interpviz.zoo import load_model, load_photo, photos

m = load_model("efficientnet_lite0")
mosaic = Image.new("RGB", (448, 448))
mosaic.paste(ImageOps.fit(load_photo("chelsea"), (448, 224)), (0, 0))
mosaic.paste(ImageOps.fit(load_photo("coffee"), (448, 224)), (0, 224))
x, view = m.preprocess(mosaic), m.view(mosaic)
classes = ["tiger cat", "espresso"]

names = methods(m.model)
budgets = {
    "scorecam": {"channels": 16},
    "sscam": {"channels": 16, "samples": 2},
    "iscam": {"channels": 16, "samples": 2},
    "smoothgradcam++": {"samples": 4},
}
last, earlier = layer_name(m.model, m.target_layer), "blocks.5"
maps = {layer: {} for layer in (last, earlier)}
for layer, found in maps.items():
    for name in names:
        cam = CAM.from_name(name)(m.model, layer, **budgets.get(name, {}))
        found[name] = cam.class_maps(x, classes).maps

# %%
# ## The last layer: families of one map
#
# Behind the last layer of this network come only a mean over positions and a linear layer. So a
# channel's gradient is the same at every position, and methods that differ only in how they average
# it cannot differ at all. Each map is drawn once, under the names of all methods that give it.


def families(found):
    """Groups of methods whose maps are the same to within a hundredth."""
    groups = []
    for name, pair in found.items():
        for group in groups:
            if (found[group[0]] - pair).abs().max() < 0.01:
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


found = maps[last]
groups = families(found)
titles = [fill(", ".join(group), 20) for group in groups]
fig = map_panels(view, [found[g[0]][1] for g in groups], titles, photo_title="input", columns=4)
caption(fig, m.provenance.caption)
describe(
    fig,
    f"A cat above a cup, and the {len(groups)} different maps for espresso that {len(names)} "
    f"methods draw at {last}.",
)
plt.show()

# %%

for layer, found in maps.items():
    print(f"{layer}: {len(families(found))} different maps")
    for group in families(found):
        print("   ", ", ".join(group))

# %%
# ## An earlier layer: every method its own

found = maps[earlier]
fig = map_panels(view, [pair[1] for pair in found.values()], names, columns=4)
caption(fig, m.provenance.caption)
describe(fig, f"The same picture and methods at {earlier}: the maps differ more.")
plt.show()

# %%
# ## Which of them fall on their own object?
#
# The share of both maps that falls on the photo of its class; half is chance. Methods that never
# ask for the class draw the same map twice and cannot be right about both.

half = x.shape[-1] // 2
right = {}
for layer, found in maps.items():
    right[layer] = [
        ((cat[:half].sum() / cat.sum() + cup[half:].sum() / cup.sum()) / 2).item()
        for cat, cup in found.values()
    ]

fig, ax = plt.subplots(figsize=(7, 0.42 * len(names) + 1), layout="constrained")
rows = np.arange(len(names))
for offset, (layer, values) in zip((-0.2, 0.2), right.items()):
    bars = ax.barh(rows + offset, values, height=0.38, label=f"at {layer}")
    ax.bar_label(bars, fmt="{:.0%}", padding=3, fontsize=8)
ax.axvline(0.5, linewidth=1, linestyle=":", color="gray")
ax.set(yticks=rows, yticklabels=names, xlabel="share on its own object", xlim=(0, 1.15))
ax.invert_yaxis()
fig.legend(loc="outside upper center", ncols=2)
caption(fig, m.provenance.caption)
listing = "; ".join(
    f"{name} {a:.0%} and {b:.0%}" for name, a, b in zip(names, right[last], right[earlier])
)
describe(fig, f"Bars: share on its own object at {last} and at {earlier}. {listing}.")
plt.show()

# %%

for layer, values in right.items():
    best = names[int(np.argmax(values))]
    print(f"at {layer} from {min(values):.0%} to {max(values):.0%}; highest: {best}")

# %%
# One picture is no ranking. It does show where a choice has to be made: at the last layer between
# families, at an earlier layer between methods.
#
# ## The weights and photos behind this page

print(m.provenance)
for photo in photos():
    if photo.name in ("chelsea", "coffee"):
        print(photo)
