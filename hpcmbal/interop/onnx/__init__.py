"""Models as ONNX files, for other runtimes."""
