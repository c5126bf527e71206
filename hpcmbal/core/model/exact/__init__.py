"""The entropy path in fixed point: the same integers from `z` to the coder's tables on every machine."""

from hpcmbal.core.model.exact.network import ExactNetwork

__all__ = ["ExactNetwork"]
