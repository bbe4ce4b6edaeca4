"""`film`: any plot, recorded while a model trains, as a page that plays it or as a GIF."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from autograd_mini.nn.training.callback import Callback

from ..files import suffix_of, write_atomically
from ..language import translate
from ..show import embed_json, show_in_browser, show_in_notebook
from .animation import PAUSE
from .player import build_player, script_texts
from .texts import literal, repair_texts

if TYPE_CHECKING:
    from PIL.Image import Image

    from autograd_mini.nn.training.trainer import Trainer

FORMATS: Final = ("html", "gif", "png", "apng")
DOTS_PER_INCH: Final = 100
CAPTION_HEIGHT: Final = 28  # pixels above a frame of a GIF
HEIGHT: Final = 620  # pixels in a notebook


class Frame(NamedTuple):
    """A picture of a film: its caption and the bytes of a PNG."""

    caption: str
    image: bytes


class Film(Callback):
    """A sequence of figures that a notebook plays. `save` writes a page (.html), a GIF (.gif) or an animated PNG (.png, .apng).

    `viz.film` makes one from a trainer. In a loop of your own, `add` figures to an empty film.

    Parameters
    ----------
    plot : function from a model to a figure, called during training; None if frames are added by hand
    every : batches between two frames; None: one frame per row of the history
    milliseconds : duration of each frame

    Examples
    --------
    >>> from autograd_mini import viz
    >>> film = viz.Film(milliseconds=100)
    >>> for t in range(3):
    ...     film.add(viz.plot_losses({"loss": [3.0, 2.0, 1.0][: t + 1]}), f"epoch {t + 1}")
    >>> film
    <Film of 3 frames>
    """

    in_checkpoints = False
    main_rank_only = True

    def __init__(self, plot: Callable[[Any], Any] | None = None, *, every: int | None = None, milliseconds: int = 300) -> None:
        if every is not None and every < 1:
            raise ValueError(f"film: every must be at least 1 batch, got {every}")
        if milliseconds < 1:
            raise ValueError(f"film: milliseconds must be at least 1, got {milliseconds}")
        self.plot, self.every, self.milliseconds = plot, every, milliseconds
        self.frames: list[Frame] = []
        self._last = -1  # the batch of the last frame

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        return f"<Film of {len(self)} frames>"

    # -- recording

    def add(self, figure: Any, caption: str = "") -> None:
        """Adds a frame. Raises TypeError unless `figure` is a matplotlib figure, such as the result of a plot function."""
        from matplotlib.figure import Figure

        from .plot import render

        if not isinstance(figure, Figure):
            raise TypeError(
                f"film: expected a figure, such as the result of viz.plot_losses(…), got {type(figure).__name__}; "
                "does the function lack a return?"
            )
        repair_texts(figure)
        self.frames.append(Frame(caption, _reduce(render(figure, "png", DOTS_PER_INCH))))

    def before_fit(self, trainer: Trainer) -> None:
        if not self.frames:
            self._record(trainer)

    def after_step(self, trainer: Trainer) -> None:
        if self.every is not None and trainer.iteration // self.every > self._last // self.every:
            self._record(trainer)

    def after_row(self, trainer: Trainer, row: dict[str, float]) -> None:
        if self.every is None:
            self._record(trainer)

    def after_fit(self, trainer: Trainer) -> None:
        if trainer.iteration > self._last:
            self._record(trainer)

    def _record(self, trainer: Trainer) -> None:
        """Adds a frame of the current model, in evaluation mode; the random stream of training does not change."""
        if self.plot is not None:
            with trainer.inference():
                self.add(self.plot(trainer.model), _caption(trainer))
            self._last = trainer.iteration

    # -- playing

    @property
    def html(self) -> str:
        """The page that plays the film; it needs no network."""
        self._demand_frames()
        frames = [{"caption": f.caption, "image": base64.b64encode(f.image).decode()} for f in self.frames]
        return build_player(embed_json({"frames": frames, "milliseconds": self.milliseconds, "texts": script_texts()}))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the film to a file atomically, in the format of the suffix: .html, .gif, .png or .apng.

        Raises ValueError for another suffix, or if there are no frames.
        """
        suffix = suffix_of(path, FORMATS)
        self._demand_frames()
        write_atomically(path, self.html.encode() if suffix == "html" else self._animation("GIF" if suffix == "gif" else "PNG"))

    def show(self) -> None:
        """Plays the film in the notebook, or else in a web browser."""
        if not show_in_notebook(self):
            show_in_browser(self.html)

    def _repr_html_(self) -> str:
        if not self.frames:
            return html.escape(repr(self))
        style = f"width:100%;height:{HEIGHT}px;border:1px solid #999"
        page, title = html.escape(self.html), html.escape(translate("Film of a training"))
        return f'<iframe sandbox="allow-scripts" title="{title}" style="{style}" srcdoc="{page}"></iframe>'

    def _demand_frames(self) -> None:
        if not self.frames:
            raise ValueError("film: there are no frames yet; train with trainer.fit(…), or call film.add(figure)")

    def _animation(self, kind: str) -> bytes:
        from PIL import Image

        images = [Image.open(io.BytesIO(frame.image)).convert("RGB") for frame in self.frames]
        width, height = (max(side) for side in zip(*(image.size for image in images), strict=True))
        pages = [
            _with_palette(_mount(image, frame.caption, width, height)) for image, frame in zip(images, self.frames, strict=True)
        ]
        lengths = [self.milliseconds] * (len(pages) - 1) + [self.milliseconds * PAUSE]
        buffer = io.BytesIO()
        options: dict[str, Any] = {"disposal": 1} if kind == "GIF" else {}
        pages[0].save(buffer, kind, save_all=True, append_images=pages[1:], duration=lengths, loop=0, **options)
        return buffer.getvalue()


def _caption(trainer: Trainer) -> str:
    number, row = f"{trainer.iteration:,}", trainer.history[-1] if trainer.history else {}
    if "loss" in row:
        return translate("batch {number}, loss {loss}", number=number, loss=f"{row['loss']:.4g}")
    return translate("batch {number}", number=number)


def _reduce(png: bytes) -> bytes:
    """Returns the picture with fewer colours, in a quarter of the bytes."""
    from PIL import Image

    buffer = io.BytesIO()
    _with_palette(Image.open(io.BytesIO(png)).convert("RGB")).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _with_palette(image: Image) -> Image:
    """Returns the picture in 256 colours, none of which differs visibly: small marks keep their colour."""
    from PIL import Image as images

    return image.quantize(256, method=images.Quantize.MAXCOVERAGE, dither=images.Dither.NONE)


def _mount(image: Image, caption: str, width: int, height: int) -> Image:
    """Returns a picture on a white page of this size, with its caption above it."""
    from PIL import Image as images

    page = images.new("RGB", (width, height + CAPTION_HEIGHT), "white")
    page.paste(image, (0, CAPTION_HEIGHT))
    if caption:
        page.paste(_text(caption, width), (0, 0))
    return page


def _text(caption: str, width: int) -> Image:
    """Returns a strip with a text, in a font that has its characters."""
    from PIL import Image as images

    from .plot import Plot, render

    figure = Plot(figsize=(width / DOTS_PER_INCH, CAPTION_HEIGHT / DOTS_PER_INCH), dpi=DOTS_PER_INCH)
    figure.text(0.5, 0.4, literal(caption), ha="center", va="center", fontsize=11)
    repair_texts(figure)
    strip = images.open(io.BytesIO(render(figure, "png", DOTS_PER_INCH))).convert("RGB")
    return strip.crop((0, 0, width, CAPTION_HEIGHT))


def film(trainer: Trainer, plot: Callable[[Any], Any], *, every: int | None = None, milliseconds: int = 300) -> Film:
    """Records a plot during the next `trainer.fit`: before the first batch, then at each row or every n batches.

    Returns the film, which gets its frames when the trainer runs. The plot is made in evaluation mode and without recording
    gradients, and training computes the same bits as without a film. Checkpoints do not contain it.

    Parameters
    ----------
    trainer : the trainer; several films of one trainer are possible
    plot : function from the model to a figure
    every : batches between two frames; None: one frame per row of the history
    milliseconds : duration of each frame

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_mini import models, nn, viz
    >>> points = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
    >>> model = models.MLP((2, 8, 2))
    >>> trainer = nn.Trainer(model, nn.Adam(model.parameters(), lr=0.1), progress=False)
    >>> film = viz.film(trainer, lambda model: viz.plot_boundary(model, points, [0, 1, 1, 0], size=20), every=2)
    >>> history = trainer.fit(nn.data.DataLoader(points, [0, 1, 1, 0], batch_size=4), iterations=4)
    >>> [frame.caption.split(",")[0] for frame in film.frames]
    ['batch 0', 'batch 2', 'batch 4']
    """
    if not hasattr(trainer, "callbacks") or not hasattr(trainer, "fit"):
        raise TypeError(
            f"film: expected an nn.Trainer, got {type(trainer).__name__}; in a loop of your own, use viz.Film().add(figure)"
        )
    if not callable(plot):
        raise TypeError(f"film: expected a function from the model to a figure, got {type(plot).__name__}")
    recorded = Film(plot, every=every, milliseconds=milliseconds)
    trainer.callbacks = (*trainer.callbacks, recorded)
    return recorded
