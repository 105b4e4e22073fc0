"""
# Does the map point at what matters?

Take away what a map calls important, and watch the score: a good map makes it fall faster than a
random one. Three ways to take pixels away, and why no number should be read without a control.
"""

# %%
# ## Three maps, one of which knows nothing
#
# [`random_maps`][interpviz.metrics.random_maps] draws maps that are as coarse as real ones and have
# never seen the picture. They are the control: a number that they reach too says nothing.

import matplotlib.pyplot as plt
import torch

from interpviz.cam import EigenCAM, GradCAM, layer_name
from interpviz.metrics import compare_methods, deletion, insertion, random_maps, road
from interpviz.render import caption, describe, map_panels
from interpviz.zoo import load_model, load_photo, photos

m = load_model("efficientnet_lite0")
m.model.to(memory_format=torch.channels_last)  # twice as quick on a CPU
names = ["chelsea", "coffee", "rocket"]
x = torch.stack([m.preprocess(load_photo(name)) for name in names])
views = [m.view(load_photo(name)) for name in names]

last, earlier = layer_name(m.model, m.target_layer), "blocks.5"
maps = {
    f"Grad-CAM at {last}": GradCAM(m.model, last)(x),
    f"EigenCAM at {earlier}": EigenCAM(m.model, earlier)(x),
    "random": random_maps(x),
}

# %%

panels = [heatmap for found in maps.values() for heatmap in found]
titles = [name for name in maps for _ in names]
fig = map_panels(views * len(maps), panels, titles, columns=len(names))
caption(fig, m.provenance.caption)
describe(fig, f"{', '.join(names)}: a row of heat maps each for {'; '.join(maps)}.")
plt.show()

# %%
# ## Insertion and deletion
#
# [`insertion`][interpviz.metrics.insertion] starts with a blurred picture and shows its pixels in
# the map's order; [`deletion`][interpviz.metrics.deletion] greys them out in the same order. The
# thick line is the mean over the photos, the number in the legend the area below it.

fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.8), sharey=True, layout="constrained")
areas = {}
for ax, measure, title in zip(axes, (insertion, deletion), ("higher is better", "lower is better")):
    for name, found in maps.items():
        curve = measure(m.model, x, found, steps=8, batch_size=12)
        areas[measure.__name__, name] = curve.mean
        curve.plot(ax, label=f"{name}: {curve.mean:.2f}")
    ax.set_title(f"{measure.__name__}: {title}", fontsize=10)
caption(fig, m.provenance.caption)
told = "; ".join(f"{kind} {name} {area:.2f}" for (kind, name), area in areas.items())
describe(fig, f"Curves of the class probability as pixels come and go. Areas: {told}.")
plt.show()

# %%
for kind in ("insertion", "deletion"):
    spread = [area for (k, _), area in areas.items() if k == kind]
    print(f"{kind}: areas from {min(spread):.2f} to {max(spread):.2f}")

# %%
# Deletion says less than it seems to. A few grey patches anywhere make a picture that the network
# never saw in training, so the score falls for every map.
#
# ## ROAD: taking away without leaving holes
#
# [`road`][interpviz.metrics.road] replaces removed pixels by what their surroundings suggest. It
# does so twice, with the most and with the least relevant pixels first: the gap between the two
# curves is the map's merit, and a random map has none.

fig, axes = plt.subplots(1, len(maps), figsize=(9.2, 3.6), sharey=True, layout="constrained")
gaps = {}
for ax, (name, found) in zip(axes, maps.items()):
    curves = road(m.model, x, found, fractions=(0.2, 0.5, 0.8), batch_size=9)
    curves.plot(ax)
    gaps[name] = curves.mean
    ax.set_title(f"{name}\ngap {curves.mean:+.2f}", fontsize=10)
    ax.get_legend().remove()
    ax.label_outer()
handles = axes[0].get_lines()
fig.legend(
    [line for line in handles if line.get_linewidth() > 1],
    ["most relevant first", "least relevant first"],
    loc="outside upper center",
    ncols=2,
)
caption(fig, m.provenance.caption)
listing = ", ".join(f"{name} {gap:+.2f}" for name, gap in gaps.items())
describe(fig, f"Two curves a map, most and least relevant pixels first. Gaps: {listing}.")
plt.show()

# %%
print("gap:", listing)

# %%
# ## All in one table
#
# [`compare_methods`][interpviz.metrics.compare_methods] settles what is explained, runs every
# method on the same photos and measures all alike. A method is a name, a class, or a function that
# makes one.

chosen = {
    "gradcam": "gradcam",
    "layercam": "layercam",
    "eigencam": "eigencam",
    f"gradcam at {earlier}": lambda model, _: GradCAM(model, earlier),
    f"eigencam at {earlier}": lambda model, _: EigenCAM(model, earlier),
    "random": lambda *_: lambda images, _: random_maps(images),
}
table = compare_methods(m.model, x, chosen, target_layer=last, steps=6, batch_size=9)
print(table)

# %%

fig = table.plot()
caption(fig, m.provenance.caption)
plt.show()

# %%
# Which methods did not beat the control?

for metric, means in table.means.items():
    sign = 1 if table.higher_is_better[metric] else -1
    control = sign * means[-1]
    behind = [name for name, mean in zip(table.methods[:-1], means) if sign * mean <= control]
    print(f"{metric}: {', '.join(behind) or 'all did'}")

# %%
# The average drop multiplies the picture by the map, so it rewards maps that are bright everywhere,
# whatever they show. Three photos rank nothing. They do show which numbers tell a map from chance.
#
# ## The weights and photos behind this page

print(m.provenance)
for photo in photos():
    if photo.name in names:
        print(photo)

# mkdocs_gallery_thumbnail_number = 2
