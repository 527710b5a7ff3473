"""The compiled kernels; everything else about the package is in pyproject.toml."""

from setuptools import Extension, setup

NATIVE = "elbo/divergences/native"
HEADERS = (
    "arithmetic.h",
    "dispatch.h",
    "double_double.h",
    "formulas.h",
    "widening.h",
    "log_gamma.h",
    "tilting.h",
    "moments.h",
    "uniform.h",
    "uniform_shapes.h",
    "pareto.h",
    "poisson.h",
    "to_gumbel.h",
    "to_gamma.h",
    "to_normal.h",
    "nodes.h",
    "tilted.h",
)

# no contraction: the rounding errors that the kernels put back are those of the operations as written
FLAGS = ["-O3", "-g0", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
FLAGS += ["-Werror=implicit-function-declaration"]  # else it would be found out when the module is loaded


def _extension(name: str, source: str, loops: str) -> Extension:
    return Extension(
        f"elbo.divergences.{name}",
        [f"{NATIVE}/{source}"],
        depends=[f"{NATIVE}/{header}" for header in (*HEADERS, loops)],
        extra_compile_args=FLAGS,
        py_limited_api=True,
        optional=True,  # without a C compiler the formulas in Python do the same, more slowly
    )


setup(
    ext_modules=[_extension("_native", "module.c", "kernels.h"), _extension("_native_rows", "rows.c", "rows.h")],
    options={"bdist_wheel": {"py_limited_api": "cp311"}, "build_ext": {"parallel": 2}},
)
