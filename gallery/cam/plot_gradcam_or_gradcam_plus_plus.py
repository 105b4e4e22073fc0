"""
# Grad-CAM or Grad-CAM++?

Grad-CAM weighs a channel by its mean gradient. Grad-CAM++ weighs each position's gradient before
it adds them up, and leaves out what lowers the score. The difference shows when a class is there
several times.
"""

# %%
# ## Three cups, one class
#
# A mosaic of one photo in three sizes: every cup is the same, so a fair map should show them all.

import matplotlib.pyplot as plt
from PIL import Image, ImageOps

from interpviz import GradCAM, GradCAMPlusPlus
from interpviz.render import describe, difference_map, map_panels
from interpviz.zoo import load_model, load_photo, photos

m = load_model("efficientnet_lite0")
cup = load_photo("coffee")

boxes = {"large": (10, 10, 110), "small": (125, 30, 85), "middle": (60, 125, 95)}
picture = Image.new("RGB", (224, 224), (90, 60, 40))
for x, y, side in boxes.values():
    picture.paste(ImageOps.fit(cup, (side, side), Image.Resampling.LANCZOS), (x, y))
picture = picture.resize((256, 256), Image.Resampling.BICUBIC)

# %%
# Both methods take the same arguments and run on the same layer.

x = m.preprocess(picture)[None]
view = m.view(picture)
methods = {
    "Grad-CAM": GradCAM(m.model, m.target_layer),
    "Grad-CAM++": GradCAMPlusPlus(m.model, m.target_layer),
}
maps = {name: cam(x, "espresso")[0] for name, cam in methods.items()}

fig = map_panels(view, list(maps.values()), list(maps), photo_title="three cups")
describe(fig, "A picture of three cups, its Grad-CAM and its Grad-CAM++ map for espresso.")
plt.show()

# %%
# ## How much does each cup get?
#
# The highest value inside each cup, on a scale where the brightest point of the whole map is 1.

print(f"{'':<12}" + "".join(f"{cup_name:>8}" for cup_name in boxes))
peaks = {}
for name, heatmap in maps.items():
    scale = 256 / 224
    crop = 16  # The network sees the middle 224 of 256 pixels.
    row = []
    for left, top, side in boxes.values():
        x0, y0 = max(int(left * scale) - crop, 0), max(int(top * scale) - crop, 0)
        x1, y1 = int((left + side) * scale) - crop, int((top + side) * scale) - crop
        row.append(heatmap[y0:y1, x0:x1].max().item())
    peaks[name] = dict(zip(boxes, row))
    print(f"{name:<12}" + "".join(f"{value:8.2f}" for value in row))

# %%
# ## Where do they differ, and why?
#
# Red is where Grad-CAM++ is brighter.

fig = difference_map(maps["Grad-CAM++"], maps["Grad-CAM"], view, labels=("Grad-CAM++", "Grad-CAM"))
gains = {c: peaks["Grad-CAM++"][c] - peaks["Grad-CAM"][c] for c in boxes}
gained = max(gains, key=gains.get)
describe(
    fig,
    f"Grad-CAM++ minus Grad-CAM over the picture in grey; the {gained} cup gains most, "
    f"{gains[gained]:+.2f} at its peak.",
)
plt.show()

# %%

print(f"Most is gained by the {gained} cup: {gains[gained]:+.2f} at its peak.")

# %%
# Both maps on the same picture, to compare with the divider:

first, *rest = methods.values()
first.view(
    x,
    ["espresso"],
    original_image=view,
    others=rest,
    title="Grad-CAM and Grad-CAM++",
    alt="The picture with the map of Grad-CAM, and beside it that of Grad-CAM++.",
)

# %%
# Two things make the difference. Grad-CAM's weight is the mean gradient, which may be below zero:
# such channels take evidence away, and they take it from weak objects first. Grad-CAM++ has no
# weights below zero. And it divides each channel's weight by how much the channel is active
# in all, so channels that fire on one thing count for more than channels that fire everywhere.
#
# ## With a single object
#
# Grad-CAM is the simpler one and easier to reason about; take Grad-CAM++ when there are several
# objects, or when every part of one should show. How much does the choice matter with one cup?

single = m.preprocess(cup)[None]
pair = [cam(single, "espresso")[0] for cam in methods.values()]
fig = map_panels(m.view(cup), pair, list(methods), photo_title="one cup")
describe(fig, "A photo of one cup with its Grad-CAM and its Grad-CAM++ map.")
plt.show()

# %%

mean = (pair[0] - pair[1]).abs().mean().item()
several = (maps["Grad-CAM"] - maps["Grad-CAM++"]).abs().mean().item()
print(f"Mean difference of the two methods: {mean:.3f} with one cup, {several:.3f} with three.")

# %%
# ## The weights and photos behind this page

print(m.provenance)
print(next(p for p in photos() if p.name == "coffee"))
