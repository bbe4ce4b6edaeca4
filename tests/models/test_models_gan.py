"""GANs: architectures match their sources, and options have their documented effect."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import models, nn
from autograd_mini.models.gans.networks import GANArchitecture
from autograd_mini.models.gans.pyramid import maps_of
from autograd_mini.models.gans.semi_supervised_gan import PartlyLabelled, uniform
from autograd_mini.models.recipes import RECIPES

FAMILY = ("gan", "dcgan", "cgan", "ssgan", "wgan-gp")
SMALL = (6, 1, 8, 8)


@pytest.fixture(scope="module")
def digits() -> nn.data.Dataset:
    return nn.data.digits()


def batch_of(count: int, shape: tuple[int, ...] = (1, 8, 8), seed: int = 0) -> tuple[ag.Tensor, ag.Tensor]:
    rng = np.random.default_rng(seed)
    return ag.as_tensor(rng.random((count, *shape), np.float32)), ag.as_tensor(np.arange(count) % 10)


def shapes(network: nn.Module, x: ag.Tensor) -> list[tuple[int, ...]]:
    """The output shape of each convolution, for one image."""
    seen: list[tuple[int, ...]] = []
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    for module in network.modules():
        if isinstance(module, kinds):
            module.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[1:]))
    network(x)
    return seen


# -- architectures -----------------------------------------------------------------------------------------------------------


def test_the_64_pixel_dcgan_matches_the_paper() -> None:
    """100 → 512×4² → 256×8² → 128×16² → 64×32² → 3×64² and back. No layer has a bias; the first and last have no norm."""
    gan = models.DCGAN()
    with ag.no_grad():
        up = shapes(gan.generator, gan.noise(2))
        down = shapes(gan.discriminator, ag.zeros((2, 3, 64, 64)))
    assert up == [(512, 4, 4), (256, 8, 8), (128, 16, 16), (64, 32, 32), (3, 64, 64)]
    assert down == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (1, 1, 1)]
    convolutions = 16 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3)
    assert sum(p.size for p in gan.generator.parameters()) == 16 * 100 * 512 + convolutions + 2 * (512 + 256 + 128 + 64)
    assert sum(p.size for p in gan.discriminator.parameters()) == 16 * 512 + convolutions + 2 * (512 + 256 + 128)
    kinds = [type(layer).__name__ for layer in gan.discriminator.body]
    assert kinds == ["Conv2d", "LeakyReLU"] + ["Conv2d", "BatchNorm2d", "LeakyReLU"] * 3
    assert isinstance(gan.generator[-1], nn.Tanh)
    slopes = {m.negative_slope for m in gan.modules() if isinstance(m, nn.LeakyReLU)}
    assert slopes == {0.2}


def test_initial_weights_match_the_paper() -> None:
    """N(0, 0.02²) for convolutions, N(1, 0.02²) for the γ of norms, zeros for their β."""
    ag.manual_seed(0)
    for module in models.DCGAN(width=32).modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) and module.weight.size > 10_000:
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.05)
            assert abs(module.weight.mean().item()) < 1e-3
        if isinstance(module, nn.BatchNorm2d):
            assert module.weight.mean().item() == pytest.approx(1, abs=0.02)
            assert 0.005 < module.weight.std().item() < 0.035
            assert not module.bias.detach().numpy().any()


@pytest.mark.parametrize(("side", "maps"), [(28, [7, 14, 28]), (32, [4, 8, 16, 32]), (64, [4, 8, 16, 32, 64])])
@pytest.mark.parametrize("channels", [1, 3])
def test_dcgan_adapts_to_the_image_size(side: int, maps: list[int], channels: int) -> None:
    gan = models.DCGAN((10, channels, side, side), width=4)
    with ag.no_grad():
        assert [height for _, height, _ in shapes(gan.generator, gan.noise(2))] == maps
        assert gan(np.zeros((2, channels, side, side), np.float32)).shape == (2,)


def test_the_bilinear_form_matches_the_report() -> None:
    gan = models.GAN((100, 1, 28, 28), form="bilinear", width=8, outputs=2)
    kinds = [type(layer).__name__ for layer in gan.generator]
    block = ["BatchNorm2d", "ReLU", "Upsample", "Conv2d"]
    assert kinds == ["Linear", "Unflatten", *block, *block, "Tanh"]
    assert {m.mode for m in gan.modules() if isinstance(m, nn.Upsample)} == {"asymmetric"}
    assert gan.discriminator.outputs(ag.zeros((3, 1, 28, 28))).shape == (3, 2)


def test_the_semi_supervised_classifier_matches_the_paper() -> None:
    gan = models.SemiSupervisedGAN()
    layers = [m.layer for m in gan.discriminator.modules() if isinstance(m, nn.WeightNorm)]
    assert [layer.out_features for layer in layers] == [1000, 500, 250, 250, 250, 10]
    assert [m.std for m in gan.modules() if isinstance(m, nn.GaussianNoise)] == [0.3] + [0.5] * 5
    images = np.random.default_rng(0).random((50, 28, 28), np.float32)
    gan.eval().init_from_data(images)
    with ag.no_grad():
        outputs = gan(images).numpy()
    np.testing.assert_allclose(outputs.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(outputs.std(axis=0), 1, rtol=1e-4)


def test_uniform_noise_is_uniform() -> None:
    ag.manual_seed(0)
    u = np.sort(uniform(ag.randn(4000)).numpy())
    assert np.abs(u - (np.arange(4000) + 0.5) / 4000).max() < 0.03  # Kolmogorov–Smirnov at far below 1 %


# -- one step against plain loops ------------------------------------------------------------------------------------------------


def slow_conv(x: np.ndarray, w: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """Convolution of (N, C, H, W) by its definition, one output pixel at a time."""
    x = np.pad(x, ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))
    k = w.shape[2]
    height, width = ((side - k) // stride + 1 for side in x.shape[2:])
    y = np.zeros((len(x), len(w), height, width))
    for i in range(height):
        for j in range(width):
            patch = x[:, :, i * stride : i * stride + k, j * stride : j * stride + k]
            y[:, :, i, j] = np.einsum("nchw,fchw->nf", patch, w)
    return y


def slow_conv_transpose(x: np.ndarray, w: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """Transposed convolution: each input pixel adds the scaled kernel to the output; w is (in, out, k, k)."""
    k = w.shape[2]
    height, width = ((side - 1) * stride + k for side in x.shape[2:])
    y = np.zeros((len(x), w.shape[1], height, width))
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            y[:, :, i * stride : i * stride + k, j * stride : j * stride + k] += np.einsum("nc,cfhw->nfhw", x[:, :, i, j], w)
    return y[:, :, padding : height - padding, padding : width - padding]


def slow_losses(gan: models.DCGAN, state: dict[str, np.ndarray], z: np.ndarray, real: np.ndarray) -> tuple[float, float]:
    """Both losses computed in loops from the named weights: an independent forward pass of a DCGAN."""

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        mean, var = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
        gamma, beta = (state[f"{name}.{part}"][:, None, None] for part in ("weight", "bias"))
        return (x - mean) / np.sqrt(var + 1e-5) * gamma + beta

    def generated(z: np.ndarray) -> np.ndarray:
        x = slow_conv_transpose(z[:, :, None, None], state["generator.1.weight"], 1, 0)
        for i in range(2, len(gan.generator) - 1, 3):
            x = np.maximum(norm(x, f"generator.{i}"), 0)
            x = slow_conv_transpose(x, state[f"generator.{i + 2}.weight"], 2, 1)
        return np.tanh(x)

    def logit(x: np.ndarray) -> np.ndarray:
        for i, layer in enumerate(gan.discriminator.body):
            if isinstance(layer, nn.Conv2d):
                x = slow_conv(x, state[f"discriminator.body.{i}.weight"], 2, 1)
            elif isinstance(layer, nn.BatchNorm2d):
                x = norm(x, f"discriminator.body.{i}")
            else:
                x = np.where(x > 0, x, 0.2 * x)
        return slow_conv(x, state["discriminator.head.0.weight"], 1, 0).ravel()

    softplus = lambda x: np.logaddexp(0, x)
    fake = logit(generated(z))
    return float(softplus(-logit(2 * real - 1)).mean() + softplus(fake).mean()), float(softplus(-fake).mean())


@pytest.mark.parametrize("side", [16, 64])
def test_losses_and_gradients_of_a_dcgan_match_a_loop_implementation(side: int) -> None:
    """Colour images in float64: values agree to 1e-9, sampled gradients agree with central differences of the loops."""
    ag.set_default_dtype("float64")
    try:
        ag.manual_seed(0)
        gan = models.DCGAN((5, 3, side, side), width=2)
        real = np.random.default_rng(1).random((2, 3, side, side))
        z = np.random.default_rng(2).normal(size=(2, 5))
        gan.noise = lambda n: ag.as_tensor(z)  # type: ignore[method-assign]
        batch = ag.as_tensor(real), ag.as_tensor(np.zeros(2, int))
        state = {name: array.astype(float) for name, array in gan.state_dict().items()}
        losses = {"d": gan.d_losses(batch)["loss"], "g": gan.g_losses(batch)["loss"]}
        np.testing.assert_allclose([loss.item() for loss in losses.values()], slow_losses(gan, state, z, real), rtol=1e-9)
        rng = np.random.default_rng(3)
        for place, (network, prefix) in enumerate((("d", "discriminator."), ("g", "generator."))):
            gan.zero_grad()
            losses[network].backward()
            for name, parameter in gan.named_parameters():
                if not name.startswith(prefix):
                    continue
                at = tuple(int(rng.integers(n)) for n in parameter.shape)
                sides = []
                for step in (1e-5, -1e-5):
                    moved = {**state, name: state[name].copy()}
                    moved[name][at] += step
                    sides.append(slow_losses(gan, moved, z, real)[place])
                assert parameter.grad is not None
                slope = (sides[0] - sides[1]) / 2e-5
                assert parameter.grad.numpy()[at] == pytest.approx(slope, rel=1e-4, abs=1e-7), name
    finally:
        ag.set_default_dtype("float32")


# -- losses and options --------------------------------------------------------------------------------------------------------


def test_two_softmax_outputs_are_cross_entropy_on_their_targets() -> None:
    """Real [0, 1], generated [1, 0], smoothed to [0.3, 0.7] and [0.7, 0.3]: the report's form, written as one logit."""
    gan = models.GAN(SMALL, width=8, outputs=2, real_label=0.7, fake_label=0.3)
    images = batch_of(5)[0] * 2 - 1
    outputs, logits = gan.discriminator.outputs(images), gan.discriminator(images)
    for one, target in ((gan.config.adversarial_loss().real, [0.3, 0.7]), (gan.config.adversarial_loss().fake, [0.7, 0.3])):
        wanted = nn.cross_entropy(outputs, np.tile(np.float32(target), (5, 1)), reduction="none")
        np.testing.assert_allclose(one(logits).detach().numpy(), wanted.detach().numpy(), rtol=1e-5)


def test_mixed_gives_the_discriminator_one_batch() -> None:
    seen: list[int] = []
    for mixed, expected in ((False, [4, 4]), (True, [8])):
        gan = models.GAN(SMALL, width=8, mixed=mixed)
        gan.discriminator.body.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
        losses = gan.d_losses(batch_of(4))
        assert seen == expected
        seen.clear()
        assert set(losses) == {"loss", "real", "fake"}


def test_each_network_gets_gradients_from_its_own_loss_only() -> None:
    gan = models.DCGAN(SMALL, width=4)
    gan.d_losses(batch_of(4))["loss"].backward()
    assert all(p.grad is not None for p in gan.discriminator.parameters())
    assert all(p.grad is None for p in gan.generator.parameters())


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "saturating"},
        {"loss": "hinge"},
        {"feature_matching": "mean"},
        {"feature_matching": "per-sample"},
        {"minibatch": 10},
        {"norm": "virtual"},
        {"norm": "none"},
        {"historical": 0.1},
        {"dropout": 0.3, "noise": 0.1},
        {"gradient_penalty": 10.0, "d_norm": False},
        {"ema": 0.9},
        {"outputs": 2, "mixed": True},
        {"output": "sigmoid"},
    ],
)
@pytest.mark.parametrize("form", ["dense", "transposed", "bilinear"])
def test_every_option_works_with_every_form(form: str, options: dict[str, Any]) -> None:
    """Both networks change, their weights stay finite, and samples stay in [0, 1]."""
    gan = models.GAN(SMALL, form=form, width=8, **options)
    before = gan.state_dict()
    loader = nn.data.DataLoader(*(x.numpy() for x in batch_of(12)), batch_size=6)
    row = nn.Trainer(gan, gan.updates(1e-3), callbacks=gan.callbacks(), progress=False).fit(loader, iterations=2)[-1]
    assert all(np.isfinite(value) for value in row.values())
    for network in ("generator", "discriminator"):
        names = [f"{network}.{name}" for name, _ in getattr(gan, network).named_parameters()]
        assert any(np.any(gan.state_dict()[name] != before[name]) for name in names)
    images = gan.sample(3).numpy()
    assert images.shape == (3, 1, 8, 8)
    assert 0 <= images.min() <= images.max() <= 1


def test_virtual_batch_norm_makes_a_sample_independent_of_its_batch() -> None:
    gan = models.DCGAN(SMALL, width=4, norm="virtual")
    z = gan.noise(4)
    plain = models.DCGAN(SMALL, width=4)
    with ag.no_grad():
        np.testing.assert_allclose(gan.decode(z)[:1].numpy(), gan.decode(z[:1]).numpy(), atol=1e-6)
        assert np.abs(plain.decode(z)[:2].numpy() - plain.decode(z[:2]).numpy()).max() > 1e-3


def test_historical_averaging_penalises_distance_from_past_weights() -> None:
    gan = models.GAN(SMALL, width=8, historical=1.0)
    plain = gan.g_losses(batch_of(4))["loss"]
    for p in gan.generator.parameters():
        p.data = p + 1
    far = sum(p.size for p in gan.generator.parameters())
    assert gan.histories["g"].penalty().item() == pytest.approx(far, rel=1e-3)
    assert gan.g_losses(batch_of(4))["loss"].item() > plain.item() + far / 2


def test_unknown_options_raise_and_list_the_valid_ones() -> None:
    for options, message in (
        ({"loss": "quadratic"}, "unknown loss 'quadratic'; expected one of: saturating, non-saturating"),
        ({"feature_matching": "some"}, "unknown feature_matching 'some'; expected one of: mean, per-sample"),
        ({"form": "flat"}, "unknown form 'flat'; expected one of: dense"),
        ({"norm": "layer"}, "unknown norm 'layer'; expected one of: batch"),
        ({"output": "relu"}, "unknown output 'relu'; expected one of: tanh"),
        ({"outputs": 3}, "1 or 2 outputs, got width=256 and outputs=3"),
        ({"width": 1.5}, "width: expected a value such as 256, got 1.5"),
        ({"real_label": 1.2}, r"expected targets in \[0, 1\], got real=1.2"),
        (
            {"momentum": 0.9, "depth": 3},
            "unknown option depth, momentum; expected one of: form, side, width, .*, beta2, d_rate, ema",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            models.GAN(SMALL, **options)
    with pytest.raises(ValueError, match=r"expected sizes \(latent, channels, height, width\)"):
        models.GAN((6, 8, 8))
    with pytest.raises(ValueError, match="sides above 7"):
        models.DCGAN((6, 1, 7, 7))
    with pytest.raises(ValueError, match=r"expected images of shape \(1, 8, 8\), got \(3, 8, 8\)"):
        models.DCGAN(SMALL)(np.zeros((2, 3, 8, 8), np.float32))


def test_images_of_another_size_are_resized() -> None:
    """32² to 64² and back: constant images stay constant, and black stays black."""
    gan = models.DCGAN((6, 3, 32, 32), side=64, width=2)
    real = gan.preprocess(np.full((2, 3, 32, 32), 0.25, np.float32))
    assert real.shape == (2, 3, 64, 64)
    np.testing.assert_allclose(real.numpy(), -0.5, rtol=1e-6)
    assert not real.requires_grad


# -- conditional and semi-supervised -------------------------------------------------------------------------------------------------


def test_both_networks_of_a_conditional_gan_get_the_label() -> None:
    gan = models.ConditionalGAN(SMALL, width=4)
    z, images = gan.noise(2), batch_of(2)[0]
    one, two = (gan.decode(z, np.full(2, label)).detach().numpy() for label in (1, 2))
    assert np.any(one != two)
    gan.eval()
    logits = [gan.discriminator(gan.discriminator_input(images, np.full(2, label))).detach().numpy() for label in (1, 2)]
    assert np.any(logits[0] != logits[1])


def test_a_label_out_of_range_raises() -> None:
    gan = models.ConditionalGAN(SMALL, width=4)
    with pytest.raises(ValueError, match=r"labels must lie in 0 … 9, got 10"):
        gan.sample(3, label=10)
    with pytest.raises(ValueError, match="shape"):
        gan.sample(3, label=[1, 2])


def test_labelled_images_are_read_cyclically(digits: nn.data.Dataset) -> None:
    few = PartlyLabelled(digits.train, per_class=5, seed=3)
    order = np.random.default_rng(0).permutation(len(few))
    for start in (0, 50, 100):
        images, labelled, labels = few[order[start : start + 50]]
        np.testing.assert_array_equal(images, digits.train.images[order[start : start + 50]])
        assert len(np.unique(labelled.reshape(50, -1), axis=0)) >= 49  # two digits may look alike
        np.testing.assert_array_equal(np.bincount(labels), np.full(10, 5))
    assert not np.array_equal(few.labelled, PartlyLabelled(digits.train, 5, seed=4).labelled)


def test_a_semi_supervised_gan_has_two_classes_or_more() -> None:
    """D(x) = Z / (Z + 1) with Z = Σ exp lᵢ for two logits too; these are not (generated, real)."""
    gan = models.SemiSupervisedGAN((*SMALL, 2)).eval()
    images = gan.preprocess(ag.rand(3, *SMALL[1:]))
    z = np.exp(gan.discriminator.outputs(images).detach().numpy()).sum(axis=1)
    np.testing.assert_allclose(ag.sigmoid(gan.discriminator(images)).detach().numpy(), z / (z + 1), rtol=1e-5)
    with pytest.raises(ValueError, match="2 or more classes"):
        models.SemiSupervisedGAN((*SMALL, 1))


def test_the_semi_supervised_loss_is_the_sum_of_three_terms() -> None:
    """L + ½ (U + V) from probabilities, with l_{k+1} = 0: p(k + 1|x) = 1 / (1 + Z)."""
    gan = models.SemiSupervisedGAN((*SMALL, 10), unsupervised_weight=0.5).eval()
    unlabelled, labelled, labels = batch_of(6, seed=1)[0], *batch_of(6)
    ag.manual_seed(5)
    loss = gan.d_losses((unlabelled, labelled, labels))["loss"].item()
    ag.manual_seed(5)
    fake = gan.generate(gan.noise(6))
    logits = [x.detach().numpy().astype(float) for x in (gan(labelled), gan(unlabelled), gan.discriminator.outputs(fake))]
    z = [np.exp(x).sum(axis=1) for x in logits]
    log_p = logits[0][np.arange(6), labels.numpy()] - np.log(z[0])
    expected = -log_p.mean() + 0.5 * (-np.log(z[1] / (1 + z[1])).mean() - np.log(1 / (1 + z[2])).mean())
    assert loss == pytest.approx(expected, rel=1e-5)


def test_saturating_without_feature_matching_is_minus_v() -> None:
    gan = models.SemiSupervisedGAN((*SMALL, 10), loss="saturating", feature_matching="").eval()
    ag.manual_seed(5)
    loss = gan.g_losses(batch_of(6))["loss"].item()
    ag.manual_seed(5)
    outputs = gan.discriminator.outputs(gan.generate(gan.noise(6)))
    assert loss == pytest.approx(-nn.generated_loss(outputs).item(), rel=1e-5)


# -- sampling -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILY)
def test_sampling_changes_no_state_and_follows_the_seed(name: str) -> None:
    model = RECIPES[name, "digits"].build()
    before = model.state_dict()
    draws = []
    for seed in (0, 0, 1):
        ag.manual_seed(seed)
        draws.append(model.sample(4).numpy())
    np.testing.assert_array_equal(draws[0], draws[1])
    assert np.any(draws[0] != draws[2])
    assert all(module.training for module in model.modules())
    for key, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[key])


def test_interpolation_starts_and_ends_at_its_points() -> None:
    gan = models.DCGAN(SMALL, width=4)
    a, b = gan.noise(2)
    line = gan.interpolate(a, b, steps=5).numpy()
    gan.eval()
    np.testing.assert_allclose(line[[0, -1]], gan.decode(ag.stack([a, b])).detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(gan.interpolate(a, a, steps=2).numpy()[0], line[0], atol=1e-5)


def test_images_are_halved_down_to_one_pixel_and_not_further() -> None:
    halved = lambda side, layers: maps_of((1, side, side), GANArchitecture(form="transposed", layers=layers))
    assert halved(2, (4,)) == [(4, 1, 1), (1, 2, 2)]
    assert halved(5, (8, 4, 2)) == [(8, 1, 1), (4, 2, 2), (2, 3, 3), (1, 5, 5)]
    with pytest.raises(ValueError, match=r"layers \(8, 4\): images \(1, 2, 2\) cannot be halved that often"):
        halved(2, (8, 4))
