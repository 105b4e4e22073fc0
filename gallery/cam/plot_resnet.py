"""
# ResNet: from the first stage to the last

A ResNet halves its grid from stage to stage. Which stage shows best where a class is, and does it
matter where inside the stage one looks?
"""

# %%
# ## Photos, classes, maps
#
# [`load_model`][interpviz.zoo.load_model] gives the best ResNet in reach: ResNet-50 with its
# well-known ImageNet weights where a hub is, a small trained ResNet-18 otherwise. Each caption says
# which one drew the figure.
#
# A small network has learned these photos by heart, and from few others. Where its map lies beside
# the object, that is what it learned: a map tells about the network, not about the photo.

# mkdocs_gallery_thumbnail_number = 4
import matplotlib.pyplot as plt
from PIL import Image, ImageOps

from interpviz import GradCAM
from interpviz.cam import layer_name
from interpviz.render import caption, describe, map_panels
from interpviz.zoo import load_model, load_photo, photos

m = load_model("resnet")
cam = GradCAM(m.model, m.target_layer)

shown = ["chelsea", "coffee", "china"]
for name in shown:
    photo = load_photo(name)
    fig = cam.plot_classes(m.preprocess(photo), original_image=m.view(photo), top=3)
    caption(fig, m.provenance.caption)
plt.show()

# %%
# ## Which layer, and why that one
#
# A ResNet has four stages. A mosaic with a known answer tells them apart: the share of each map
# that falls on its own photo. Half would be chance.

mosaic = Image.new("RGB", (448, 448))
mosaic.paste(ImageOps.fit(load_photo("chelsea"), (448, 224)), (0, 0))
mosaic.paste(ImageOps.fit(load_photo("coffee"), (448, 224)), (0, 224))
x, view = m.preprocess(mosaic), m.view(mosaic)
classes = ["Egyptian cat", "espresso"]


def on_its_own(maps):
    """Share of the first map in the upper half and of the second in the lower half."""
    half = maps.shape[1] // 2
    upper = (maps[0, :half].sum() / maps[0].sum()).item()
    lower = (maps[1, half:].sum() / maps[1].sum()).item()
    return (upper + lower) / 2


stages = ["layer1", "layer2", "layer3", "layer4"]
maps = {name: GradCAM(m.model, name).class_maps(x, classes).maps for name in stages}
shares = {name: on_its_own(found) for name, found in maps.items()}

titles = [f"{name}\n{shares[name]:.0%} on its own" for name in stages]
fig = map_panels(view, [maps[name][1] for name in stages], titles, photo_title="input\n")
caption(fig, m.provenance.caption)
listing = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
describe(fig, f"A cat above a cup and the espresso map at four stages. On its own: {listing}.")
plt.show()

# %%

best = max(shares, key=shares.get)
print(f"most on its own object: {best} with {shares[best]:.0%}")
print("the zoo's choice:", layer_name(m.model, m.target_layer))

# %%
# ## Before or after the last addition?
#
# A block adds its input to what it computed, and a ReLU follows, in place. A map taken at the batch
# normalisation before the addition sees only the new part, and values below zero. In-place
# operations overwrite that layer's output; the engine keeps its own copy, so the map is right there
# too, but it answers another question.

blocks = m.model.layer4
last_norm = f"layer4.{len(blocks) - 1}.bn{3 if hasattr(blocks[-1], 'bn3') else 2}"
pair = {"after the addition": "layer4", "before it": last_norm}
found = {what: GradCAM(m.model, name).class_maps(x, classes).maps for what, name in pair.items()}
titles = [f"{what}\n{pair[what]}" for what in pair]
fig = map_panels(view, [maps[1] for maps in found.values()], titles, photo_title="input\n")
caption(fig, m.provenance.caption)
listing = ", ".join(f"{what} {on_its_own(maps):.0%}" for what, maps in found.items())
describe(fig, f"The espresso map after and before the last addition. On its own: {listing}.")
plt.show()

# %%

for what, maps in found.items():
    print(f"{what:<20} {on_its_own(maps):4.0%} on its own object")

# %%
# An earlier stage, or the part before the addition, can score as well or better on a mosaic: its
# map is sharper, since it leaves out what the shortcut carries, or its grid is finer.
# The output of the whole last stage is what the pooling, and so the decision, gets: a map there
# leaves nothing out. That makes it the usual choice.
#
# ## The weights and photos behind this page

print(m.provenance)
for photo in photos():
    if photo.name in shown:
        print(photo)
