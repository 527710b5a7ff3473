/* elbo.divergences._native_rows: categorical and Dirichlet laws, as module.c has the elementwise ones. */
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "arithmetic.h"
#include "formulas.h"
#include "widening.h"

#define LANES 16 /* rows at a time */
#define MOST 256 /* numbers in a row */

struct kernel {
    const char *name;
    int (*value64)(const void *, const void *, void *, long, long);
    int (*value32)(const void *, const void *, void *, long, long);
    int (*products64)(const void *, const void *, const void *, void *, void *, long, long);
    int (*products32)(const void *, const void *, const void *, void *, void *, long, long);
};

#define LOOPS_IN "rows.h"
#include "dispatch.h"

/* value(number, size, a, b, out) and products(number, size, a, b, gradient, by_a, by_b), the last two perhaps None */
static PyObject *run(PyObject *args, int gradients) {
    Py_ssize_t number, size, rows = -1;
    int count = gradients ? 5 : 3, reads = gradients ? 3 : 2, opened = 0, single = 0, vouched = 0;
    PyObject *arrays[5];
    Py_buffer views[5];
    if (!PyArg_ParseTuple(args, gradients ? "nnOOOOO" : "nnOOO", &number, &size, &arrays[0], &arrays[1], &arrays[2],
                          &arrays[3], &arrays[4]))
        return NULL;
    if (number < 0 || number >= kernels || size < 1 || size > MOST) {
        PyErr_Format(PyExc_ValueError, "no kernel %zd for rows of %zd numbers", number, size);
        return NULL;
    }
    for (; opened < count; opened++) {
        Py_buffer *view = &views[opened];
        if (opened >= reads && arrays[opened] == Py_None) {
            memset(view, 0, sizeof *view);
            continue;
        }
        int flags = (opened < reads ? 0 : PyBUF_WRITABLE) | PyBUF_C_CONTIGUOUS | PyBUF_FORMAT;
        if (PyObject_GetBuffer(arrays[opened], view, flags) < 0) goto failed;
        int narrow = view->format && !strcmp(view->format, "f");
        Py_ssize_t length = view->len / view->itemsize;
        if (!opened) {
            single = narrow;
            rows = length / size;
        }
        Py_ssize_t wanted = opened == 2 ? rows : rows * size; /* the value or its gradient is one number a row */
        if ((!narrow && !(view->format && !strcmp(view->format, "d"))) || narrow != single || length != wanted) {
            PyErr_Format(PyExc_ValueError, "array %d does not fit: all float64 or all float32, rows of %zd", opened, size);
            opened++;
            goto failed;
        }
    }
    const struct kernel *kernel = &table[number];
    Py_BEGIN_ALLOW_THREADS
    if (gradients)
        vouched = (single ? kernel->products32 : kernel->products64)(views[0].buf, views[1].buf, views[2].buf,
                                                                     views[3].buf, views[4].buf, (long)rows, (long)size);
    else
        vouched = (single ? kernel->value32 : kernel->value64)(views[0].buf, views[1].buf, views[2].buf, (long)rows,
                                                               (long)size);
    Py_END_ALLOW_THREADS
    while (opened) PyBuffer_Release(&views[--opened]);
    return PyBool_FromLong(vouched);
failed:
    while (opened) PyBuffer_Release(&views[--opened]);
    return NULL;
}

static PyObject *value(PyObject *self, PyObject *args) { return run(args, 0); }
static PyObject *products(PyObject *self, PyObject *args) { return run(args, 1); }

static PyMethodDef methods[] = {
    {"value", value, METH_VARARGS, "value(number, size, a, b, out) -> whether all rows are within range; NaN where not"},
    {"products", products, METH_VARARGS, "products(number, size, a, b, gradient, by_a, by_b); None for one not wanted"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_native_rows", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native_rows(void) {
    table = available();
    if (!table) {
        PyErr_SetString(PyExc_ImportError, "the processor has no fused multiply-add");
        return NULL;
    }
    PyObject *module = PyModule_Create(&definition), *names = PyDict_New();
    if (!module || !names) return NULL;
    for (kernels = 0; table[kernels].name; kernels++) {
        PyObject *number = PyLong_FromSsize_t(kernels);
        if (!number || PyDict_SetItemString(names, table[kernels].name, number) < 0) return NULL;
        Py_DECREF(number);
    }
    if (PyModule_AddObjectRef(module, "KERNELS", names) < 0 || PyModule_AddIntConstant(module, "MOST", MOST) < 0)
        return NULL;
    Py_DECREF(names);
    return module;
}
