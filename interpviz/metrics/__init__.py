"""How far to trust a map: numbers for faithfulness, localisation and sanity."""

from interpviz.metrics.comparison import compare_methods
from interpviz.metrics.confidence import average_drop, increase_in_confidence
from interpviz.metrics.controls import random_maps
from interpviz.metrics.curves import Curve
from interpviz.metrics.infidelity_measure import infidelity
from interpviz.metrics.localisation import energy_inside, iou, pointing_game
from interpviz.metrics.mosaics import grid_pointing_game
from interpviz.metrics.pixel_flipping import deletion, insertion
from interpviz.metrics.randomisation_check import Randomisation, class_sensitivity, randomisation
from interpviz.metrics.road_curves import RoadCurves, road
from interpviz.metrics.sensitivity import sensitivity_n
from interpviz.metrics.similarity import rank_correlation, structural_similarity
from interpviz.metrics.spread import half_mass_area
from interpviz.metrics.table import MethodTable

__all__ = [
    "Curve",
    "MethodTable",
    "Randomisation",
    "RoadCurves",
    "average_drop",
    "class_sensitivity",
    "compare_methods",
    "deletion",
    "energy_inside",
    "grid_pointing_game",
    "half_mass_area",
    "increase_in_confidence",
    "infidelity",
    "insertion",
    "iou",
    "pointing_game",
    "random_maps",
    "randomisation",
    "rank_correlation",
    "road",
    "sensitivity_n",
    "structural_similarity",
]
