"""
# When a heat map lies

Four ways in which a heat map convinces and misleads. Each is shown on a photo, with the numbers
that give it away and the way out. A list of questions to ask of any map ends the page.
"""

# %%
# ## A class that is not there
#
# A cup of coffee, and what speaks for three classes. Each map is divided by its own maximum, as is
# usual. Is there a cat in the cup?

# mkdocs_gallery_thumbnail_number = 1
import warnings

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.patches import Rectangle
from PIL import Image, ImageOps

from interpviz import GradCAM
from interpviz.cam import EigenCAM, find_target_layer, layer_name
from interpviz.errors import LayerError
from interpviz.render import caption, describe, map_panels, show_map
from interpviz.zoo import load_model, load_photo, photos

m = load_model("efficientnet_lite0")
cam = GradCAM(m.model, m.target_layer)

coffee = load_photo("coffee")
x, view = m.preprocess(coffee), m.view(coffee)
classes = ["espresso", "tiger cat", "daisy"]
own = cam.class_maps(x, classes)
shared = cam.class_maps(x, classes, normalize="batch")

titles = [f"{name}\n{100 * p:.2g} %" for name, p in zip(own.names, own.probabilities)]
fig = map_panels(view, own.maps, titles, photo_title="each map by its own maximum\n")
caption(fig, m.provenance.caption)
describe(
    fig,
    "A cup of coffee and three maps, all equally bright on the cup: "
    + ", ".join(title.replace("\n", " at ") for title in titles)
    + ".",
)
plt.show()

# %%
# A map answers "where is what little there is?", never "how much is there?". With
# `normalize="batch"` all maps are divided by one maximum. The answer changes.

fig = map_panels(view, shared.maps, titles, photo_title="all by one maximum\n")
caption(fig, m.provenance.caption)
describe(fig, "The same maps on one scale: only the one for espresso can still be seen.")
plt.show()

# %%
# The raw values, which `normalize=False` gives, say by how much. The probability belongs beside
# every map: `plot_classes` writes it into each title. For maps of several calls,
# [`shared_scale`][interpviz.cam.shared_scale] does what `"batch"` does for one.

raw = cam.class_maps(x, classes, normalize=False)
for name, p, heat in zip(raw.names, raw.probabilities, raw.maps):
    print(f"{name:<10} probability {p:8.4%}   highest raw value {heat.max():.3f}")

# %%
# ## A map that hardly asks for the class
#
# A cat above, a cup below, and two questions: *where is the cat?* and *where is the cup?* A map
# that answers both alike was not asked. [`EigenCAM`][interpviz.cam.EigenCAM] shows what a layer
# mostly responds to and takes no class at all. And at an early layer even Grad-CAM knows edges
# rather than classes.

mosaic = Image.new("RGB", (448, 448))
mosaic.paste(ImageOps.fit(load_photo("chelsea"), (448, 224)), (0, 0))
mosaic.paste(ImageOps.fit(coffee, (448, 224)), (0, 224))
x, view = m.preprocess(mosaic), m.view(mosaic)
classes = ["tiger cat", "espresso"]

found = layer_name(m.model, find_target_layer(m.model, x[None]))
early = "blocks.1"
pairs = {
    f"Grad-CAM at {found}": GradCAM(m.model, found).class_maps(x, classes).maps,
    f"Grad-CAM at {early}": GradCAM(m.model, early).class_maps(x, classes).maps,
    f"EigenCAM at {found}": EigenCAM(m.model, found).class_maps(x, classes).maps,
}
titles = [f"{label}\n{name}?" for name in classes for label in pairs]
drawn = [pair[index] for index in range(len(classes)) for pair in pairs.values()]
fig = map_panels([view] * len(drawn), drawn, titles, columns=len(pairs))
caption(fig, m.provenance.caption)
describe(
    fig,
    f"A cat above a cup, with maps for the cat in the upper row and for the cup in the lower. "
    f"Grad-CAM at {found} moves from the cat to the cup; at {early} it draws edges of both; "
    "EigenCAM shows the same map twice.",
)
plt.show()

# %%
# The test costs one more line: ask for two classes, and compare. A map that follows the class
# lies on its own object. The two of a pair differ: their correlation is far below 1.

half = x.shape[-1] // 2
print(f"{'':<20}  cat's on cat   cup's on cup   correlation of the two")
for label, pair in pairs.items():
    cat, cup = pair
    shares = (cat[:half].sum() / cat.sum()).item(), (cup[half:].sum() / cup.sum()).item()
    alike = torch.corrcoef(pair.flatten(1))[0, 1].item()
    print(f"{label:<20}  {shares[0]:12.0%}   {shares[1]:12.0%}   {alike:22.2f}")

# %%
# Half would be chance. Without a `target_layer` the last layer is taken at which positions still
# decide the class ([`find_target_layer`][interpviz.cam.find_target_layer] names it). Behind it
# nothing is spatial, and asking there is refused rather than answered:

try:
    GradCAM(m.model, "global_pool")(x[None])
except LayerError as error:
    print(error)

# %%
# ## What the ReLU hides
#
# Most methods end in a ReLU: what speaks against the class is cut off, and cannot be told from what
# says nothing. Here are the maps for a missile in the photo of a cat, and for a school bus in the
# photo of a flower. With `signed=True` nothing is cut off: red speaks for the class, blue against.

pictures = {"missile": load_photo("chelsea"), "school bus": load_photo("flower")}
signed = GradCAM(m.model, m.target_layer, signed=True)
usual, heats, against, backdrops = [], [], [], []
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for name, picture in pictures.items():
        x = m.preprocess(picture)[None]
        usual.append(cam(x, name)[0])
        heats.append(signed(x, name)[0])
        against.append(((-heats[-1]).relu().sum() / heats[-1].abs().sum()).item())
        # In grey, so that the colours keep their meaning.
        backdrops.append(ImageOps.grayscale(m.view(picture)).convert("RGB"))

fig = map_panels(backdrops, usual, [f"{name}?\nthe usual map" for name in pictures])
caption(fig, m.provenance.caption)
seen = ["a few bright spots" if heat.max() > 0 else "nothing at all" for heat in usual]
describe(
    fig,
    f"A cat with its map for missile: {seen[0]}. A flower with its map for school bus: {seen[1]}.",
)
plt.show()

# %%

fig = map_panels(
    backdrops,
    heats,
    [f"{name}?\n{share:.0%} speaks against it" for name, share in zip(pictures, against)],
    cmap="RdBu_r",
    vmin=-1,
    label="share of the largest value",
)
caption(fig, m.provenance.caption)
listing = ", ".join(f"{share:.0%} against {name}" for name, share in zip(pictures, against))
describe(
    fig, f"The same maps with signs, blue where the photo speaks against the class: {listing}."
)
plt.show()

# %%
# A black map does not mean that the network cannot say. The usual call warns of it:

for warning in caught:
    print(warning.message)

# %%
# ## The right map in the wrong place
#
# The network does not see the whole photo: it is resized, and the middle is cut out. Stretched over
# the whole photo, the map slides off what it is about. The line goes around all that is above one
# half.

photo = load_photo("flower")
heat = cam(m.preprocess(photo)[None])[0].numpy()
width, height = photo.size
side = round(min(photo.size) * m.transform.crop / m.transform.resize)
left, top = (width - side) // 2, (height - side) // 2

stretched = np.asarray(Image.fromarray(heat).resize(photo.size))
placed = np.zeros_like(stretched)
placed[top : top + side, left : left + side] = Image.fromarray(heat).resize((side, side))

fig, axes = plt.subplots(1, 3, figsize=(10, 2.9), width_ratios=[1.5, 1, 1.5], layout="constrained")
panels = [
    (stretched, photo, "wrong: stretched over the photo"),
    (heat, m.view(photo), "right: on m.view(photo)"),
    (placed, photo, "right: put back where it was cut out"),
]
for ax, (values, picture, title) in zip(axes, panels):
    show_map(values, picture, ax=ax, title=title, colorbar=False)
    ax.contour(values, [0.5], colors="white", linewidths=1.5)
cut = Rectangle((left, top), side, side, fill=False, color="white", linewidth=1, linestyle="--")
axes[2].add_patch(cut)
caption(fig, m.provenance.caption)

bright, right = stretched > 0.5, placed > 0.5
overlap = (bright & right).sum() / (bright | right).sum()
describe(
    fig,
    "A flower three times. Stretched over the photo, the map reaches past its edge; on the crop, "
    f"and put back into the photo, it lies inside. The two overlap by {overlap:.0%}.",
)
plt.show()

# %%

print(f"overlap of the wrong and the right bright part: {overlap:.0%}")
print(f"share of the photo that the network never saw:  {1 - side * side / (width * height):.0%}")

# %%
# `visualize_cam` cannot know how a photo was cropped, but it can see that the shapes do not fit:

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    cam.visualize_cam(m.preprocess(photo), original_image=photo)
for warning in caught:
    print(warning.message)

# %%
# ## Before you believe a map
#
# 1. **How probable is the class?** Write it beside the map. Compare maps on one scale only.
# 2. **Does the map follow the class?** Ask for a second class, best one that is elsewhere in the
#    picture. [Which class is where?](plot_which_class_is_where.md) makes such pictures.
# 3. **Is it the right layer?** Leave it out, and it is found. [Which layer?](plot_which_layer.md)
#    compares them.
# 4. **What was cut off?** Look at the signed map where the usual one is black or thin.
# 5. **Is it over what the network saw?** Give `m.view(photo)`, not the photo.
#
# ## The weights and photos behind this page

print(m.provenance)
for photo in photos():
    if photo.name in ("chelsea", "coffee", "flower"):
        print(photo)
