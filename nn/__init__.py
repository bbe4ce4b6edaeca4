"""Neural networks: modules, initial values, losses, optimizers, data, training, files. Names and defaults follow PyTorch.

>>> from autograd_mini import nn
>>> net = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))
>>> optimizer = nn.SGD(net.parameters(), lr=0.1, momentum=0.9)
"""

from __future__ import annotations

import typing as _typing
from importlib import import_module as _import_module

from ..tools.missing_names import MissingNameError as _MissingNameError
from . import data, distributed, functional, init, optim, training, utils
from .distributed.sync_batch_norm import SyncBatchNorm
from .functional_call import functional_call
from .layers.activation import (
    CELU,
    ELU,
    GELU,
    GLU,
    SELU,
    Activation,
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softmax2d,
    Softmin,
    Softplus,
    Softshrink,
    Softsign,
    Tanh,
    Tanhshrink,
    Threshold,
)
from .layers.container import Identity, Lambda, ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from .layers.conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .layers.embedding import Embedding
from .layers.linear import Flatten, Linear, Unflatten
from .layers.minibatch_discrimination import MinibatchDiscrimination
from .layers.noise import Dropout, Dropout2d, GaussianNoise
from .layers.normalization import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    GroupNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    LayerNorm,
    RMSNorm,
    VirtualBatch,
    VirtualBatchNorm,
)
from .layers.padding import (
    CircularPad1d,
    CircularPad2d,
    CircularPad3d,
    ConstantPad1d,
    ConstantPad2d,
    ConstantPad3d,
    ReflectionPad1d,
    ReflectionPad2d,
    ReflectionPad3d,
    ReplicationPad1d,
    ReplicationPad2d,
    ReplicationPad3d,
    ZeroPad1d,
    ZeroPad2d,
    ZeroPad3d,
)
from .layers.pool import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    MaxUnpool1d,
    MaxUnpool2d,
    MaxUnpool3d,
)
from .layers.reparametrize import SpectralNorm, WeightNorm, data_dependent_init
from .layers.resample import Fold, PixelShuffle, PixelUnshuffle, Unfold, Upsample
from .layers.sequence.attention import MultiheadAttention
from .layers.sequence.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from .layers.sequence.transformer import (
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)
from .losses.adversarial import (
    AdversarialLoss,
    feature_matching_loss,
    gradient_penalty,
    hinge_loss,
    minimax_loss,
    non_saturating_loss,
    wasserstein_loss,
)
from .losses.binary import binary_cross_entropy, binary_cross_entropy_with_logits
from .losses.modules import (
    BCELoss,
    BCEWithLogitsLoss,
    CosineEmbeddingLoss,
    CosineSimilarity,
    CrossEntropyLoss,
    GaussianNLLLoss,
    HingeEmbeddingLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MarginRankingLoss,
    MSELoss,
    MultiLabelSoftMarginLoss,
    NLLLoss,
    PairwiseDistance,
    PoissonNLLLoss,
    SmoothL1Loss,
    SoftMarginLoss,
    TripletMarginLoss,
)
from .losses.semi_supervised import generated_loss, real_logit, semi_supervised_loss, unlabelled_loss
from .losses.supervised import (
    cross_entropy,
    gaussian_nll_loss,
    huber_loss,
    kl_div,
    kl_normal,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from .module import Buffer, Module, Parameter, evaluation
from .onnx.export import export_onnx
from .optim.adagrad import Adadelta, Adagrad, RMSprop
from .optim.adam import Adam, AdamW, NAdam
from .optim.averaging import EMA, HistoricalAverage
from .optim.clip_grad import clip_grad_norm, clip_grad_value
from .optim.ftrl import FTRL
from .optim.lbfgs import LBFGS
from .optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LinearWarmup,
    LRScheduler,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)
from .optim.optimizer import Optimizer
from .optim.sgd import SGD
from .optim.wrappers import SAM, SwitchOptimizer
from .serialize import load, load_metadata, save
from .summary import Summary, summary
from .training.callback import Callback
from .training.callbacks import Averaging, EarlyStopping, FixedNoise, LearningRateLog, Schedule
from .training.tensorboard import TensorBoard
from .training.trainer import Trainer
from .training.update import DivergedError, Update

__all__ = [
    "CELU", "ELU", "EMA", "FTRL", "GELU", "GLU", "GRU", "LBFGS", "LSTM", "RNN", "SAM", "SELU", "SGD", "Activation", "Adadelta",
    "Adagrad", "Adam", "AdamW", "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "AdversarialLoss", "Averaging", "AvgPool1d", "AvgPool2d", "AvgPool3d", "BCELoss",
    "BCEWithLogitsLoss", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "Buffer", "Callback", "ChainedScheduler",
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantLR", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts", "CosineEmbeddingLoss", "CosineSimilarity",
    "CrossEntropyLoss", "CyclicLR", "DivergedError", "Dropout",
    "Dropout2d", "EarlyStopping", "Embedding", "ExponentialLR", "FixedNoise", "Flatten", "Fold", "GRUCell", "GaussianNLLLoss",
    "GaussianNoise", "GroupNorm", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "HingeEmbeddingLoss",
    "HistoricalAverage", "HuberLoss", "Identity", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "KLDivLoss", "L1Loss",
    "LRScheduler", "LSTMCell", "Lambda", "LambdaLR", "LayerNorm", "LeakyReLU", "LearningRateLog", "Linear", "LinearLR",
    "LinearWarmup", "LogSigmoid", "LogSoftmax", "MSELoss", "MarginRankingLoss", "MaxPool1d", "MaxPool2d", "MaxPool3d",
    "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d", "MinibatchDiscrimination", "Mish", "Module", "ModuleDict", "ModuleList",
    "MultiLabelSoftMarginLoss", "MultiStepLR", "MultiheadAttention", "MultiplicativeLR", "NAdam", "NLLLoss", "OneCycleLR",
    "Optimizer", "PReLU", "PairwiseDistance",
    "Parameter", "ParameterDict", "ParameterList", "PixelShuffle", "PixelUnshuffle", "PoissonNLLLoss",
    "PolynomialLR", "RMSNorm", "RMSprop", "RNNCell", "ReLU", "ReLU6", "ReduceLROnPlateau", "ReflectionPad1d",
    "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d", "Schedule", "Sequential",
    "SequentialLR", "SiLU", "Sigmoid", "SmoothL1Loss", "SoftMarginLoss", "Softmax", "Softmax2d", "Softmin", "Softplus",
    "Softshrink", "Softsign", "SpectralNorm", "StepLR", "Summary", "SwitchOptimizer", "SyncBatchNorm", "Tanh", "Tanhshrink",
    "TensorBoard", "Threshold", "Trainer", "Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder",
    "TransformerEncoderLayer", "TripletMarginLoss", "Unflatten", "Unfold", "Update", "Upsample", "VirtualBatch",
    "VirtualBatchNorm", "WeightNorm", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "clip_grad_norm", "clip_grad_value", "cross_entropy", "data", "data_dependent_init",
    "distributed", "evaluation", "export_onnx", "feature_matching_loss", "functional", "functional_call",
    "gaussian_nll_loss",
    "generated_loss", "gradient_penalty", "hinge_loss", "huber_loss", "init", "kl_div", "kl_normal", "l1_loss", "load",
    "load_metadata", "minimax_loss", "mse_loss",
    "nll_loss", "non_saturating_loss", "optim", "real_logit", "save", "semi_supervised_loss", "smooth_l1_loss", "summary",
    "training", "unlabelled_loss", "utils", "wasserstein_loss",
]  # fmt: skip

if not _typing.TYPE_CHECKING:  # type checkers find missing names themselves

    def __getattr__(name):
        if name == "sklearn":  # imports scikit-learn, so it is imported on first use
            return _import_module(".sklearn", __name__)
        raise _MissingNameError(__name__, name)
