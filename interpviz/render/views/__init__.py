"""Views that a reader can ask questions: HTML with a script inside and nothing from a network."""

from interpviz.render.views.attention_view import AttentionView
from interpviz.render.views.base import InteractiveView, write_page
from interpviz.render.views.cam_view import CamView
from interpviz.render.views.page import runtime

__all__ = ["AttentionView", "CamView", "InteractiveView", "runtime", "write_page"]
