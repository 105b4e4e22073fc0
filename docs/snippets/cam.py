from interpviz import GradCAM
from interpviz.zoo import load_model, load_photo

m = load_model("efficientnet_lite0")  # or a model of your own
photo = load_photo("coffee")
x = m.preprocess(photo)  # (3, 224, 224)

cam = GradCAM(m.model, m.target_layer)  # a module, a name, or None: found
heatmap = cam.generate_cam(x)  # NumPy (224, 224), in [0, 1]
figure = cam.plot_classes(x, original_image=m.view(photo), top=3)
figure.savefig("cam.png")
