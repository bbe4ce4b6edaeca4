"""`Model`: the base of all models, which answers what a training run asks; `Config`: the base of their options."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from inspect import Parameter, signature
from numbers import Integral, Real
from typing import Any, ClassVar, Final, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

from autograd_mini import nn
from autograd_mini.tensor import Array, Tensor, TensorLike

C = TypeVar("C", bound="Config")
Names: TypeAlias = tuple[str, ...]

NUMBERS: Final[dict[Any, type]] = {bool: Integral, int: Integral, float: Real}  # NumPy's numbers are accepted as well


@dataclass(frozen=True)
class Config:
    """Base of the options of a model: a frozen dataclass whose fields are keyword arguments of the model's constructor.

    Raises ValueError if a value has the wrong type or a name is not one of `names`.
    """

    names: ClassVar[Mapping[str, Collection[str]]] = {}  # field -> its valid values

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for option in fields(self):
            value, kinds = getattr(self, option.name), get_args(hints[option.name]) or (hints[option.name],)
            if not isinstance(value, tuple(NUMBERS.get(kind, get_origin(kind) or kind) for kind in kinds)):
                raise ValueError(f"{option.name}: expected a value such as {option.default!r}, got {value!r}")
        for name, known in self.names.items():
            if (value := getattr(self, name)) not in known:
                raise ValueError(f"unknown {name} {value!r}; expected one of: {', '.join(filter(None, known))}")


class Model(nn.Module):
    """Base of all models: a subclass defines `training_step` and overrides the answers that differ.

    Plots, metrics and evaluations are listed by name; the command line has a function for each name.

    >>> from autograd_mini import models
    >>> models.CNN.plots, models.VAE.evaluations
    (('confusion',), ('reconstruction', 'likelihood', 'generation'))
    """

    training_step: Callable[[Any], Mapping[str, Tensor]]  # (batch) -> named losses; the one named "loss" is minimised

    plots: Names = ()  # plots of the trained model: names in `cli.plots.PLOTS`
    evaluations: Names = ()  # evaluations of the trained model: names in `cli.evaluate.EVALUATIONS`
    row_plots: Names = ()  # plots for each logged row: names in `cli.callbacks.ROW_PLOTS`
    row_metrics: Names = ()  # metrics for each logged row, besides losses: names in `cli.callbacks.ROW_METRICS`
    configs: tuple[type[Config], ...] = ()  # the dataclasses whose fields the constructor accepts
    image_part: slice = slice(0, 1)  # the entries of `sizes` that describe an image: (pixels,) or (C, H, W)
    latent_index: int | None = None  # position of the latent dimensions in `sizes`; None: no latent space
    classifies: bool = False  # whether it predicts classes; their number is then the last entry of `sizes`
    conditional: bool = False  # whether `sample` accepts a label; the number of classes is then an option
    layers_option: str | None = None  # option with the sizes of hidden layers; None: `sizes` without its ends
    validates: bool = True  # whether its losses on test images are logged

    columns: int = 8  # images per row in a grid of samples
    average: nn.EMA | None = None  # the running average of weights that is used after training

    @classmethod
    def option_names(cls) -> list[str]:
        """Returns the names of the constructor's options: its keyword arguments and the fields of `configs`.

        >>> from autograd_mini import models
        >>> models.VAE.option_names()
        ['activation', 'likelihood', 'beta', 'importance_samples', 'kl_warmup', 'free_bits', 'binarize']
        """
        named = [p.name for p in signature(cls).parameters.values() if p.default is not Parameter.empty]
        return [*(name for name in named if name != "sizes"), *(option.name for kind in cls.configs for option in fields(kind))]

    def steps(self, batch: Any) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
        """Yields the losses of each part of a training step, for pictures: one part without a name, unless networks compete.

        >>> import autograd_mini as ag
        >>> from autograd_mini import models
        >>> batch = ag.Tensor([[1.0, 0.0, 0.0, 1.0]]), ag.Tensor([1])
        >>> [(name, list(losses)) for name, losses in models.MLP((4, 2)).steps(batch)]
        [('', ['loss', 'accuracy'])]
        """
        yield "", self.training_step(batch)

    def parts(self) -> nn.Module | dict[str, nn.Module]:
        """Returns what names the parameters in pictures: the model, or networks by their short names."""
        return self

    def with_options(self, config: C, options: Mapping[str, Any]) -> C:
        """Returns the config with other values for some fields. Raises ValueError if a field is unknown."""
        if unknown := options.keys() - {option.name for option in fields(config)}:
            raise ValueError(
                f"{type(self).__name__}: unknown option {', '.join(sorted(unknown))}; "
                f"expected one of: {', '.join(self.option_names())}"
            )
        return replace(config, **options)

    def init_from_data(self, images: TensorLike, batch_size: int | None = None) -> None:
        """Sets initial values from training images, once before training; does nothing by default.

        A model that needs only one batch uses the first `batch_size` images.
        """

    def updates(self, lr: float, optimizer: Callable[..., nn.Optimizer] = nn.Adam) -> nn.Optimizer | dict[str, nn.Update]:
        """Returns the second argument of `nn.Trainer`: an optimizer or, if networks are trained in turn, one update for each.

        >>> from autograd_mini import models, nn
        >>> model = models.MLP((64, 10))
        >>> trainer = nn.Trainer(model, model.updates(lr=1e-3))
        """
        return optimizer(self.parameters(), lr=lr)

    def callbacks(self, others: Sequence[nn.Callback] = ()) -> list[nn.Callback]:
        """Returns the callbacks of a training run: the model's own, if it has any, and `others`."""
        return list(others)

    def summary(self, images: Array) -> str:
        """Returns the layers, shapes and numbers of parameters as text."""
        return str(nn.summary(self, images))
