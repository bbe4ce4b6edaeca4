"""Estimators for scikit-learn: `Classifier` and `Regressor` train a network inside pipelines, grid searches, cross-validation.

    from autograd_mini.nn.sklearn import Classifier
    search = GridSearchCV(make_pipeline(StandardScaler(), Classifier()), {"classifier__lr": [1e-3, 1e-2]})

They need the extra `[sklearn]`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, Self, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # type: ignore[import-untyped]
from sklearn.utils import check_random_state  # type: ignore[import-untyped]
from sklearn.utils.multiclass import check_classification_targets  # type: ignore[import-untyped]
from sklearn.utils.validation import check_is_fitted, validate_data  # type: ignore[import-untyped]

import autograd_mini as ag
from autograd_mini.tensor import Array, Tensor

from .data.loader import DataLoader
from .layers.activation import ReLU
from .layers.container import Sequential
from .layers.linear import Linear
from .losses.supervised import cross_entropy, mse_loss
from .module import Module, evaluation
from .optim.adam import Adam
from .training.trainer import Trainer
from .training.update import Update

__all__ = ["Classifier", "Regressor"]

Model: TypeAlias = "Module | Callable[[int, int], Module] | None"
Optimizer: TypeAlias = Callable[..., Any]
Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]

LARGEST_SEED = 2**31 - 1
PREDICTED_AT_ONCE = 1024  # examples


def _losses(network: Module, loss: Loss) -> Callable[[tuple[Tensor, Tensor]], dict[str, Tensor]]:
    """Returns the function that a training step minimises. It must not refer to the estimator, or it could not be compiled."""
    return lambda batch: {"loss": loss(network(batch[0]), batch[1])}


class _Estimator(BaseEstimator):  # type: ignore[misc]
    """What classifier and regressor share: the parameters, training, and the outputs of the network."""

    def __init__(
        self,
        model: Model = None,
        *,
        hidden: tuple[int, ...] = (100,),
        epochs: int = 50,
        batch_size: int = 32,
        lr: float = 3e-3,
        optimizer: Optimizer = Adam,
        loss: Loss | None = None,
        random_state: Any = None,
        progress: bool = False,
    ) -> None:
        self.model = model
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.optimizer = optimizer
        self.loss = loss
        self.random_state = random_state
        self.progress = progress

    def _validate(self, *data: Any, **options: Any) -> Any:
        """Returns X, or X and y, as arrays; with a model of one's own, X may have any shape (N, …)."""
        return validate_data(self, *data, dtype=(np.float64, np.float32), allow_nd=self.model is not None, **options)

    def _train(self, X: Array, y: Array, outputs: int, loss: Loss) -> Self:
        self._check_parameters()
        seed = int(check_random_state(self.random_state).randint(LARGEST_SEED))
        with ag.fork_rng(seed):
            network = self._build(X, outputs)
            for tensor in (*network.parameters(), *network.buffers()):
                if tensor.data.dtype.kind == "f":
                    tensor.data = tensor.data.astype(X.dtype)
            step = Update(_losses(network, self.loss or loss), self.optimizer(network.parameters(), lr=self.lr))
            batches = DataLoader(X, y, batch_size=self.batch_size, shuffle=True, seed=seed)
            self.history_ = Trainer(network, {"": step}, progress=self.progress).fit(batches, self.epochs)
        self.network_ = network
        return self

    def _check_parameters(self) -> None:
        """Raises TypeError if a parameter has the wrong type; scikit-learn wants this in `fit`, not in the constructor."""
        if self.model is not None and not callable(self.model):
            raise TypeError(f"model must be a module, a function (features, outputs) -> module, or None, got {self.model!r}")
        if not callable(self.optimizer):
            raise TypeError(f"optimizer must be a class such as nn.Adam, got {self.optimizer!r}")
        if not isinstance(self.hidden, (tuple, list)):
            raise TypeError(f"hidden must be the widths of the hidden layers, such as (100,), got {self.hidden!r}")
        if isinstance(self.epochs, bool) or not hasattr(self.epochs, "__index__"):
            raise TypeError(f"epochs must be an int, got {self.epochs!r}")

    def _build(self, X: Array, outputs: int) -> Module:
        features = int(np.prod(X.shape[1:]))
        if self.model is None:
            sizes = (features, *self.hidden)
            layers = [layer for n, m in pairwise(sizes) for layer in (Linear(n, m), ReLU())]
            return Sequential(*layers, Linear(sizes[-1], outputs))
        if isinstance(self.model, Module):
            return copy.deepcopy(self.model).train()
        return self.model(features, outputs)

    def _outputs(self, X: Any) -> Array:
        check_is_fitted(self)
        rows = self._validate(X, reset=False)
        dtype = next((p.data.dtype for p in self.network_.parameters()), rows.dtype)
        starts: Iterable[int] = range(0, len(rows), PREDICTED_AT_ONCE)
        with evaluation(self.network_), ag.no_grad():
            parts = [self.network_(Tensor(rows[i : i + PREDICTED_AT_ONCE].astype(dtype))).numpy() for i in starts]
        return np.concatenate(parts)


class Classifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A network that predicts classes, as a scikit-learn estimator.

    Parameters
    ----------
    model : a module, which is copied; a function (features, classes) -> module; or None for linear layers with ReLU
    hidden : widths of the hidden layers, without `model`
    epochs, batch_size, lr : of the training
    optimizer : called as optimizer(parameters, lr=lr), for example `nn.SGD`
    loss : loss(outputs, class numbers); cross-entropy by default
    random_state : seed of initial weights and order, as in scikit-learn
    progress : show a progress bar

    Attributes
    ----------
    network_ : the trained module
    classes_ : the classes, in the order of the outputs
    history_ : the metrics of each epoch

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from autograd_mini.nn.sklearn import Classifier
    >>> X, y = load_digits(return_X_y=True)
    >>> Classifier(epochs=5, random_state=0).fit(X[:500] / 16, y[:500]).score(X[500:1000] / 16, y[500:1000]) > 0.8
    True
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Trains the network on examples X (N, features) of the classes y (N,)."""
        X, y = self._validate(X, y)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        return self._train(X, numbers.astype(np.int64), len(self.classes_), cross_entropy)

    def predict_proba(self, X: Any) -> Array:
        """Returns the probability of each class, (N, classes): the softmax of the outputs."""
        return ag.softmax(Tensor(self._outputs(X)), axis=1).numpy()

    def predict(self, X: Any) -> Array:
        """Returns the most probable class of each example, (N,)."""
        answers = self._outputs(X).argmax(axis=1)
        return self.classes_[answers]


class Regressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """A network that predicts numbers, as a scikit-learn estimator; y may have one or several columns.

    Parameters and attributes are those of `Classifier`, with (features, numbers) -> module, and the mean squared error as loss.
    The network predicts y with mean 0 and variance 1, and `predict` scales it back, so that any unit of y works.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_mini.nn.sklearn import Regressor
    >>> X = np.linspace(-1, 1, 200).reshape(-1, 1)
    >>> Regressor(epochs=50, random_state=0).fit(X, 1000 * X[:, 0] ** 2).score(X, 1000 * X[:, 0] ** 2) > 0.9
    True
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Trains the network on examples X (N, features) and numbers y, (N,) or (N, numbers)."""
        X, y = self._validate(X, y, multi_output=True, y_numeric=True)
        targets = y.reshape(len(y), -1).astype(X.dtype)
        self.mean_, deviation = targets.mean(axis=0), targets.std(axis=0)
        self.scale_ = np.where(deviation > 0, deviation, 1)
        self._has_columns = y.ndim > 1
        return self._train(X, ((targets - self.mean_) / self.scale_).astype(X.dtype), targets.shape[1], mse_loss)

    def predict(self, X: Any) -> Array:
        """Returns the predicted numbers, in the shape of y."""
        numbers = self._outputs(X).reshape(-1, len(self.mean_)) * self.scale_ + self.mean_
        return numbers if self._has_columns else numbers[:, 0]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
