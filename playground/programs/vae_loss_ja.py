# 変分オートエンコーダの損失: 再構成誤差 + β · KL。z = μ + σ ε と書くと、乱数を含んでいても微分できます。
import autograd_mini as ag
from autograd_mini import Tensor, nn, playground, viz

ag.manual_seed(0)
encoder, decoder = nn.Linear(4, 4), nn.Linear(2, 4)
x = Tensor([[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0]], name="x")

mu, logvar = ag.split(encoder(x), 2, axis=1)
epsilon = Tensor(ag.randn(2, 2), name="ε")
z = mu + ag.exp(0.5 * logvar) * epsilon
reconstruction = nn.binary_cross_entropy_with_logits(decoder(z), x, reduction="batchmean")
kl = nn.kl_normal(mu, logvar)
loss = reconstruction + playground.slider("β", 1.0, 0.0, 10.0) * kl
loss.backward()

print(f"再構成誤差 {reconstruction.item():.4f} + β · KL {kl.item():.4f} = {loss.item():.4f} nats")
playground.show(viz.draw({"loss": loss}, params={"encoder": encoder, "decoder": decoder}, show_values=True))
