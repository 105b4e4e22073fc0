"""
# A heat map over time

A map of a film needs one scale for all frames. Scaled one by one, the frames without a cat shine as
bright as those with one; on one scale they stay dark, and the film shows when the evidence comes.
"""

# %%
# ## A film with a known answer
#
# No film comes with the libraries of this gallery, so this one is a pan: a window that slides over
# three photos side by side. The cat enters and leaves, and everybody knows when.

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image, ImageOps

from interpviz import GradCAM
from interpviz.render import caption, describe
from interpviz.zoo import load_model, load_photo, photos

m = load_model("efficientnet_lite0")
cam = GradCAM(m.model, m.target_layer)

side, names = 300, ("china", "chelsea", "coffee")
wall = np.hstack([ImageOps.contain(load_photo(name), (10_000, side)) for name in names])
starts = np.linspace(0, wall.shape[1] - side, 40).round().astype(int)
windows = [Image.fromarray(wall[:, x : x + side]) for x in starts]
frames = torch.stack([m.preprocess(window) for window in windows])
views = [m.view(window) for window in windows]
print(f"{len(frames)} frames of {frames.shape[-1]} x {frames.shape[-2]} pixels")

# %%
# ## One scale, or one a frame
#
# [`CAM.video`][interpviz.cam.CAM.video] explains one target in every frame and divides all maps by
# the maximum over the film. With `normalize="frame"` each map is divided by its own maximum, as a
# map of a single picture usually is.

target = "Egyptian cat"
single = cam.video(frames, targets=target, original_frames=views, normalize="frame")
shared = cam.video(frames, targets=target, original_frames=views)

shown = np.linspace(0, len(frames) - 1, 6).round().astype(int)
fig, axes = plt.subplots(2, len(shown), figsize=(10, 4.3), layout="constrained")
for row, video in zip(axes, (single, shared)):
    for ax, t in zip(row, shown):
        ax.imshow(video.frames[t])
        ax.set(xticks=[], yticks=[])
        ax.set_title(f"up to {video.maps[t].max():.2f}", fontsize=9)
for ax, t in zip(axes[1], shown):
    ax.set_xlabel(f"{t / shared.fps:.1f} s\n{target}\n{shared.probabilities[t]:.1%}", fontsize=9)
axes[0, 0].set_ylabel("one scale a frame")
axes[1, 0].set_ylabel("one scale for all")
caption(fig, m.provenance.caption)
listing = ", ".join(f"{shared.probabilities[t]:.1%}" for t in shown)
describe(
    fig,
    f"Six frames with their maps for {target}, above each on its own scale, below all on one. "
    f"Its probability in them is {listing}.",
)
plt.show()

# %%
# The upper row has bright spots in a picture without a cat: a maximum is always there, however
# small. In numbers, over the frames in which the network itself rules the class out:

without = np.array(shared.probabilities) < 0.01
print(f"{without.sum()} of {len(frames)} frames: {target} has less than 1%")
for name, video in (("one scale a frame", single), ("one scale for all", shared)):
    brightest = video.maps.flatten(1).amax(1).numpy()[without]
    print(f"  {name}: the brightest spot is {brightest.mean():.2f} on average")

# %%
# The scale of a single frame also flickers: the same evidence becomes brighter or darker because
# something else in the picture changed. How much the mean brightness of the map changes from one
# such frame to the next:

for name, video in (("one scale a frame", single), ("one scale for all", shared)):
    light = video.maps.mean((1, 2)).numpy()
    steps = np.abs(np.diff(light))[without[1:] & without[:-1]]
    print(f"{name}: {steps.mean():.3f} of the full brightness a step")

# %%
# ## When the evidence comes
#
# [`VideoMaps.plot`][interpviz.cam.VideoMaps.plot] draws the film with its numbers. The
# map's maximum is no probability: it says how much the strongest place adds to the score, and knows
# nothing of other classes.

fig = shared.plot()
caption(fig, m.provenance.caption)
plt.show()

strongest, surest = np.argmax(shared.strength), np.argmax(shared.probabilities)
for what, t in (("strongest map", strongest), ("highest probability", surest)):
    probability = shared.probabilities[t]
    print(f"{what}: at {t / shared.fps:.1f} s, where {target} has {probability:.0%}")

# %%
# ## The film
#
# In a notebook the result shows itself, and waits for the play button.
# `cam.video(frames, "cat.mp4")` writes the same to a file; `.webp` and `.gif` work too.

shared

# %%
# ## The weights and photos behind this page

print(m.provenance)
for photo in photos():
    if photo.name in names:
        print(photo)

# mkdocs_gallery_thumbnail_number = 1
