# 2 層のネットワーク: 計算グラフと、一歩ずつの誤差逆伝播法。
import autograd_mini as ag
from autograd_mini import Tensor, nn, playground, viz

ag.manual_seed(0)
net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
x = Tensor([[0.5, -1.0, 2.0], [1.0, 0.0, -0.5]], name="x")
y = Tensor([[1.0, 0.0], [0.0, 1.0]], name="y")

scale = playground.slider("第 1 層の重みの倍率", 1.0, 0.0, 5.0)
with ag.no_grad():
    net[0].weight *= scale

loss = nn.mse_loss(net(x), y)
loss.backward()
print("損失:", round(loss.item(), 4))
print("第 1 層の ∂L/∂W の大きさ:", round(ag.norm(net[0].weight.grad).item(), 4))

playground.show(viz.draw({"L": loss}, params=net, show_grad=True))
playground.show(viz.step(loss, params=net, granularity="layer"))
