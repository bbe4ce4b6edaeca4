"""Writes docs/gallery.md and the pictures in docs/gallery/, each with the code that creates it.

python docs/make_gallery.py              creates all pictures, in a few seconds
python docs/make_gallery.py chain heat   creates only these, and the page
"""

from __future__ import annotations

import inspect
import os
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import numpy as np

import autograd_mini as ag
from autograd_mini import Tensor, models, nn, viz

FOLDER = HERE / "gallery"
HEAD = """# Gallery

`python docs/make_gallery.py` generates this page. The code below each picture creates it. Every example starts with

```python
import numpy as np
import autograd_mini as ag
from autograd_mini import Tensor, models, nn, viz
```
"""


class Entry(NamedTuple):
    """A picture: its title, its file, and the function with the caption as docstring and the code as body."""

    title: str
    file: str
    make: Callable[[], None]


ENTRIES: list[Entry] = []


def entry(title: str, file: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def register(make: Callable[[], None]) -> Callable[[], None]:
        ENTRIES.append(Entry(title, file, make))
        return make

    return register


@entry("A chain by hand, in the notation of the lecture", "chain.svg")
def chain() -> None:
    """u⁽¹⁾ = x, h = u², u⁽ˡ⁾ = w⁽ˡ⁾ h⁽ˡ⁻¹⁾, L = ŷ². Every δ can be computed by hand: δ⁽³⁾ = 2ŷ · 2u⁽³⁾ = 6912."""
    x, w2, w3 = (Tensor(value, requires_grad=True, name=name) for name, value in (("x", 1.0), ("w2", 2.0), ("w3", 3.0)))
    loss = ag.square(ag.square(w3 * ag.square(w2 * ag.square(x))))
    viz.draw({"L": loss}, notation="lecture", show_values=True).save("chain.svg")


@entry("The same backward pass, step by step", "backprop.html")
def stepper() -> None:
    """An interactive page for lectures: the forward pass, the loss, the backward pass and the update, then the next iteration.
    Values and gradients appear in the nodes, the formula with its numbers below, and the key c shows the numerical gradient.
    Arrow keys or the slider move through the steps, and `#frame=7` in the address opens step 7. With `quiz=True` a number is
    hidden until it is clicked."""
    ag.manual_seed(0)
    mlp = models.MLP((3, 4, 2), nn.Tanh)
    x, y = Tensor([[0.5, -1.0, 2.0], [1.0, 0.0, -0.5]], name="x"), Tensor([[1.0, 0.0], [0.0, 1.0]], name="y")
    optimizer = nn.SGD(mlp.parameters(), lr=0.5)
    page = viz.step(nn.mse_loss(mlp(x), y), params=mlp, notation="lecture", update=optimizer, iterations=2)
    page.save("backprop.html")


@entry("A network whose modules unfold by a click", "fold.html")
def fold() -> None:
    """Click on a folded module, or on the title of a box. Point at a node, or reach it with the Tab key, to see its value, its
    gradient, shape and formula; the path of its gradient lights up. A notebook shows this page with `interactive=True`."""
    ag.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x = Tensor([[0.5, -1.0, 2.0], [1.0, 0.0, -0.5]], name="x")
    viz.draw({"L": ag.square(net(x)).mean()}, params=net, depth=1, legend=False, interactive=True).save("fold.html")


@entry("A network in the notation of the lecture", "mlp.svg")
def mlp() -> None:
    """δ is shown only at pre-activations, and local derivatives at the edges. Clusters are modules."""
    ag.manual_seed(0)
    mlp = models.MLP((3, 4, 2), nn.Tanh)
    x, y = Tensor([[0.5, -1.0, 2.0], [1.0, 0.0, -0.5]], name="x"), Tensor([[1.0, 0.0], [0.0, 1.0]], name="y")
    viz.draw({"L": nn.mse_loss(mlp(x), y)}, params=mlp, notation="lecture").save("mlp.svg")


@entry("A variational autoencoder with collapsed modules", "vae.svg")
def vae() -> None:
    """Collapsed modules show how many nodes they hide. Nodes between them stay visible: z = μ + σ ε, the terms of −ELBO."""
    digits = nn.data.digits()
    vae = models.VAE(sizes=(64, 32, 2))
    parts = vae.loss(digits.train.images[:16])
    viz.draw({"loss": parts["loss"]}, params=vae, depth=1, legend=False).save("vae.svg")


@entry("Thirty layers, with repeated layers collapsed", "repeats.svg")
def repeats() -> None:
    """In long graphs, repeated blocks are collapsed automatically; the first and the last block stay visible."""
    deep = models.MLP((64, *[32] * 30, 10), nn.ReLU)
    digits = nn.data.digits()
    loss = nn.cross_entropy(deep(digits.train.images[:16]), digits.train.labels[:16])
    viz.draw({"L": loss}, params=deep, legend=False).save("repeats.svg")


@entry("The gradient of a gradient", "second_order.svg")
def second_order() -> None:
    """`create_graph=True` makes the backward pass a graph like any other: here y = sin x² and dy/dx = 2x cos x²."""
    x = Tensor(2.0, requires_grad=True, name="x")
    y = ag.sin(ag.square(x))
    viz.draw({"y": y, "dy/dx": ag.grad(y, x, create_graph=True)}, show_values=True, legend=False).save("second_order.svg")


@entry("What jit replays", "plan.svg")
def plan() -> None:
    """The plan of a training step: forward pass, backward pass and update are one list of kernels, numbered as they run.
    Results in the same buffer have the same colour; steps 2 and 10 work in place, and the four parameters
    are updated as one."""
    mlp = models.MLP((4, 8, 3))
    optimizer = nn.SGD(mlp.parameters(), lr=0.1, momentum=0.9)

    @ag.jit
    def step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = nn.cross_entropy(mlp(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    for _ in range(2):
        step(Tensor(np.eye(5, 4, dtype=np.float32), name="x"), Tensor([0, 1, 2, 0, 1], name="y"))
    viz.draw(step.plan, params=mlp, rankdir="TB").save("plan.svg")


@entry("Vanishing: ten sigmoid layers", "heat_sigmoid.svg")
def heat_sigmoid() -> None:
    """Edges are coloured, widened and labelled by log₁₀ of the gradient's root mean square.
    σ′ ≤ ¼ shrinks the gradient at every layer."""
    ag.manual_seed(0)
    digits = nn.data.digits()
    deep = models.MLP((64, *[32] * 10, 10), nn.Sigmoid)
    for name, parameter in deep.named_parameters():
        (nn.init.kaiming_normal_ if name.endswith("weight") else nn.init.zeros_)(parameter)
    loss = nn.cross_entropy(deep(digits.train.images[:64]), digits.train.labels[:64])
    picture = viz.draw({"L": loss}, params=deep, heat="grad", depth=2, rankdir="TB", legend=False)
    picture.save("heat_sigmoid.svg")
    print(picture.table)


@entry("Not vanishing: ten ReLU layers", "heat_relu.svg")
def heat_relu() -> None:
    """The same network, data, seed and initial values with ReLU. Here each layer is collapsed into one node."""
    ag.manual_seed(0)
    digits = nn.data.digits()
    deep = models.MLP((64, *[32] * 10, 10), nn.ReLU)
    for name, parameter in deep.named_parameters():
        (nn.init.kaiming_normal_ if name.endswith("weight") else nn.init.zeros_)(parameter)
    loss = nn.cross_entropy(deep(digits.train.images[:64]), digits.train.labels[:64])
    picture = viz.draw({"L": loss}, params=deep, heat="grad", depth=2, rankdir="TB", legend=False)
    picture.save("heat_relu.svg")
    print(picture.table)


@entry("A gradient check", "check.svg")
def check() -> None:
    """Each parameter with its verdict. The result of `viz.check` is true or false, so it can be used in an `assert`."""
    ag.manual_seed(0)
    mlp = models.MLP((3, 4, 2), nn.Tanh)
    x, y = Tensor([[0.5, -1.0, 2.0], [1.0, 0.0, -0.5]], name="x"), Tensor([[1.0, 0.0], [0.0, 1.0]], name="y")
    result = viz.check(lambda: nn.mse_loss(mlp(x), y), mlp)
    assert result, result
    print(result)
    result.draw().save("check.svg")


@entry("Loss curves", "losses.png")
def losses() -> None:
    """Training and test loss of a classifier of the bundled handwritten digits, epoch by epoch."""
    ag.manual_seed(0)
    digits = nn.data.digits()
    mlp = models.MLP((64, 64, 10))
    optimizer = nn.Adam(mlp.parameters(), lr=3e-3)
    history: dict[str, list[float]] = {"training": [], "test": []}
    for _ in range(20):
        for images, labels in nn.data.DataLoader(digits.train.images, digits.train.labels, batch_size=64, shuffle=True):
            optimizer.zero_grad()
            nn.cross_entropy(mlp(images), labels).backward()
            optimizer.step()
        for name, split in (("training", digits.train), ("test", digits.test)):
            with ag.no_grad():
                history[name].append(nn.cross_entropy(mlp(split.images), split.labels).item())
    viz.plot_losses(history, "losses.png", ylabel="cross-entropy (nats)")
    viz.plot_confusion(digits.test.labels, mlp.predict(digits.test.images), "confusion.png", title="test images")
    viz.plot_filters(ag.reshape(mlp.layers[0].weight, 64, 1, 8, 8), "filters.png")


@entry("Confusion matrix", "confusion.png")
def confusion() -> None:
    """The classifier above on the test images."""


@entry("What the first layer looks for", "filters.png")
def filters() -> None:
    """The 64 rows of its first weight matrix as images."""


@entry("Feature maps of a convolution", "maps.png")
def maps() -> None:
    """A digit under four filters: blur, horizontal edge, vertical edge, sharpening."""
    blur, edge = np.full((3, 3), 1 / 9), np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]])
    sharp = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
    weight = np.stack([blur, edge, edge.T, sharp])[:, None]
    image = nn.data.digits().train.images[3]
    viz.plot_feature_maps(ag.conv2d(image[None, None].astype(float), weight, padding=1)[0], "maps.png", columns=4)


@entry("Batch normalisation: mean 0, variance 1", "norm.png")
def norm() -> None:
    """The output of a convolution for 256 digits, before and after batch normalisation, over all channels and pixels."""
    ag.manual_seed(0)
    before = nn.Conv2d(1, 8, 3)(nn.data.digits().train.images[:256, None])
    after = nn.BatchNorm2d(8)(before)
    viz.plot_histograms({"before": before, "after": after}, "norm.png", xlabel="pre-activation u")


@entry("A regression and the truth", "surface.png")
def surface() -> None:
    """f(x₁, x₂) = 10 − 10 exp(−0.2 (x₁² + x₂²)) − exp((cos x₁ + cos x₂)/2), learnt from 1000 noisy samples."""
    ag.manual_seed(0)
    points, values = nn.data.synthetic.funnel_samples(1000, noise=0.1)
    net = models.MLP((2, 64, 64, 1), nn.Tanh)
    optimizer = nn.Adam(net.parameters(), lr=1e-2)
    for _ in range(600):
        optimizer.zero_grad()
        nn.mse_loss(net(points), values).backward()
        optimizer.step()
    learnt = {"truth": nn.data.synthetic.funnel, "network": lambda p: net(p.astype(np.float32))}
    viz.plot_surface(learnt, "surface.png", size=30)


@entry("A 2-D latent space", "plane.png")
def plane() -> None:
    """A variational autoencoder with two latent dimensions: the images that its decoder draws at each point, the latent
    positions of test images, reconstructions, and samples at the same eight points of latent space over training."""
    ag.manual_seed(0)
    digits = nn.data.digits()
    vae = models.VAE(sizes=(64, 128, 2))
    optimizer = nn.Adam(vae.parameters(), lr=3e-3)
    noise, film = ag.randn(8, 2), []
    for epoch in range(60):
        if epoch % 6 == 0:
            film.append(ag.reshape(vae.decode(noise), 8, 8, 8))
        for (images,) in nn.data.DataLoader(digits.train.images, batch_size=64, shuffle=True):
            optimizer.zero_grad()
            vae.loss(images)["loss"].backward()
            optimizer.step()
    test = digits.test.images
    viz.plot_latent_plane(vae.decode, "plane.png", image_shape=(8, 8), gap=1)
    viz.plot_scatter(vae.latent(test), digits.test.labels, "scatter.png")
    viz.plot_reconstructions(test[:10], vae.decode(vae.latent(test[:10])), "pairs.png", image_shape=(8, 8))
    viz.save_animation(film, "film.gif", columns=8)


@entry("Test images in the latent space", "scatter.png")
def scatter() -> None:
    """The mean of q(z|x) for each test image."""


@entry("Reconstructions from two numbers", "pairs.png")
def pairs() -> None:
    """Test images above, their reconstructions from the two latent numbers below."""


@entry("Samples over training", "film.gif")
def film() -> None:
    """The same eight points of latent space, every six epochs."""


@entry("The boundary of a classifier", "boundary.png")
def boundary() -> None:
    """Three spirals: regions have the colour of their class, darker where the network is certain. The film below shows the same
    network while it learns."""
    ag.manual_seed(0)
    t, spiral = np.random.default_rng(0).uniform(1, 7, 300), np.arange(300) % 3
    angle = t + 2 * np.pi * spiral / 3
    points = (0.3 * t * np.stack([np.cos(angle), np.sin(angle)])).T.astype(np.float32)
    net = models.MLP((2, 48, 48, 3), nn.Tanh)
    trainer = nn.Trainer(net, nn.Adam(net.parameters(), lr=1e-2), progress=False)
    film = viz.film(trainer, lambda net: viz.plot_boundary(net, points, spiral, size=60), every=72, milliseconds=600)
    trainer.fit(nn.data.DataLoader(points, spiral, batch_size=50, shuffle=True), epochs=48)
    film.save("training.gif")  # or training.html, a page with a slider
    viz.plot_boundary(net, points, spiral, "boundary.png")


@entry("A film of the training", "training.gif")
def training() -> None:
    """`viz.film(trainer, plot)` records any plot while a model trains."""


@entry("Optimizers on the landscape of the loss", "landscape.png")
def landscape() -> None:
    """Two parameters are the axes; of more, the axes are the two directions in which the paths vary most. Here Rosenbrock's
    function, from the circle on."""
    w = Tensor([-1.5, 2.0], requires_grad=True)

    def loss() -> Tensor:
        return ag.square(1 - w[0]) + 20 * ag.square(w[1] - ag.square(w[0]))

    optimizers = {"SGD": nn.SGD([w], lr=3e-3), "momentum": nn.SGD([w], lr=2e-3, momentum=0.9), "Adam": nn.Adam([w], lr=0.04)}
    paths: dict[str, list[np.ndarray]] = {name: [] for name in optimizers}
    for name, optimizer in optimizers.items():
        w.data[:] = -1.5, 2.0
        for _ in range(200):
            paths[name].append(w.data.copy())
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
    viz.plot_landscape(loss, {"w": w}, "landscape.png", paths=paths)


@entry("Gradients of each layer over the training", "gradients.png")
def gradients() -> None:
    """Six sigmoid layers: at first, the gradient of the first layer is 100,000 times smaller than that of the last one."""
    ag.manual_seed(0)
    digits = nn.data.digits()
    deep = models.MLP((64, *[32] * 6, 10), nn.Sigmoid)
    log = viz.LayerLog(digits.train.images[:100], every=10)
    trainer = nn.Trainer(deep, nn.Adam(deep.parameters(), lr=1e-2), callbacks=[log], progress=False)
    trainer.fit(nn.data.DataLoader(digits.train, batch_size=64, shuffle=True), epochs=8)
    viz.plot_gradients(log, "gradients.png")
    viz.plot_activations(log, path="activations.png")


@entry("Activations of each layer over the training", "activations.png")
def activations() -> None:
    """The same network on 100 images: medians, and bands with 50 % and 90 % of the outputs."""


@entry("The balance of a GAN", "gan.png")
def gan() -> None:
    """A generator of one number against a discriminator: D(x) and D(G(z)) approach ½."""
    ag.manual_seed(0)
    generator, discriminator = models.MLP((1, 16, 1)), models.MLP((1, 16, 1))
    steps = {"G": nn.Adam(generator.parameters(), lr=2e-3), "D": nn.Adam(discriminator.parameters(), lr=2e-3)}
    real, fake = [], []
    for _ in range(600):
        x, g = 4 + ag.randn(64, 1), generator(ag.randn(64, 1))
        on_real, on_fake = discriminator(x), discriminator(g.detach())
        steps["D"].zero_grad()
        (ag.softplus(-on_real) + ag.softplus(on_fake)).mean().backward()
        steps["D"].step()
        steps["G"].zero_grad()
        ag.softplus(-discriminator(g)).mean().backward()
        steps["G"].step()
        real.append(ag.sigmoid(on_real).mean().item())
        fake.append(ag.sigmoid(on_fake).mean().item())
    viz.plot_gan(real, fake, "gan.png")


def page() -> str:
    """Returns the gallery as Markdown."""
    return "\n".join([HEAD, *(section(e) for e in ENTRIES)])


def section(e: Entry) -> str:
    caption = " ".join((inspect.getdoc(e.make) or "").split())
    link = f"[{e.file}](gallery/{e.file})" if e.file.endswith(".html") else f"![{e.title}](gallery/{e.file})"
    code = body(e.make)
    block = f"\n```python\n{code}\n```\n" if code else "\nCreated by the code above.\n"
    return f"## {e.title}\n\n{caption}\n\n{link}\n{block}"


def body(make: Callable[[], None]) -> str:
    """Returns the statements of a function, without its docstring."""
    source = inspect.getsource(make)
    return textwrap.dedent(source.split('"""', 2)[2].lstrip("\n")).strip()


def slim(path: Path) -> None:
    """Reduces a picture to 64 colours, so that its file is small."""
    from PIL import Image

    with Image.open(path) as picture:
        colours = picture.convert("RGB").quantize(64, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        colours.save(path, optimize=True)


def main(wanted: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    os.chdir(FOLDER)
    for e in ENTRIES:
        if not wanted or e.make.__name__ in wanted:
            start = time.perf_counter()
            e.make()
            if e.file.endswith(".png"):
                slim(FOLDER / e.file)
            print(f"{e.file}: {time.perf_counter() - start:.1f} s", file=sys.stderr)
    (HERE / "gallery.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
