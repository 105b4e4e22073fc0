"""How a model is run up to a layer and on from there, and how its activations become grids."""
