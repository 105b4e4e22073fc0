"""
# Grad-CAM against Grad-CAM++ on three architectures

Does Grad-CAM++ find more of the objects on every network, or only on some? Three cups in one
picture, both methods, ResNet, VGG and MobileNet.
"""

# %%
# ## The same picture for all
#
# Three copies of one photo in three sizes. A map that is fair to all of them has about the same
# peak in each.

# mkdocs_gallery_thumbnail_number = 3
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageOps

from interpviz import GradCAM, GradCAMPlusPlus
from interpviz.render import caption, describe, map_panels
from interpviz.zoo import load_model, load_photo, photos

cup = load_photo("coffee")
side = 224
boxes = {"large": (10, 10, 110), "small": (125, 30, 85), "middle": (60, 125, 95)}
picture = Image.new("RGB", (side, side), (90, 60, 40))
for x, y, size in boxes.values():
    picture.paste(ImageOps.fit(cup, (size, size), Image.Resampling.LANCZOS), (x, y))
# The networks see the middle of a larger picture, so a frame is added that they cut off again.
framed = ImageOps.expand(picture, 16, (90, 60, 40))

methods = {"Grad-CAM": GradCAM, "Grad-CAM++": GradCAMPlusPlus}
peaks, weights = {}, []
for family in ("resnet", "vgg", "mobilenet"):
    m = load_model(family)
    x = m.preprocess(framed)[None]
    maps = [method(m.model, m.target_layer)(x, "espresso")[0] for method in methods.values()]
    name = m.provenance.architecture.split(" with")[0]
    weights.append(f"{name} ({m.provenance.source} {m.provenance.version})")
    scale = maps[0].shape[-1] / side
    for title, heatmap in zip(methods, maps):
        peaks[name, title] = [
            heatmap[
                int(top * scale) : int((top + size) * scale),
                int(left * scale) : int((left + size) * scale),
            ]
            .max()
            .item()
            for left, top, size in boxes.values()
        ]
    fig = map_panels(m.view(framed), maps, list(methods), photo_title=name)
    caption(fig, m.provenance.caption)
    least = {title: min(peaks[name, title]) for title in methods}
    listing = ", ".join(f"{title} {value:.2f}" for title, value in least.items())
    describe(fig, f"{name}: three cups with both maps. The weakest cup's peak: {listing}.")
plt.show()

# %%
# ## The peak in each cup

print(f"{'':<30}" + "".join(f"{name:>8}" for name in boxes))
for (name, title), row in peaks.items():
    print(f"{name:<18}{title:<12}" + "".join(f"{value:8.2f}" for value in row))

# %%
# ## The answer
#
# For each network the peak in its weakest cup, by both methods. A longer bar means that the cup
# shows more.

names = list(dict.fromkeys(name for name, _ in peaks))
fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
for offset, title in zip((-0.2, 0.2), methods):
    values = [min(peaks[name, title]) for name in names]
    bars = ax.bar(np.arange(len(names)) + offset, values, width=0.38, label=title)
    ax.bar_label(bars, fmt="%.2f")
ax.set(xticks=range(len(names)), xticklabels=names, ylabel="peak in the weakest cup", ylim=(0, 1.1))
ax.legend()
caption(fig, "Weights: " + ", ".join(weights))
gains = {name: min(peaks[name, "Grad-CAM++"]) - min(peaks[name, "Grad-CAM"]) for name in names}
listing = ", ".join(f"{name} {gain:+.2f}" for name, gain in gains.items())
describe(fig, f"Bars for both methods and three networks. Gain of Grad-CAM++: {listing}.")
plt.show()

# %%

better = sum(gain > 0 for gain in gains.values())
print(f"Grad-CAM++ shows more of the weakest cup on {better} of {len(names)} networks: {listing}")

# %%
# ## The weights and photos behind this page

for family in ("resnet", "vgg", "mobilenet"):
    print(load_model(family).provenance)
print(next(photo for photo in photos() if photo.name == "coffee"))
