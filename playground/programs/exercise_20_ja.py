# 課題 20: u1 = x, h = u², u = w h, L = ŷ²。スライダーを動かすと、計算グラフと各 δ の値が変わります。
import autograd_mini as ag
from autograd_mini import Tensor, playground, viz

x = Tensor(playground.slider("x", 1.0), requires_grad=True, name="x")
w2 = Tensor(playground.slider("w2", 2.0), requires_grad=True, name="w2")
w3 = Tensor(playground.slider("w3", 3.0), requires_grad=True, name="w3")

h1 = ag.square(x)
h2 = ag.square(w2 * h1)
h3 = ag.square(w3 * h2)
loss = ag.square(h3)
loss.backward()

a, b, c = x.item(), w2.item(), w3.item()
print(f"∂L/∂w2 = {w2.grad:g}   手計算: 8 w3⁴ w2⁷ x¹⁶ = {8 * c**4 * b**7 * a**16:g}")
print(f"∂L/∂w3 = {w3.grad:g}   手計算: 4 w3³ w2⁸ x¹⁶ = {4 * c**3 * b**8 * a**16:g}")

playground.show(viz.draw({"L": loss}, notation="lecture", show_values=True))
playground.show(viz.step(loss, notation="lecture"))
