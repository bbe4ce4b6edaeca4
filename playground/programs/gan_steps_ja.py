# GAN の 2 つのステップ: 識別器 D は本物と生成物の区別を学び、次に生成器 G は D を騙すことを学びます。
import autograd_mini as ag
from autograd_mini import Tensor, nn, playground, viz

ag.manual_seed(0)
G = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))
D = nn.Sequential(nn.Linear(2, 4), nn.LeakyReLU(0.2), nn.Linear(4, 1))
to_D, to_G = nn.SGD(D.parameters(), lr=playground.slider("D の学習率", 0.1, 0.0, 1.0)), nn.SGD(G.parameters(), lr=0.1)
real = Tensor(ag.randn(8, 2) * 0.1 + 2.0, name="real")
z = Tensor(ag.randn(8, 2), name="z")
ones, zeros = ag.ones(8, 1), ag.zeros(8, 1)

# D のステップ。G(z) は detach するので、G に勾配は届きません。
loss_D = nn.binary_cross_entropy_with_logits(D(real), ones) + nn.binary_cross_entropy_with_logits(D(G(z).detach()), zeros)
loss_D.backward()
print("D のステップ: 損失", round(loss_D.item(), 4), " G の勾配:", G[0].weight.grad)
playground.show(viz.draw({"loss of D": loss_D}, params={"D": D, "G": G}))
to_D.step()

# G のステップ: 勾配は D を通って G に届きます。D は更新しません。
loss_G = nn.binary_cross_entropy_with_logits(D(G(z)), ones)
loss_G.backward()
print("G のステップ: 損失", round(loss_G.item(), 4), " 勾配の大きさ:", round(ag.norm(G[0].weight.grad).item(), 4))
playground.show(viz.draw({"loss of G": loss_G}, params={"D": D, "G": G}))
to_G.step()
