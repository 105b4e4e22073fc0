"""Class activation maps: which part of a picture speaks for a class."""

from interpviz.cam.base import CAM
from interpviz.cam.gradient import (
    ElementWiseCAM,
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    XGradCAM,
)
from interpviz.cam.layers import find_target_layer, get_target_layer, layer_name
from interpviz.cam.maps import ClassMaps
from interpviz.cam.projection import EigenCAM, EigenGradCAM
from interpviz.cam.registry import methods
from interpviz.cam.targets import ClassScore

__all__ = [
    "CAM",
    "ClassMaps",
    "ClassScore",
    "EigenCAM",
    "EigenGradCAM",
    "ElementWiseCAM",
    "GradCAM",
    "GradCAMPlusPlus",
    "HiResCAM",
    "LayerCAM",
    "XGradCAM",
    "find_target_layer",
    "get_target_layer",
    "layer_name",
    "methods",
]
