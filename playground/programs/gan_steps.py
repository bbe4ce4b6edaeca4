# The two steps of a GAN: the discriminator D learns to tell real from generated, then the generator G learns to deceive D.
import autograd_mini as ag
from autograd_mini import Tensor, nn, playground, viz

ag.manual_seed(0)
G = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))
D = nn.Sequential(nn.Linear(2, 4), nn.LeakyReLU(0.2), nn.Linear(4, 1))
to_D, to_G = nn.SGD(D.parameters(), lr=playground.slider("rate of D", 0.1, 0.0, 1.0)), nn.SGD(G.parameters(), lr=0.1)
real = Tensor(ag.randn(8, 2) * 0.1 + 2.0, name="real")
z = Tensor(ag.randn(8, 2), name="z")
ones, zeros = ag.ones(8, 1), ag.zeros(8, 1)

# Step of D. G(z) is detached: no gradient reaches G.
loss_D = nn.binary_cross_entropy_with_logits(D(real), ones) + nn.binary_cross_entropy_with_logits(D(G(z).detach()), zeros)
loss_D.backward()
print("step of D: loss", round(loss_D.item(), 4), " gradient of G:", G[0].weight.grad)
playground.show(viz.draw({"loss of D": loss_D}, params={"D": D, "G": G}))
to_D.step()

# Step of G: the gradient flows through D to G, and D is not updated.
loss_G = nn.binary_cross_entropy_with_logits(D(G(z)), ones)
loss_G.backward()
print("step of G: loss", round(loss_G.item(), 4), " size of the gradient:", round(ag.norm(G[0].weight.grad).item(), 4))
playground.show(viz.draw({"loss of G": loss_G}, params={"D": D, "G": G}))
to_G.step()
