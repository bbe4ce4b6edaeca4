"""The playground: a static page that runs this library in a browser, and what a program there can ask of the page.

    from autograd_mini import playground
    w = playground.slider("w", 0.5)      # a slider; the program runs again while one drags it
    playground.show(viz.draw(loss))      # a picture, a stepper or a plot
    playground.curve("loss", loss)       # a point of a curve that grows while the program runs

`python -m autograd_mini.playground` builds the page (in a checkout also `python -m playground.build`). Outside the page these
functions do something sensible, so the same program runs anywhere: a slider returns its value. Start reading at `page.py`.
"""

from __future__ import annotations

from .controls import LiveCurves, curve, show, slider

__all__ = ["LiveCurves", "curve", "show", "slider"]
