"""Pictures from files and back: the one home of decoding and writing. Imports nothing heavy by itself."""
