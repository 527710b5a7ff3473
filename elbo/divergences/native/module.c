/* elbo.divergences._native: formulas of the hottest divergences, a vector of elements at a time.

   The formulas are those of the Python modules, which remain what is differentiated twice, traced, batched and run on
   other devices, and what stands in where this file was not compiled or the processor lacks fused multiply-add. */
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "arithmetic.h"
#include "double_double.h"
#include "formulas.h"
#include "widening.h"
#include "log_gamma.h"
#include "tilting.h"
#include "moments.h"
#include "uniform.h"
#include "uniform_shapes.h"
#include "pareto.h"
#include "poisson.h"
#include "to_gumbel.h"
#include "to_gamma.h"
#include "to_normal.h"
#include "nodes.h"
#include "tilted.h"

#define MOST 4    /* inputs of a kernel */
#define TILE 1024 /* elements that a kernel gets at a time, where an input is a single number */

typedef int (*value_of)(const void *const *, void *, long);
typedef int (*products_of)(const void *const *, const void *, void *const *, long);

struct kernel {
    const char *name;
    int inputs;
    value_of value64, value32;
    products_of products64, products32;
};

#define LOOPS_IN "kernels.h"
#include "dispatch.h"

/* One kernel call: inputs (a single number stands for all), perhaps a gradient, then the outputs; NULL for one that is
   not wanted. What was given as buffers has them open. */
struct call {
    const struct kernel *kernel;
    Py_buffer views[2 * MOST + 1];
    int open, count;
    int single; /* float32 */
    Py_ssize_t size;
    char *starts[2 * MOST + 1];
    int moves[2 * MOST + 1]; /* whether there is a number for each element */
};

static void release(struct call *call) {
    while (call->open) PyBuffer_Release(&call->views[--call->open]);
}

/* The kernel whose number is the first of `args`, which also has `other` arguments that are no arrays. */
static int chosen(struct call *call, PyObject *args, int gradients, int other) {
    Py_ssize_t given = PyTuple_Size(args);
    Py_ssize_t index = given ? PyLong_AsSsize_t(PyTuple_GetItem(args, 0)) : -1;
    call->open = 0;
    if (index < 0 || index >= kernels) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "write the number of a kernel, then its arrays");
        return 0;
    }
    call->kernel = &table[index];
    if (gradients && !call->kernel->products64) {
        PyErr_Format(PyExc_ValueError, "%s has no derivatives here", call->kernel->name);
        return 0;
    }
    call->count = call->kernel->inputs + gradients + (gradients ? call->kernel->inputs : 1);
    if (given != 1 + other + call->count) {
        PyErr_Format(PyExc_ValueError, "%s needs %d arrays, got %zd", call->kernel->name, call->count, given - 1 - other);
        return 0;
    }
    return 1;
}

/* From addresses: (number, single, size, which of those to read are a single number as bits, *addresses). */
static int located(struct call *call, PyObject *args, int gradients) {
    if (!chosen(call, args, gradients, 3)) return 0;
    int reads = call->kernel->inputs + gradients;
    call->single = (int)PyLong_AsLong(PyTuple_GetItem(args, 1));
    call->size = PyLong_AsSsize_t(PyTuple_GetItem(args, 2));
    long alone = PyLong_AsLong(PyTuple_GetItem(args, 3));
    for (int i = 0; i < call->count; i++) {
        call->starts[i] = PyLong_AsVoidPtr(PyTuple_GetItem(args, 4 + i));
        call->moves[i] = call->starts[i] && !(i < reads && alone >> i & 1);
    }
    for (int i = 0; i < reads; i++)
        if (!call->starts[i] && !PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "an array to read has no address");
    return !PyErr_Occurred();
}

/* From buffers: the arrays to read, then those to write, None for one not wanted. */
static int opened(struct call *call, PyObject *args, int gradients) {
    if (!chosen(call, args, gradients, 0)) return 0;
    int reads = call->kernel->inputs + gradients;
    call->size = -1;
    for (int i = 0; i < call->count; i++) {
        PyObject *array = PyTuple_GetItem(args, 1 + i);
        Py_buffer *view = &call->views[i];
        if (i >= reads && array == Py_None) {
            memset(view, 0, sizeof *view);
            call->open++;
            continue;
        }
        if (PyObject_GetBuffer(array, view, (i < reads ? 0 : PyBUF_WRITABLE) | PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0) {
            release(call);
            return 0;
        }
        call->open++;
        int single = view->format && !strcmp(view->format, "f");
        if ((!single && !(view->format && !strcmp(view->format, "d"))) || (i && single != call->single)) {
            PyErr_SetString(PyExc_TypeError, "the arrays must all hold float64 or all float32");
            release(call);
            return 0;
        }
        call->single = single;
        if (i >= reads) call->size = view->len / view->itemsize;
    }
    for (int i = 0; i < call->count; i++) {
        Py_ssize_t size = call->views[i].obj ? call->views[i].len / call->views[i].itemsize : call->size;
        if (size != call->size && !(i < reads && size == 1)) {
            PyErr_Format(PyExc_ValueError, "array %d has %zd elements, the result %zd", i, size, call->size);
            release(call);
            return 0;
        }
        call->starts[i] = call->views[i].obj ? call->views[i].buf : NULL;
        call->moves[i] = call->views[i].obj && size == call->size;
    }
    return 1;
}

/* A tile filled with one number. */
static void filled(double *tile, const void *number, int single) {
    if (single)
        for (int j = 0; j < TILE; j++) ((float *)tile)[j] = *(const float *)number;
    else
        for (int j = 0; j < TILE; j++) tile[j] = *(const double *)number;
}

static int computed(struct call *call, int gradients) {
    int inputs = call->kernel->inputs, reads = inputs + gradients, vouched = 1;
    Py_ssize_t itemsize = call->single ? 4 : 8, longest = TILE;
    double tiles[MOST + 1][TILE], scratch[MOST][TILE];
    char *starts[2 * MOST + 1];
    int whole = 1;
    for (int i = 0; i < call->count; i++) {
        starts[i] = call->starts[i];
        if (!call->moves[i]) {
            whole = 0;
            starts[i] = (char *)(i < reads ? tiles[i] : scratch[i - reads]);
            if (i < reads) filled(tiles[i], call->starts[i], call->single);
        }
    }
    if (whole) longest = call->size;
    for (Py_ssize_t first = 0; first < call->size; first += longest) {
        long n = (long)(call->size - first < longest ? call->size - first : longest);
        void *at[2 * MOST + 1];
        for (int i = 0; i < call->count; i++) at[i] = starts[i] + (call->moves[i] ? first * itemsize : 0);
        const void *const *x = (const void *const *)at;
        if (gradients)
            vouched &= (call->single ? call->kernel->products32 : call->kernel->products64)(x, at[inputs], at + reads, n);
        else
            vouched &= (call->single ? call->kernel->value32 : call->kernel->value64)(x, at[reads], n);
    }
    return vouched;
}

static PyObject *run(PyObject *args, int gradients, int addresses) {
    struct call call;
    int vouched;
    if (!(addresses ? located : opened)(&call, args, gradients)) return NULL;
    Py_BEGIN_ALLOW_THREADS
    vouched = computed(&call, gradients);
    Py_END_ALLOW_THREADS
    release(&call);
    return PyBool_FromLong(vouched);
}

static PyObject *value(PyObject *self, PyObject *args) { return run(args, 0, 0); }
static PyObject *products(PyObject *self, PyObject *args) { return run(args, 1, 0); }
static PyObject *value_at(PyObject *self, PyObject *args) { return run(args, 0, 1); }
static PyObject *products_at(PyObject *self, PyObject *args) { return run(args, 1, 1); }

#define STEP 4096 /* numbers between looks at what was found */

/* holds_nan(address, count, single): of the numbers in memory, as a buffer would cost more than looking at a thousand */
static PyObject *holds_nan(PyObject *self, PyObject *args) {
    unsigned long long address;
    Py_ssize_t count;
    int single, whole = 1;
    if (!PyArg_ParseTuple(args, "Knp", &address, &count, &single)) return NULL;
    const struct kernel *numbers = &table[kernels + 1]; /* behind the end */
    value_of all = single ? numbers->value32 : numbers->value64;
    Py_BEGIN_ALLOW_THREADS
    const char *start = (const char *)(uintptr_t)address;
    for (Py_ssize_t first = 0; whole && first < count; first += STEP) {
        const void *at = start + first * (single ? 4 : 8);
        whole = all(&at, NULL, (long)(count - first < STEP ? count - first : STEP));
    }
    Py_END_ALLOW_THREADS
    return PyBool_FromLong(!whole);
}

static PyMethodDef methods[] = {
    {"holds_nan", holds_nan, METH_VARARGS, "holds_nan(address, count, single) -> whether any of the numbers is NaN"},
    {"value", value, METH_VARARGS, "value(number, *inputs, out) -> whether all elements are within range; NaN where not"},
    {"products", products, METH_VARARGS, "products(number, *inputs, gradient, *outs); None for an out not wanted"},
    {"value_at", value_at, METH_VARARGS, "value_at(number, single, size, alone, *addresses), as value"},
    {"products_at", products_at, METH_VARARGS, "products_at(number, single, size, alone, *addresses), as products; 0 for None"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_native", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void) {
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
    if (PyModule_AddObjectRef(module, "KERNELS", names) < 0) return NULL;
    Py_DECREF(names);
    return module;
}
