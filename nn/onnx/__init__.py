"""Export to ONNX: `recording` records a model, `operators` translates each operation, `export` writes the file."""
