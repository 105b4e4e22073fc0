"""
# Three architectures, one photo

ResNet, VGG and MobileNet look at the same photo and the same class. What do they agree on, and how
much of a map is about the network rather than the photo?
"""

# %%
# ## One photo, one class, three networks

# mkdocs_gallery_thumbnail_number = 3
import matplotlib.pyplot as plt
import torch
from torch.nn import functional as F

from interpviz import GradCAM
from interpviz.render import caption, describe, map_panels
from interpviz.zoo import load_model, load_photo, photos

families = ["resnet", "vgg", "mobilenet"]
models = {family: load_model(family) for family in families}
weights = "Weights: " + ", ".join(
    f"{m.provenance.architecture} ({m.provenance.source} {m.provenance.version})"
    for m in models.values()
)


def explain(photo, target):
    """Each network's map for the class, at one size, and the probability it gives."""
    maps, titles = [], []
    for m in models.values():
        x = m.preprocess(photo)
        found = GradCAM(m.model, m.target_layer).class_maps(x, [target])
        maps.append(F.interpolate(found.maps[None], (224, 224), mode="bilinear")[0, 0].cpu())
        titles.append(
            f"{m.provenance.architecture.split(' with')[0]}\n{found.probabilities[0]:.0%}"
        )
    return torch.stack(maps), titles


questions = {"coffee": "espresso", "chelsea": "Egyptian cat", "rocket": "missile"}
agreement = {}
for name, target in questions.items():
    photo = load_photo(name)
    maps, titles = explain(photo, target)
    agreement[name] = torch.corrcoef(maps.flatten(1))
    view = models["resnet"].view(photo)
    fig = map_panels(view, maps, titles, photo_title=f"{target}?\n")
    caption(fig, weights)
    listing = ", ".join(title.replace("\n", " ") for title in titles)
    describe(fig, f"The photo {name} and three maps for {target}, with probabilities: {listing}.")
plt.show()

# %%
# ## How alike are the maps?
#
# The correlation of two maps over all positions: 1 is the same map, 0 has nothing in common.

print(
    f"{'':<10}"
    + "".join(
        f"{a + ' / ' + b:>20}"
        for a, b in [("resnet", "vgg"), ("resnet", "mobilenet"), ("vgg", "mobilenet")]
    )
)
for name, r in agreement.items():
    print(f"{name:<10}" + "".join(f"{r[i, j].item():20.2f}" for i, j in [(0, 1), (0, 2), (1, 2)]))

lowest = min(
    (r[i, j].item(), name) for name, r in agreement.items() for i, j in [(0, 1), (0, 2), (1, 2)]
)
print(f"least alike: {lowest[0]:.2f}, for {lowest[1]}")

# %%
# All three are sure of the same class and look at the same pixels. What differs between their maps
# is therefore about the networks: the lower the correlation, the less a single map says about the
# photo. Small networks that learned these photos by heart can rest on a background or a border.
#
# ## What all three agree on
#
# The product of the maps keeps only what is bright in every one. It is scaled to its own maximum,
# so it looks as strong as the others even where they hardly agree.

photo = load_photo("coffee")
maps, titles = explain(photo, "espresso")
common = maps.prod(0)
common = common / common.max().clamp(min=1e-12)
view = models["resnet"].view(photo)
fig = map_panels(view, [maps.mean(0), common], ["mean", "product, scaled"], photo_title="input")
caption(fig, weights)
spots = [(values > 0.5).float().mean().item() for values in (maps.mean(0), common)]
describe(
    fig,
    "The mean of the three maps and their product. Above half of the maximum lie "
    f"{spots[0]:.0%} of the picture in the mean and {spots[1]:.0%} in the product.",
)
plt.show()

# %%
# ## The weights and photos behind this page

for m in models.values():
    print(m.provenance)
for photo in photos():
    if photo.name in questions:
        print(photo)
