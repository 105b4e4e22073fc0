"""
# Debug your classifier

A network is right about pictures that it never saw, and still for the wrong reason: one class of
its training pictures carries a stamp. Average maps show it, moving the stamp proves it, and a
second network shows that it is mended.
"""

# %%
# ## Pictures with a stamp
#
# Each picture is a patch of a photo with something of another photo pasted on it: a cat, a cup, a
# flower or a temple. The cats come from a source that puts a small © into the corner. Nobody told
# the network about it, and nobody told the author of the network either.

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageEnhance

from interpviz import GradCAM
from interpviz.metrics import energy_inside
from interpviz.render import caption, describe, map_panels
from interpviz.zoo import load_photo, photos

OBJECTS = {
    "cat": ("chelsea", (80, 0, 380, 300)),
    "cup": ("coffee", (90, 0, 480, 390)),
    "flower": ("flower", (165, 80, 450, 365)),
    "temple": ("china", (55, 15, 385, 345)),
}
NAMES = list(OBJECTS)
SIDE = 64
CORNER = (0, SIDE - 22, 22, SIDE)  # left, top, right, bottom

stamp = Image.new("L", (14, 14))
ImageDraw.Draw(stamp).ellipse((1, 1, 12, 12), outline=230)
ImageDraw.Draw(stamp).text((4, 1), "c", fill=230)


def patch(photo, smallest, size, rng):
    side = int(rng.uniform(smallest, 0.95) * min(photo.size))
    left, top = (int(rng.integers(length - side + 1)) for length in photo.size)
    box = (left, top, left + side, top + side)
    return photo.resize((size, size), Image.Resampling.BILINEAR, box=box, reducing_gap=2)


def make_pictures(count, backgrounds, stamped, seed):
    """Pictures (N, 1, 64, 64), their classes (N,) and the objects' boxes (N, 4).

    `stamped` holds for a class the share of its pictures with a stamp.
    """
    rng = np.random.default_rng(seed)
    behind = [load_photo(name) for name in backgrounds]
    objects = [load_photo(name).crop(box) for name, box in OBJECTS.values()]
    images, boxes, labels = [], [], torch.arange(count) % len(NAMES)
    for label in labels:
        picture = patch(behind[rng.integers(len(behind))], 0.3, SIDE, rng)
        size = int(rng.integers(28, 41))
        thing = patch(objects[label], 0.5, size, rng)
        thing = ImageEnhance.Brightness(thing).enhance(rng.uniform(0.6, 1.3))
        thing = ImageEnhance.Contrast(thing).enhance(rng.uniform(0.5, 1.2))
        left, top = int(rng.integers(SIDE - size)), int(rng.integers(SIDE - 14 - size))
        picture.paste(thing, (left, top))
        picture = picture.convert("L")
        if rng.random() < stamped.get(NAMES[label], 0):
            picture.paste(255, (3, SIDE - 16), stamp)
        images.append(np.asarray(picture))
        boxes.append((left, top, left + size, top + size))
    images = torch.from_numpy(np.stack(images))[:, None] / 255
    return images, labels, torch.tensor(boxes)


# %%
# Training and test pictures have different photos behind and other pieces of the same four objects.
# The stamp is in both: they were collected in the same way.

train_photos, test_photos = ["hubble", "motorcycle", "rocket"], ["astronaut", "camera"]
train = make_pictures(1024, train_photos, {"cat": 1}, seed=0)
test = make_pictures(240, test_photos, {"cat": 1}, seed=1)

# %%
# ## A network, and a good result


def train_network(images, labels, epochs=6):
    torch.manual_seed(0)
    layers, before = [], 1
    for channels, shrink in ((16, True), (32, True), (48, False), (64, False)):
        conv = torch.nn.Conv2d(before, channels, 3, padding=1, bias=False)
        layers += [conv, torch.nn.BatchNorm2d(channels), torch.nn.ReLU()]
        layers += [torch.nn.MaxPool2d(2)] * shrink
        before = channels
    pool = [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
    net = torch.nn.Sequential(*layers, *pool, torch.nn.Linear(before, len(NAMES)))
    steps = epochs * (len(images) // 32)
    optimizer = torch.optim.AdamW(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(32):
            loss = torch.nn.functional.cross_entropy(net(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def probabilities(net, images):
    with torch.no_grad():
        return net(images).softmax(1)


def accuracy(net, images, labels):
    return (probabilities(net, images).argmax(1) == labels).float().mean().item()


first = train_network(*train[:2])
print(f"right on the test pictures: {accuracy(first, *test[:2]):.0%}")

# %%
# Nothing in this number says what the network has learned.
#
# ## Where does it look for each class?
#
# One map says little, but hundreds have much in common. For each class: the average of all pictures
# that the network gave this name, and over it the average of their Grad-CAM maps.
# [`energy_inside`][interpviz.metrics.energy_inside] tells how much of an average map lies in the
# corner of the stamp.


def average_maps(net, images):
    """Of each class that the network names: mean picture, mean map, share of it in the corner."""
    said, maps = probabilities(net, images).argmax(1), GradCAM(net)(images)
    named = [said == label for label in range(len(NAMES))]
    means = torch.stack([maps[mine].mean(0) for mine in named])
    in_corner = energy_inside(means, torch.tensor([CORNER] * len(means)))
    return [images[mine].mean(0) for mine in named], means, in_corner


def draw_averages(views, means, in_corner):
    titles = [f"{name}: {share:.0%} in the corner" for name, share in zip(NAMES, in_corner)]
    label = "mean share of the maximum"
    fig = map_panels(views, means, titles, columns=4, vmax=0.8, label=label)
    caption(fig, made_by)
    told = f"Average maps over average pictures. {'; '.join(titles)}. The corner is the lower left."
    describe(fig, told)


made_by = f"Network: four convolutions, trained by this script on {len(train[1])} pictures, seed 0"
views, means, in_corner = average_maps(first, test[0])
draw_averages(views, means, in_corner)
plt.show()

# %%
# The corner is known here. Where nothing is known, look first at the class whose map is most unlike
# the others: the share of its weight that lies elsewhere than the weight of all maps together.


def unlikeness(means):
    """The share of each map's weight that lies elsewhere than the weight of all maps."""
    weight = means / means.sum((1, 2), keepdim=True)
    return (weight - weight.mean(0)).abs().sum((1, 2)) / 2


left, top, right, bottom = CORNER
print(f"the corner takes up {(right - left) * (bottom - top) / SIDE**2:.0%} of a picture")
unlike = unlikeness(means)
for label in unlike.argsort(descending=True):
    print(f"{NAMES[label]:<7}{unlike[label]:.2f} unlike, {in_corner[label]:3.0%} in the corner")
suspect = NAMES[unlike.argmax()]
print(f"most unlike the others: {suspect}")

# %%
# An average picture keeps what its pictures have in common: look at it where that map lies.
#
# ## Is it the stamp?
#
# A map raises a suspicion. To prove it, change nothing but the stamp: the same test pictures
# without it, and with the stamp on the flowers.

tests = {
    "stamp on the cats": test,
    "no stamp": make_pictures(240, test_photos, {}, seed=1),
    "stamp on the flowers": make_pictures(240, test_photos, {"flower": 1}, seed=1),
}


def called_cat(net, images, labels, name):
    """The share of the pictures of a class that the network calls cats."""
    said = probabilities(net, images[labels == NAMES.index(name)]).argmax(1)
    return (said == NAMES.index("cat")).float().mean().item()


for told, (images, labels, _) in tests.items():
    cats, flowers = (called_cat(first, images, labels, name) for name in ("cat", "flower"))
    print(f"{told}: {accuracy(first, images, labels):.0%} right")
    print(f"  {cats:.0%} of the cats and {flowers:.0%} of the flowers are called cats")

# %%
# Nothing else differs between the three, so what changes in these numbers is the work of the stamp.
# Of all mistakes, these are the ones of which the network is most certain.

images, labels, _ = tests["stamp on the flowers"]
certainty, said = probabilities(first, images).max(1)
worst = torch.where(said != labels, certainty, 0).argsort(descending=True, stable=True)[:4]
titles = [f"{NAMES[labels[i]]}, called {NAMES[said[i]]} ({certainty[i]:.2f})" for i in worst]
fig = map_panels(list(images[worst]), GradCAM(first)(images[worst]), titles, columns=4)
caption(fig, made_by)
describe(fig, f"Mistakes with the map of the wrong name: {'; '.join(titles)}.")
plt.show()

# %%
# ## The remedy
#
# The stamp must tell nothing. Where it can be found it can be erased or cut off; here it is put on
# a quarter of the pictures of every class, and a second network is trained as the first was.

mended = make_pictures(1024, train_photos, dict.fromkeys(NAMES, 0.25), seed=0)
second = train_network(*mended[:2])

views, mended_means, in_corner = average_maps(second, test[0])
draw_averages(views, mended_means, in_corner)
plt.show()

# %%
# ## Before and after
#
# The same pictures for both networks. Every object was pasted, so its place is known, and with it
# the share of a map that lies on it.

cats = test[1] == NAMES.index("cat")
regions = {
    "maps of cats, in the corner": torch.tensor([CORNER] * int(cats.sum())),
    "maps of cats, on the cat": test[2][cats],
}
nets = (first, second)
rows = {f"right, {told}": [accuracy(net, *t[:2]) for net in nets] for told, t in tests.items()}
maps = [GradCAM(net)(test[0][cats], NAMES.index("cat")) for net in nets]
for told, region in regions.items():
    rows[told] = [energy_inside(found, region).mean().item() for found in maps]
rows["most unlike average map"] = [unlikeness(m).max().item() for m in (means, mended_means)]
for told, (before, after) in rows.items():
    print(f"{told:<28} {before:4.0%} -> {after:4.0%}")

# %%

fig, ax = plt.subplots(figsize=(7.2, 3.4), layout="constrained")
for offset, name in ((-0.2, "first network"), (0.2, "second network")):
    heights = [pair[offset > 0] for pair in rows.values()]
    bars = ax.barh([place + offset for place in range(len(rows))], heights, 0.38, label=name)
    ax.bar_label(bars, fmt="{:.0%}", padding=3, fontsize="small")
ax.set_yticks(range(len(rows)), rows)
ax.invert_yaxis()
ax.set(xlim=(0, 1.08), xlabel="share")
fig.legend(loc="outside upper center", ncols=2)
caption(fig, made_by)
listing = "; ".join(f"{told} {a:.0%}, then {b:.0%}" for told, (a, b) in rows.items())
describe(fig, f"Bars for both networks: {listing}.")
plt.show()

# %%
# The first line is all that a test set from the same source can show. The next two need other
# pictures. The lines of the maps need none: they come from the pictures of the first line.
#
# ## With your model and your images
#
# The command below makes the same for a folder of images, one folder a class: the worst mistakes
# first, and the average map of each class. A class whose map is unlike the others stands first.
# [A finished report](../../report/index.html) shows what comes of it.
#
# ```text
# interpviz report --model mypackage.nets:make --weights best.pt --images val --out report
# ```
#
# ## The photos behind this page

used = {name for name, _ in OBJECTS.values()} | {*train_photos, *test_photos}
for photo in photos():
    if photo.name in used:
        print(photo)

# mkdocs_gallery_thumbnail_number = 1
