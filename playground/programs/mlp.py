# A network of two layers: its graph, and backpropagation step by step.
import autograd_mini as ag
from autograd_mini import Tensor, nn, playground, viz

ag.manual_seed(0)
net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
x = Tensor([[0.5, -1.0, 2.0], [1.0, 0.0, -0.5]], name="x")
y = Tensor([[1.0, 0.0], [0.0, 1.0]], name="y")

scale = playground.slider("scale of the first weights", 1.0, 0.0, 5.0)
with ag.no_grad():
    net[0].weight *= scale

loss = nn.mse_loss(net(x), y)
loss.backward()
print("loss:", round(loss.item(), 4))
print("size of ∂L/∂W of the first layer:", round(ag.norm(net[0].weight.grad).item(), 4))

playground.show(viz.draw({"L": loss}, params=net, show_grad=True))
playground.show(viz.step(loss, params=net, granularity="layer"))
