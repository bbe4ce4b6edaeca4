"""Pictures that teach: the graph that ran, as a picture and as text, and plots of what was learnt.

    from autograd_mini import viz
    viz.draw(loss, params=model).save("loss.svg")
    print(viz.text(loss))

Everything is made from recorded operations; no gradient is ever derived anew. Graphviz and matplotlib load when needed.
"""

from __future__ import annotations

from .picture import Picture, draw
from .plots import plot_images, plot_losses, plot_manifold, plot_reconstructions, plot_scatter
from .render import RendererMissing
from .tree import TextTree, text

__all__ = [
    "Picture",
    "RendererMissing",
    "TextTree",
    "draw",
    "plot_images",
    "plot_losses",
    "plot_manifold",
    "plot_reconstructions",
    "plot_scatter",
    "text",
]
