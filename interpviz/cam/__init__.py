"""Class activation maps: which part of a picture speaks for a class."""

from interpviz.cam.base import CAM
from interpviz.cam.gradient import GradCAM, GradCAMPlusPlus
from interpviz.cam.layers import find_target_layer, get_target_layer, layer_name
from interpviz.cam.maps import ClassMaps
from interpviz.cam.targets import ClassScore

__all__ = [
    "CAM",
    "ClassMaps",
    "ClassScore",
    "GradCAM",
    "GradCAMPlusPlus",
    "find_target_layer",
    "get_target_layer",
    "layer_name",
]
