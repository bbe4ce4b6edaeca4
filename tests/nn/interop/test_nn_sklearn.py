"""`nn.sklearn`: the estimators pass scikit-learn's own checks and work in its tools."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import autograd_mini as ag
from autograd_mini import nn
from autograd_mini.nn.sklearn import Classifier, Regressor

CHECKED = [Classifier(epochs=25, random_state=0), Regressor(epochs=25, random_state=0)]


@pytest.mark.parametrize("estimator", CHECKED, ids=lambda e: type(e).__name__)
@pytest.mark.filterwarnings("ignore")
def test_every_check_of_scikit_learn_passes(estimator: Any) -> None:
    """The checks are those of `check_estimator`; a check that does not apply raises SkipTest."""
    from unittest import SkipTest

    passed, failed = 0, []
    for candidate, check in estimator_checks_generator(estimator):
        try:
            check(candidate)
            passed += 1
        except SkipTest:
            continue
        except Exception as error:
            failed.append((getattr(check, "func", check).__name__, error))
    assert failed == []
    assert passed > 40


@pytest.fixture(scope="module")
def digits() -> tuple[Any, Any]:
    x, y = load_digits(return_X_y=True)
    return (x[:600] / 16).astype(np.float32), y[:600]


def test_a_pipeline_with_cross_validation_and_grid_search(digits: tuple[Any, Any]) -> None:
    x, y = digits
    pipeline = make_pipeline(StandardScaler(), Classifier(epochs=5, random_state=0))
    assert cross_val_score(pipeline, x, y, cv=3).mean() > 0.85
    search = GridSearchCV(pipeline, {"classifier__lr": [1e-5, 1e-2]}, cv=2).fit(x, y)
    assert search.best_params_ == {"classifier__lr": 1e-2}


def test_probabilities_sum_to_one_and_classes_keep_their_names(digits: tuple[Any, Any]) -> None:
    x, y = digits
    names = np.array(["zero", "one", "two"])
    few = y < 3
    model = Classifier(epochs=10, random_state=0).fit(x[few], names[y[few]])
    assert model.classes_.tolist() == sorted(names)
    np.testing.assert_allclose(model.predict_proba(x[few]).sum(axis=1), 1, rtol=1e-6)
    assert set(model.predict(x[few])) == set(names)
    assert model.score(x[few], names[y[few]]) > 0.95


def test_a_convolutional_network_of_the_users_own(digits: tuple[Any, Any]) -> None:
    """With a model, X may be images; the model that was passed stays as it was, as scikit-learn demands."""
    x, y = digits
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 10))
    before = {k: v.copy() for k, v in network.state_dict().items()}
    model = Classifier(network, epochs=10, optimizer=nn.SGD, lr=0.1, random_state=0).fit(x.reshape(-1, 1, 8, 8), y)
    assert model.score(x.reshape(-1, 1, 8, 8), y) > 0.9
    assert all(np.array_equal(before[k], v) for k, v in network.state_dict().items())
    assert model.network_.state_dict().keys() == network.state_dict().keys()


def test_a_function_builds_the_model_for_the_data(digits: tuple[Any, Any]) -> None:
    seen = []

    def build(features: int, classes: int) -> nn.Module:
        seen.append((features, classes))
        return nn.Linear(features, classes)

    Classifier(build, epochs=1, random_state=0).fit(*digits)
    assert seen == [(64, 10)]


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_the_unit_of_the_target_does_not_matter(unit: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (300, 2))
    y = np.column_stack([x[:, 0] * x[:, 1], x.sum(axis=1) + 5]) * unit
    model = Regressor(epochs=60, random_state=0).fit(x, y)
    assert model.predict(x).shape == (300, 2)
    assert model.score(x, y) > 0.95


def test_the_same_seed_gives_the_same_bits_and_the_global_stream_stays(digits: tuple[Any, Any]) -> None:
    x, y = digits
    state = ag.get_rng_state()
    first, second = (Classifier(epochs=2, random_state=7).fit(x, y) for _ in range(2))
    assert ag.get_rng_state() == state
    assert np.array_equal(first.predict_proba(x), second.predict_proba(x))
    other = Classifier(epochs=2, random_state=8).fit(x, y)
    assert not np.array_equal(first.predict_proba(x), other.predict_proba(x))


def test_a_fitted_estimator_is_pickled_and_a_clone_is_not_fitted(digits: tuple[Any, Any]) -> None:
    x, y = digits
    model = Classifier(epochs=2, random_state=0).fit(x, y)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(x), model.predict(x))
    assert not hasattr(clone(model), "network_")


def test_the_module_is_an_attribute_of_nn() -> None:
    assert nn.sklearn.Classifier is Classifier


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (Classifier(hidden=5), "hidden must be the widths of the hidden layers, such as .100,., got 5"),
        (Classifier(optimizer="adam"), "optimizer must be a class such as nn.Adam, got 'adam'"),
        (Regressor(3), "model must be a module, .* got 3"),
        (Classifier(epochs="5"), "epochs must be an int, got '5'"),
    ],
)
def test_a_parameter_of_a_wrong_type_is_named(estimator: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        estimator.fit([[0.0], [1.0]], [0, 1])
