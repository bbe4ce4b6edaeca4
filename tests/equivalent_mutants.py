"""Mutants that nobody can observe, by file and text, and why: the line itself, then what changes; see `mutants.py`."""

from __future__ import annotations

_NO_NUMBER = "no tensor has this creation number"
_SUM = "a sum of two operands does not depend on their order"
EQUIVALENT: dict[str, dict[str, str]] = {
    "autograd_mini/backward.py": {
        "if not y.ndim:  # NumPy's arithmetic is six times as fast on scalars as on 0-d arrays | not y.ndim → (not not y.ndim)":
            "0-d arrays and NumPy scalars give the same values; it is an optimization",
    },
    "autograd_mini/checkpoint.py": {
        "if not output.requires_grad or output._seq < start: | output._seq < start → (output._seq <= start)": _NO_NUMBER,
        "if x._seq > start: | x._seq > start → (x._seq >= start)": _NO_NUMBER,
        "return [x for x in nodes.values() if x._seq < start] | x._seq < start → (x._seq <= start)": _NO_NUMBER,
        '"checkpoint", _forward, vjp=_backward, formula="f(x), run again in the backward pass", derivative=("f′(x)",), '
        "uniform=False | False → (True)": "only calls by `apply.promote` read it; the record is never called in this way",
    },
    "autograd_mini/jacobian.py": {
        'forward = mode == "forward" or (mode is None and n_inputs < n_outputs) | n_inputs < n_outputs → (n_inputs <= n_outputs)':
            "for equal numbers both modes need as many passes",
    },
    "autograd_mini/memory/flat_group.py": {
        "size = slices[-1].stop - slices[0].start | slices[-1].stop - slices[0].start → (slices[-1].stop + slices[0].start)":
            "the first slice starts at 0",
    },
    "autograd_mini/ops/neural/recurrent.py": {
        "u = linear(x, w_ih, _sum_present(b_ih, b_hh)) | _sum_present(b_ih, b_hh) → (_sum_present(b_hh, b_ih))": _SUM,
    },
    "autograd_mini/ops/reduce.py": {
        "_SUM = Primitive( | , vjp=(_sum_rule,), rowwise=True, scalar='{0}', reduction='sum', batc… → "
        ", vjp=(_sum_rule,), scalar='{0}', reduction='sum', batch=rules.along_…": "whether a plan splits the rows among threads changes no value",
    },
    "autograd_mini/transform.py": {
        "products = run.pullback([d if d.requires_grad else None for d in dummies], create_graph=True) | "
        "ne for d in dummies], create_graph=True) → ne for d in dummies])": "the dummies require a gradient, so it is recorded",
    },
    "autograd_mini/ops/neural/pool_kernels.py": {
        "writes_all = disjoint and g.size * math.prod(kernel_size) >= padded.size  # each pixel once | "
        "g.size * math.prod(kernel_size) >= padded.size → (g.size * math.prod(kernel_size) > padded.size)":
            "the pixels are set to 0 before they are written, which only takes time",
    },
    "autograd_mini/testing/properties.py": {
        "finite = np.isfinite(b) & (np.abs(b) < limit) | np.abs(b) < limit → (np.abs(b) <= limit)":
            "of float32 and float16, √max is no gradient that a test could hit",
    },
    "nn/data/loader.py": {
        "pin_memory: bool = False, | False → (True)": "PyTorch's argument, without effect here",
    },
    "nn/layers/reparametrize.py": {
        "return vector / ag.maximum(ag.norm(vector), self.eps) | ag.maximum(ag.norm(vector), self.eps) → "
        "(ag.maximum(self.eps, ag.norm(vector)))": "a maximum of two does not depend on their order",
    },
    "nn/optim/optimizer.py": {
        "kernel(*arrays, *self._scratch(whole, 0)) | 0 → (1)": "a key of memory: any number works",
    },
    'nn/losses/binary.py': {
        '(_bce_by_probability, lambda xp, g, y, p, t: g * (xp.maximum(xp.log(1 - p), -100) - xp.maximum(xp.log(p), -100))), | xp.maximum(xp.log(p), -100) → (xp.maximum(-100, xp.log(p)))':
            'a maximum of two does not depend on their order',
    },
    'autograd_mini/testing/differences.py': {
        'if (count := int(decidable.sum())) > best_count: | (count := int(decidable.sum())) > best_count → ((count := int(decidable.sum())) >= best_count)':
            'of two steps that decide equally many outputs, either may be used',
    },
    'nn/summary.py': {
        'super().__init__(lambda: 0) | 0 → (1)':
            'the clock of a counter, whose times nobody reads',
    },
}  # fmt: skip
