"""Pictures for teaching: the graph that ran, its backward pass step by step, gradient checks, and plots of data and training.

    from autograd_mini import viz
    viz.draw(loss, params=model).save("loss.svg")
    viz.step(loss, params=model).save("backprop.html")
    print(viz.text(loss))
    print(viz.derive(loss, w))
    assert viz.check(lambda: compute_loss(model), model)

Graph pictures are made from recorded operations only. Graphviz and matplotlib are imported on first use. Start reading at
`graph/picture.py`.
"""

from __future__ import annotations

from . import plots
from .chain_rule.derive import Derivation, derive
from .check import Check, check
from .graph.picture import Picture, draw
from .graph.render import RendererMissing, set_renderer
from .graph.tree import TextTree, text
from .grids.cells import CellPage, cells
from .language import get_language, set_language
from .plots.animation import save_animation
from .plots.boundary import plot_boundary
from .plots.figures import plot_confusion, plot_feature_maps, plot_filters, plot_gan, plot_latent_plane, plot_surface
from .plots.film import Film, film
from .plots.landscape import plot_landscape
from .plots.layers import LayerLog, plot_activations, plot_gradients
from .plots.learning import plot_histograms, plot_images, plot_losses, plot_manifold, plot_reconstructions, plot_scatter
from .stepper.step import Page, step

__all__ = [
    "CellPage", "Check", "Derivation", "Film", "LayerLog", "Page", "Picture", "RendererMissing", "TextTree", "cells", "check",
    "derive", "draw", "film", "get_language", "plot_activations", "plot_boundary", "plot_confusion", "plot_feature_maps",
    "plot_filters", "plot_gan", "plot_gradients", "plot_histograms", "plot_images", "plot_landscape", "plot_latent_plane",
    "plot_losses", "plot_manifold", "plot_reconstructions", "plot_scatter", "plot_surface", "plots", "save_animation",
    "set_language", "set_renderer", "step", "text",
]  # fmt: skip
