"""
# A map that ignores the model

An edge detector draws convincing maps and knows nothing of the network. Take the network's weights
away, layer by layer: a map that stays as it was never explained what the network had learned.
"""

# %%
# ## Three methods that look alike
#
# Grad-CAM asks the model about a class. EigenCAM asks the model, but about no class. The third one
# is an edge detector, written in the form of a method: a function that makes an explainer of a
# model and a layer, and ignores both.

import matplotlib.pyplot as plt
import torch

from interpviz.cam import layer_name
from interpviz.metrics import class_sensitivity, randomisation
from interpviz.render import caption, describe, map_panels
from interpviz.zoo import load_model, load_photo, photos


def edges(model, target_layer):
    def explain(images, targets):
        grey = torch.nn.functional.avg_pool2d(images.mean(1), 5, stride=1, padding=2)
        across = (grey[:, :, 1:] - grey[:, :, :-1])[:, 1:]
        down = (grey[:, 1:] - grey[:, :-1])[:, :, 1:]
        found = torch.nn.functional.pad(torch.hypot(across, down), (1, 0, 1, 0))
        return found / found.amax((1, 2), keepdim=True)

    return explain


m = load_model("efficientnet_lite0")
m.model.to(memory_format=torch.channels_last)  # twice as quick on a CPU
names = ["chelsea", "coffee", "rocket"]
x = torch.stack([m.preprocess(load_photo(name)) for name in names])
layer = layer_name(m.model, m.target_layer)

# %%
# ## Take the weights away
#
# [`randomisation`][interpviz.metrics.randomisation] copies the model and draws its weights anew,
# from the output down to the input. After each step it compares the map with that of the trained
# model. The model itself stays as it is.

results = {
    method if isinstance(method, str) else method.__name__: randomisation(
        method, m.model, x, target_layer=layer, steps=8, keep_maps=True
    )
    for method in ("gradcam", "eigencam", edges)
}

# %%

steps = [0, 1, len(results["gradcam"].layers) - 1]
headings = ["trained", *(f"lost down to\n{results['gradcam'].layers[s]}" for s in steps)]
view = m.view(load_photo(names[0]))
panels, titles = [], []
for name, result in results.items():
    panels += [result.original[0], *(result.maps[0, s] for s in steps)]
    titles += [f"{name}: {heading}" for heading in headings]
fig = map_panels([view] * len(panels), panels, titles, columns=len(headings))
caption(fig, m.provenance.caption)
describe(
    fig,
    f"The photo {names[0]} with a row of maps for each of {', '.join(results)}, from the trained "
    "network to one without any trained weights. Only the maps of the edge detector stay the same.",
)
plt.show()

# %%
# The rows of Grad-CAM and EigenCAM fall apart. The edge detector still draws the same cat for a
# network that knows nothing.
#
# ## The same in numbers
#
# The rank correlation compares the order of the pixels: 1 is the same map, 0 is chance.

fig, ax = plt.subplots(figsize=(6.8, 4.6), layout="constrained")
for result in results.values():
    result.plot(ax)
caption(fig, m.provenance.caption)
ends = {name: result.rank_correlation.mean(0) for name, result in results.items()}
listing = ", ".join(f"{name} {end[0]:.2f}, then {end[-1]:.2f}" for name, end in ends.items())
describe(fig, f"Likeness to the first map after the first and the last step: {listing}.")
plt.show()

# %%

for name, end in ends.items():
    print(f"{name}: {end[0]:.2f} without its output layer, {end[-1]:.2f} without any trained layer")

# %%
# EigenCAM shows what the layer responds to and never asks the output layer, so losing that one
# changes nothing: it explains the model, but not the answer. The next check says the same.
#
# ## Ask about another class
#
# [`class_sensitivity`][interpviz.metrics.class_sensitivity] compares the map of the predicted class
# with that of a random other one.

for method in ("gradcam", "eigencam", edges):
    likeness = class_sensitivity(method, m.model, x, target_layer=layer)
    name = method if isinstance(method, str) else method.__name__
    print(f"{name}: {likeness.mean():.2f} (1 means that the class does not matter)")

# %%
# Passing these checks does not make a map right. Failing them makes it useless as an explanation.
#
# ## The weights and photos behind this page

print(m.provenance)
for photo in photos():
    if photo.name in names:
        print(photo)

# mkdocs_gallery_thumbnail_number = 1
