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
from interpviz.cam.grids import shared_scale
from interpviz.cam.kinds import OnOutput, OutputTarget
from interpviz.cam.layers import find_target_layer, get_target_layer, layer_name
from interpviz.cam.legrad import LeGrad
from interpviz.cam.maps import ClassMaps
from interpviz.cam.projection import EigenCAM, EigenGradCAM
from interpviz.cam.regions import BoxScore, MaskScore
from interpviz.cam.registry import methods
from interpviz.cam.scores import BinaryScore, ClassContrast, ClassProbability, ClassScore
from interpviz.cam.similarity import Similarity
from interpviz.cam.video_maps import VideoMaps

__all__ = [
    "CAM",
    "BinaryScore",
    "BoxScore",
    "ClassContrast",
    "ClassMaps",
    "ClassProbability",
    "ClassScore",
    "EigenCAM",
    "EigenGradCAM",
    "ElementWiseCAM",
    "GradCAM",
    "GradCAMPlusPlus",
    "HiResCAM",
    "LayerCAM",
    "LeGrad",
    "MaskScore",
    "OnOutput",
    "OutputTarget",
    "Similarity",
    "VideoMaps",
    "XGradCAM",
    "find_target_layer",
    "get_target_layer",
    "layer_name",
    "methods",
    "shared_scale",
]
