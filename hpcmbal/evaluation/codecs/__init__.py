"""Codecs under test: models of this package, Pillow formats, external programs, and their choice by name."""
