# ここに自由にプログラムを書けます。最後の行の値が表示されます。ほかのものは playground.show で表示します。
from autograd_mini import Tensor, playground, viz

w = Tensor(playground.slider("w", 0.5), requires_grad=True, name="w")
loss = (w * 3.0 - 1.0) ** 2
loss.backward()
print("∂L/∂w =", w.grad)
viz.draw({"L": loss}, show_values=True, show_grad=True)
