# Write any program here. The value of the last line is shown; playground.show shows more.
from autograd_mini import Tensor, playground, viz

w = Tensor(playground.slider("w", 0.5), requires_grad=True, name="w")
loss = (w * 3.0 - 1.0) ** 2
loss.backward()
print("∂L/∂w =", w.grad)
viz.draw({"L": loss}, show_values=True, show_grad=True)
