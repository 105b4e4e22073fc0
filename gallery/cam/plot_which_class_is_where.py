"""
# Which class is where?

Two objects in one picture, two classes, two maps. If the maps are right, each falls on its own
object. This is the quickest test that a map explains the class and not just the photo.
"""

# %%
# ## A photographer at work
#
# The first picture has a camera and, below it, a tripod. Classes can be asked for by name.

import matplotlib.pyplot as plt

from interpviz import GradCAM
from interpviz.zoo import load_model, load_photo, photos

m = load_model("efficientnet_lite0")
cam = GradCAM(m.model, m.target_layer)

photo = load_photo("camera")
x = m.preprocess(photo)
fig = cam.plot_classes(x, ["tripod", "reflex camera"], original_image=m.view(photo))
plt.show()

# %%
# The network gives the camera little probability, and still knows where it is: the map of a class
# does not depend on how likely the class is.
#
# How far apart are the two maps? The share of each map that lies in the upper half of the picture
# says it in one number.

maps = cam.class_maps(x, ["tripod", "reflex camera"])
upper = maps.maps[:, :112].sum((1, 2)) / maps.maps.sum((1, 2))
for name, share in zip(maps.names, upper.tolist()):
    print(f"{name:<14} {share:4.0%} of the map in the upper half")

# %%
# ## A picture made of two
#
# A mosaic has a known answer: the cat is above, the cup below. So the share of each map in the
# right half can be checked. A map that knows nothing about the class would get 50 %.

from PIL import Image, ImageOps

mosaic = Image.new("RGB", (448, 448))
mosaic.paste(ImageOps.fit(load_photo("chelsea"), (448, 224)), (0, 0))
mosaic.paste(ImageOps.fit(load_photo("coffee"), (448, 224)), (0, 224))

x = m.preprocess(mosaic)
fig = cam.plot_classes(x, ["tiger cat", "espresso"], original_image=m.view(mosaic))
plt.show()

# %%

cat, cup = cam.class_maps(x, ["tiger cat", "espresso"]).maps
print(f"cat: {cat[:112].sum() / cat.sum():4.0%} of the map in the cat's half")
print(f"cup: {cup[112:].sum() / cup.sum():4.0%} of the map in the cup's half")

# %%
# ## Both maps in one look
#
# The difference of the two maps leaves out what both share. Red speaks for the cat, blue for the
# cup.

from interpviz.render import describe, difference_map

fig = difference_map(cat, cup, m.view(mosaic), labels=("tiger cat", "espresso"))
above = (cat - cup)[:112].mean().item()
below = (cat - cup)[112:].mean().item()
describe(
    fig,
    "The map of the cat minus the map of the cup, over the picture in grey. "
    f"The mean is {above:+.2f} in the upper half and {below:+.2f} in the lower half.",
)
plt.show()

# %%
# ## The weights and photos behind this page

print(m.provenance)
for photo in photos():
    if photo.name in ("camera", "chelsea", "coffee"):
        print(photo)
