from typing import Any

KERNELS: dict[str, int]
MOST: int

def value(number: int, size: int, /, *arrays: Any) -> bool: ...
def products(number: int, size: int, /, *arrays: Any) -> bool: ...
