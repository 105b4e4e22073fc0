"""Class activation maps: which part of a picture speaks for a class."""

from interpviz.cam.ablation import AblationCAM
from interpviz.cam.base import CAM
from interpviz.cam.baseline import RandomCAM
from interpviz.cam.engine.grids import shared_scale
from interpviz.cam.engine.layers import find_target_layer, get_target_layer, layer_name
from interpviz.cam.factorization import DeepFeatureFactorization, Factorization
from interpviz.cam.finer import FinerCAM
from interpviz.cam.gradient import (
    ElementWiseCAM,
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    XGradCAM,
)
from interpviz.cam.kernel import KPCACAM
from interpviz.cam.legrad import LeGrad
from interpviz.cam.maps import ClassMaps
from interpviz.cam.perturbation import ISCAM, SSCAM, ScoreCAM
from interpviz.cam.projection import EigenCAM, EigenGradCAM
from interpviz.cam.registry import methods
from interpviz.cam.second_order import ResidualSoftmaxScore, ShapleyCAM
from interpviz.cam.smooth import SmoothGradCAMPlusPlus
from interpviz.cam.targets.kinds import OnOutput, OutputTarget
from interpviz.cam.targets.regions import BoxScore, MaskScore
from interpviz.cam.targets.scores import BinaryScore, ClassContrast, ClassProbability, ClassScore
from interpviz.cam.targets.similarity import Similarity
from interpviz.cam.video_maps import VideoMaps

__all__ = [
    "CAM",
    "ISCAM",
    "KPCACAM",
    "SSCAM",
    "AblationCAM",
    "BinaryScore",
    "BoxScore",
    "ClassContrast",
    "ClassMaps",
    "ClassProbability",
    "ClassScore",
    "DeepFeatureFactorization",
    "EigenCAM",
    "EigenGradCAM",
    "ElementWiseCAM",
    "Factorization",
    "FinerCAM",
    "GradCAM",
    "GradCAMPlusPlus",
    "HiResCAM",
    "LayerCAM",
    "LeGrad",
    "MaskScore",
    "OnOutput",
    "OutputTarget",
    "RandomCAM",
    "ResidualSoftmaxScore",
    "ScoreCAM",
    "ShapleyCAM",
    "Similarity",
    "SmoothGradCAMPlusPlus",
    "VideoMaps",
    "XGradCAM",
    "find_target_layer",
    "get_target_layer",
    "layer_name",
    "methods",
    "shared_scale",
]
