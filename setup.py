"""The compiled kernels; everything else about the package is in pyproject.toml."""

from setuptools import Extension, setup

NATIVE = "elbo/divergences/native"

setup(
    ext_modules=[
        Extension(
            "elbo.divergences._native",
            [f"{NATIVE}/module.c"],
            depends=[f"{NATIVE}/arithmetic.h", f"{NATIVE}/kernels.h"],
            # no contraction: the rounding errors that the kernels put back are those of the operations as written
            extra_compile_args=["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"],
            py_limited_api=True,
            optional=True,  # without a C compiler the formulas in Python do the same, more slowly
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
