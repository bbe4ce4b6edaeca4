# 2 つの半月の分類器を学習します。学習中に損失の曲線が伸びていきます。「停止」を押すとすぐに終了します。
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
print(f"損失 {loss.item():.4f}, 正解率 {accuracy:.3f}")
viz.plot_boundary(net, points, labels)
