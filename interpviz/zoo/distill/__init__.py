"""Distillation of the packaged students: `python -m interpviz.zoo.distill --help`."""
