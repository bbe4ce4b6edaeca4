# Trains a classifier on two half moons. The curve grows while it runs; Stop ends it at once.
import autograd_mini as ag
from autograd_mini import nn, playground, viz

ag.manual_seed(0)
points, labels = nn.data.moons(200, noise=0.1)
x, y = ag.Tensor(points), ag.Tensor(labels)

net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2))
optimizer = nn.Adam(net.parameters(), lr=0.02)

for step in range(200):
    optimizer.zero_grad()
    loss = nn.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
    if step % 5 == 0:
        playground.curve("loss", loss, step)

accuracy = (ag.argmax(net(x), 1).numpy() == labels).mean()
print(f"loss {loss.item():.4f}, accuracy {accuracy:.3f}")
viz.plot_boundary(net, points, labels)
