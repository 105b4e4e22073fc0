"""
# What does the network look at?

A class activation map colours each part of a photo by how much it speaks for one class. A
classifier says *what*, with a probability; the map adds *where*. This page explains the first
guesses of a trained ImageNet network for three photos.
"""

# %%
# ## Load a trained network and a photo
#
# [`load_model`][interpviz.zoo.load_model] gives the network together with its preprocessing and its
# class names. [`GradCAM`][interpviz.cam.GradCAM] needs the network and the layer to look at, here
# the last one that still has a spatial grid.

import matplotlib.pyplot as plt

from interpviz import GradCAM
from interpviz.zoo import load_model, load_photo, photos

m = load_model("efficientnet_lite0")
cam = GradCAM(m.model, m.target_layer)

photo = load_photo("chelsea")
x = m.preprocess(photo)
view = m.view(photo)

# %%
# ## One map for each of the first guesses
#
# [`plot_classes`][interpviz.cam.CAM.plot_classes] explains the most probable classes with a single
# forward pass. Bright means: this part raises the score of that class. Each map is scaled to its
# own maximum, so brightness can be compared inside a map, not between maps.

fig = cam.plot_classes(x, original_image=view, top=3)
plt.show()

# %%
# The names of the guesses and their probabilities stand above the maps:

found = cam.class_maps(x, top=3)
for name, probability in zip(found.names, found.probabilities):
    print(f"{name:<16} {probability:6.1%}")

# %%
# ## Other photos, the same three lines
#
# A map is useful when the guess is wrong, too: it shows what the network took for the object.

for name in ["coffee", "grace_hopper"]:
    photo = load_photo(name)
    cam.plot_classes(m.preprocess(photo), original_image=m.view(photo), top=3)
plt.show()

# %%
# ## On one scale
#
# Maps that are scaled one by one hide how strong the evidence is. With `normalize=False` they keep
# the scale of the class score and can share one colour scale. The highest value of each map is
# printed below; it need not follow the order of the probabilities, since a score is a sum over all
# positions and has evidence against the class in it, which the map leaves out.

from interpviz.render import describe, map_panels

raw = cam.class_maps(x, top=3, normalize=False)
peak = raw.maps.max().item()
fig = map_panels(
    view,
    raw.maps,
    [f"{name}\n{p:.0%}" for name, p in zip(raw.names, raw.probabilities)],
    photo_title="input\n",
    vmax=peak,
    label="contribution to the score",
)
peaks = ", ".join(f"{n} {v:.2f}" for n, v in zip(raw.names, raw.maps.amax((1, 2)).tolist()))
describe(fig, f"The photo and its maps on one colour scale. Highest values: {peaks}.")
plt.show()

# %%
print("highest values:", peaks)

# %%
# ## The weights and photos behind this page

print(m.provenance)
for name in ["chelsea", "coffee", "grace_hopper"]:
    print(next(p for p in photos() if p.name == name))
