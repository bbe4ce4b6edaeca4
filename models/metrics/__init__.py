"""Metrics of trained models: predictions, likelihood bounds, class separation in latent space, quality of generated images."""

from __future__ import annotations

from .classification import confusion_matrix, predictions
from .features import FeatureClassifier, Features, feature_classifier
from .generative import (
    GenerativeReport,
    Judge,
    ModeReport,
    Moments,
    accuracy_per_class,
    class_coverage,
    frechet_distance,
    inception_score,
    mode_coverage,
    moments,
)
from .likelihood import active_units, elbo, importance_weighted_bound, negative_log_likelihood
from .neighbours import knn_accuracy
from .own_features import features_for

__all__ = [
    "FeatureClassifier", "Features", "GenerativeReport", "Judge", "ModeReport", "Moments", "accuracy_per_class",
    "active_units", "class_coverage", "confusion_matrix", "elbo", "feature_classifier", "features_for",
    "frechet_distance", "importance_weighted_bound", "inception_score", "knn_accuracy", "mode_coverage", "moments",
    "negative_log_likelihood", "predictions",
]  # fmt: skip
