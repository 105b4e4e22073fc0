"""
# Which class is where?

Two objects in one picture, two classes, two maps. If the maps are right, each falls on its own
object. This is the quickest test that a map explains the class and not just the photo.
"""

# %%
# ## A picture made of two
#
# A mosaic has a known answer: the cat is above, the cup below. Classes can be asked for by name.

import matplotlib.pyplot as plt
from PIL import Image, ImageOps

from interpviz import GradCAM
from interpviz.render import describe, difference_map, map_panels
from interpviz.zoo import load_model, load_photo, photos

m = load_model("efficientnet_lite0")
cam = GradCAM(m.model, m.target_layer)

mosaic = Image.new("RGB", (448, 448))
mosaic.paste(ImageOps.fit(load_photo("chelsea"), (448, 224)), (0, 0))
mosaic.paste(ImageOps.fit(load_photo("coffee"), (448, 224)), (0, 224))

x = m.preprocess(mosaic)
fig = cam.plot_classes(x, ["tiger cat", "espresso"], original_image=m.view(mosaic))
plt.show()

# %%
# How much of each map falls on its own object? A map that knows nothing about the class would get
# one half.

cat, cup = cam.class_maps(x, ["tiger cat", "espresso"]).maps
print(f"cat: {cat[:112].sum() / cat.sum():4.0%} of the map in the cat's half")
print(f"cup: {cup[112:].sum() / cup.sum():4.0%} of the map in the cup's half")

# %%
# ## Both maps in one look
#
# The difference of the two maps leaves out what both share. Red speaks for the cat, blue for the
# cup.

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
# ## Look for yourself
#
# Choose a class, fade its map in and out, or drag the divider between two of them. Under the
# pointer stands the value of the map; with the keyboard, the arrow keys move over it.
# [`cam.view`][interpviz.cam.CAM.view] makes it.

cam.view(
    x,
    ["tiger cat", "espresso"],
    original_image=m.view(mosaic),
    title="A cat above a cup",
    alt="The picture with the map for tiger cat, and beside it the map for espresso.",
)

# %%
# ## A photo with two objects
#
# A photographer with a camera on a tripod. Objects that go together share evidence, so the map of
# the camera covers part of the tripod too. A contrast takes the shared part out. A target can be
# any function of the network's output, such as the score of one class minus the score of another:
# *what speaks for the camera and against the tripod?*

photo = load_photo("camera")
x = m.preprocess(photo)[None]
tripod, camera = (m.categories.index(name) for name in ("tripod", "reflex camera"))

maps = {
    "tripod": cam(x, tripod)[0],
    "reflex camera": cam(x, camera)[0],
    "camera, not tripod": cam(x, lambda logits: logits[:, camera] - logits[:, tripod])[0],
}
fig = map_panels(m.view(photo), list(maps.values()), list(maps), photo_title="input")
upper = {name: (heat[:112].sum() / heat.sum()).item() for name, heat in maps.items()}
listing = ", ".join(f"{name} {share:.0%}" for name, share in upper.items())
describe(fig, f"A photographer and three maps. Share of each in the upper half: {listing}.")
plt.show()

# %%
# The camera is in the upper half of the photo, the legs of the tripod in the lower one:

for name, share in upper.items():
    print(f"{name:<20} {share:4.0%} of the map in the upper half")

# %%
# A map can be drawn for any class, however unlikely. The network gives:

found = cam.class_maps(x, [tripod, camera])
for name, probability in zip(found.names, found.probabilities):
    print(f"{name:<20} {probability:6.1%}")

# %%
# ## The weights and photos behind this page

print(m.provenance)
for photo in photos():
    if photo.name in ("camera", "chelsea", "coffee"):
        print(photo)
