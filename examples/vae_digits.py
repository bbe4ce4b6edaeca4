"""A variational autoencoder on the bundled 8×8 digits in plain loops: the core of `autograd-mini train vae`.

python examples/vae_digits.py            # about ten seconds; writes vae_digits.png
"""

from __future__ import annotations

import autograd_mini as ag
from autograd_mini import models, nn, viz

EPOCHS = 60


def main(epochs: int = EPOCHS, picture: str = "vae_digits.png") -> None:
    """Trains, prints −ELBO on held-out images, and draws new digits."""
    ag.manual_seed(0)
    digits = nn.data.digits()
    vae = models.VAE(sizes=(64, 256, 8))
    optimizer = nn.Adam(vae.parameters(), lr=1e-3)
    batches = nn.data.DataLoader(digits.train.images, batch_size=32, shuffle=True)
    for epoch in range(1, epochs + 1):
        for (images,) in batches:
            mu, logvar = vae.encode(images)
            z = vae.draw(mu, logvar)  # μ + σ ε
            logits = vae.decoder(z)
            flat = ag.flatten(images, 1)
            reconstruction = nn.binary_cross_entropy_with_logits(logits, flat, reduction="batchmean")
            loss = reconstruction + nn.kl_normal(mu, logvar)
            optimizer.zero_grad()
            loss.backward(free=True)
            optimizer.step()
        if epoch % 10 == 0 or epoch == epochs:
            with ag.no_grad():
                print(f"epoch {epoch}: -ELBO on test images {vae.loss(digits.test.images)['loss']:.2f} nats")
    viz.plot_images(ag.reshape(vae.sample(64), 64, *digits.image_shape), picture)


if __name__ == "__main__":
    main()
