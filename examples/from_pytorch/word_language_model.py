"""What the example "word_language_model" does: an LSTM or a Transformer predicts the next word, and writes some.

python -m autograd_mini.examples.from_pytorch.word_language_model [--small]
"""

from __future__ import annotations

import math
import sys
from typing import Any

import autograd_mini as ag
import autograd_mini.nn as nn
import autograd_mini.nn.functional as F
from autograd_mini.examples.from_pytorch.sources import words


class RNNModel(nn.Module):
    """Embedding, LSTM, and a decoder that shares the embedding's weight."""

    def __init__(self, vocabulary: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.vocabulary, self.width, self.layers = vocabulary, width, layers
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(vocabulary, width)
        self.rnn = nn.LSTM(width, width, layers, dropout=dropout)
        self.decoder = nn.Linear(width, vocabulary)
        self.decoder.weight = self.encoder.weight
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.get_parameter("bias"))

    def forward(self, tokens: Any, hidden: Any) -> tuple[Any, Any]:
        output, hidden = self.rnn(self.drop(self.encoder(tokens)), hidden)
        decoded = self.decoder(self.drop(output)).view(-1, self.vocabulary)
        return F.log_softmax(decoded, dim=1), hidden

    def init_hidden(self, rows: int) -> tuple[Any, Any]:
        """Returns zeros with the dtype of the weights."""
        weight = next(self.parameters())
        return weight.new_zeros(self.layers, rows, self.width), weight.new_zeros(self.layers, rows, self.width)


class PositionalEncoding(nn.Module):
    """Adds sines and cosines of the position (Vaswani et al. 2017, section 3.5)."""

    pe: Any

    def __init__(self, width: int, dropout: float, longest: int = 500) -> None:
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        angles = ag.arange(0, longest, dtype=ag.float).unsqueeze(1) * ag.exp(
            ag.arange(0, width, 2).float() * (-math.log(10000.0) / width)
        )
        table = ag.stack([ag.sin(angles), ag.cos(angles)], dim=2).flatten(1)
        self.register_buffer("pe", table.unsqueeze(1))

    def forward(self, x: Any) -> Any:
        return self.dropout(x + self.pe[: x.size(0), :])


class TransformerModel(nn.Module):
    """Embedding with positions, a Transformer encoder that sees earlier words only, and a linear decoder."""

    def __init__(self, vocabulary: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.positions = PositionalEncoding(width, dropout)
        self.embedding = nn.Embedding(vocabulary, width)
        layer = nn.TransformerEncoderLayer(width, 2, width, dropout)
        self.encoder = nn.TransformerEncoder(layer, layers)
        self.decoder = nn.Linear(width, vocabulary)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.get_parameter("bias"))

    def forward(self, tokens: Any, hidden: Any = None) -> tuple[Any, Any]:
        n = len(tokens)
        mask = ag.zeros(n, n).masked_fill(ag.ones(n, n).tril() == 0, float("-inf"))
        x = self.positions(self.embedding(tokens) * math.sqrt(self.width))
        decoded = self.decoder(self.encoder(x, mask=mask))
        return F.log_softmax(decoded, dim=-1).view(-1, decoded.size(-1)), hidden

    def init_hidden(self, rows: int) -> Any:
        """There is no state between batches."""
        return None


def batchify(ids: Any, rows: int) -> Any:
    """Returns the text as columns: (length, rows)."""
    steps = ids.size(0) // rows
    return ids.narrow(0, 0, steps * rows).view(rows, -1).t().contiguous()


def detached(hidden: Any) -> Any:
    """Cuts the state off the graph of the batches before."""
    return tuple(h.detach() for h in hidden) if isinstance(hidden, tuple) else hidden


def main(small: bool = False, kind: str = "LSTM") -> dict[str, float]:
    """Returns the perplexity on held-out text, and the number of different words in a text of the model."""
    ag.manual_seed(1111)
    sentences = words(small)
    flat = [word for sentence in sentences for word in [*sentence, "<eos>"]]
    dictionary = {word: i for i, word in enumerate(dict.fromkeys(flat))}
    ids = ag.tensor([dictionary[word] for word in flat])
    cut = int(0.9 * len(flat))
    train, test = batchify(ids[:cut], 10), batchify(ids[cut:], 5)
    model_class = {"LSTM": RNNModel, "Transformer": TransformerModel}[kind]
    model: Any = model_class(len(dictionary), 32 if small else 100, 2, 0.2)
    criterion = nn.NLLLoss()
    bptt, rate = 15, 2.0 if kind == "LSTM" else 0.5

    def evaluate() -> float:
        model.eval()
        total, hidden = 0.0, model.init_hidden(5)
        with ag.no_grad():
            for start in range(0, test.size(0) - 1, bptt):
                n = min(bptt, len(test) - 1 - start)
                output, hidden = model(test[start : start + n], hidden)
                total += n * criterion(output, test[start + 1 : start + 1 + n].reshape(-1)).item()
        return math.exp(total / (len(test) - 1))

    before = evaluate()
    for _ in range(6 if small else 8):
        model.train()
        hidden = model.init_hidden(10)
        for start in range(0, train.size(0) - 1, bptt):
            n = min(bptt, len(train) - 1 - start)
            model.zero_grad()
            output, hidden = model(train[start : start + n], detached(hidden))
            loss = criterion(output, train[start + 1 : start + 1 + n].reshape(-1))
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.25)
            with ag.no_grad():
                for p in model.parameters():
                    p.add_(p.grad, alpha=-rate)
    after = evaluate()
    text, hidden = ag.randint(len(dictionary), (1, 1), dtype=ag.long), model.init_hidden(1)
    with ag.no_grad():
        for _ in range(20):
            output, hidden = model(text if kind == "Transformer" else text[-1:], hidden)
            word = ag.multinomial(output[-1].div(1.0).exp(), 1)[0]
            text = ag.cat([text, word.reshape(1, 1)], 0)
    return {"perplexity before": before, "perplexity": after, "different words": float(len(set(text.view(-1).tolist())))}


if __name__ == "__main__":
    for name in ("LSTM", "Transformer"):
        print(name, main("--small" in sys.argv, name))
