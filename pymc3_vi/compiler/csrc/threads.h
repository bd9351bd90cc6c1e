typedef void (*pv_task)(void* data, npy_intp chunk);
#ifdef _WIN32
static void pv_parallel(pv_task task, void* data, npy_intp chunks) {
    for (npy_intp chunk = 0; chunk < chunks; ++chunk) task(data, chunk);
}
#else
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

// Shared by all modules of the process, and never freed: its threads sleep in it until the process ends.
struct pv_pool {
    void (*run)(pv_pool*, pv_task, void*, npy_intp, int);
    pid_t owner;  // threads do not survive a fork
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    int threads, places, working, busy;  // places: how many more threads may join the task
    pv_task task;
    void* data;
    npy_intp chunks, next;
};

static void pv_take_chunks(pv_pool* pool) {
    for (;;) {
        const npy_intp chunk = __atomic_fetch_add(&pool->next, 1, __ATOMIC_RELAXED);
        if (chunk >= pool->chunks) return;
        pool->task(pool->data, chunk);
    }
}

static void* pv_pool_thread(void* argument) {
    pv_pool* pool = (pv_pool*)argument;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->places) pthread_cond_wait(&pool->wake, &pool->lock);
        --pool->places;
        ++pool->working;
        pthread_mutex_unlock(&pool->lock);
        pv_take_chunks(pool);
        pthread_mutex_lock(&pool->lock);
        pool->places = 0;  // no chunk is left
        if (!--pool->working) pthread_cond_signal(&pool->done);
    }
    return NULL;
}

// Signals are for Python's main thread; fewer threads than wanted are no error.
static void pv_add_threads(pv_pool* pool, int wanted) {
    sigset_t all, before;
    pthread_attr_t attributes;
    if (pool->threads >= wanted || pthread_attr_init(&attributes)) return;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 1 << 20);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (pthread_t thread; pool->threads < wanted; ++pool->threads)
        if (pthread_create(&thread, &attributes, pv_pool_thread, pool)) break;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
}

static void pv_pool_run(pv_pool* pool, pv_task task, void* data, npy_intp chunks, int threads) {
    pthread_mutex_lock(&pool->lock);
    if (pool->busy) {  // by another thread of Python
        pthread_mutex_unlock(&pool->lock);
        for (npy_intp chunk = 0; chunk < chunks; ++chunk) task(data, chunk);
        return;
    }
    pv_add_threads(pool, threads - 1);
    pool->busy = 1;
    pool->task = task;
    pool->data = data;
    pool->chunks = chunks;
    pool->next = 0;
    pool->places = threads - 1 < pool->threads ? threads - 1 : pool->threads;
    if (pool->places > chunks - 1) pool->places = (int)chunks - 1;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    pv_take_chunks(pool);
    pthread_mutex_lock(&pool->lock);
    pool->places = 0;
    while (pool->working) pthread_cond_wait(&pool->done, &pool->lock);
    pool->busy = 0;
    pthread_mutex_unlock(&pool->lock);
}

// The pool of this process, or NULL where one thread is wanted or nothing else can be had.
static pv_pool* pv_find_pool(int* threads) {
    static PyObject* module = NULL;
    if (!module) module = PyImport_ImportModule("pymc3_vi.compiler.ops._threads");
    PyObject* number = module ? PyObject_GetAttrString(module, "count") : NULL;
    *threads = number ? (int)PyLong_AsLong(number) : 1;
    Py_XDECREF(number);
    pv_pool* pool = NULL;
    PyObject* capsule = *threads > 1 ? PyObject_GetAttrString(module, "pool") : NULL;
    if (capsule && PyCapsule_CheckExact(capsule)) pool = (pv_pool*)PyCapsule_GetPointer(capsule, "pv_pool");
    Py_XDECREF(capsule);
    if (*threads > 1 && (!pool || pool->owner != getpid()) && (pool = (pv_pool*)calloc(1, sizeof(pv_pool)))) {
        pool->run = pv_pool_run;
        pool->owner = getpid();
        pthread_mutex_init(&pool->lock, NULL);
        pthread_cond_init(&pool->wake, NULL);
        pthread_cond_init(&pool->done, NULL);
        capsule = PyCapsule_New(pool, "pv_pool", NULL);
        if (capsule) PyObject_SetAttrString(module, "pool", capsule);
        Py_XDECREF(capsule);
    }
    PyErr_Clear();
    return pool;
}

// task(data, chunk) for every chunk, on several threads; the task must not use Python
static void pv_parallel(pv_task task, void* data, npy_intp chunks) {
    int threads = 1;
    pv_pool* pool = chunks > 1 ? pv_find_pool(&threads) : NULL;
    if (pool) pool->run(pool, task, data, chunks, threads);
    else for (npy_intp chunk = 0; chunk < chunks; ++chunk) task(data, chunk);
}
#endif

#define PV_MOST_PARTS 64
#define PV_LONG 1e5  // nanoseconds that are worth waking threads

// Number of parts, each of `size` of n lines, for a loop that takes this time altogether.
static npy_intp pv_parts(double nanoseconds, npy_intp n, npy_intp* size) {
    *size = n;
    if (nanoseconds < PV_LONG) return 1;
    npy_intp parts = nanoseconds < PV_MOST_PARTS * 2.5e4 ? (npy_intp)(nanoseconds / 2.5e4) : PV_MOST_PARTS;
    *size = (n + parts - 1) / parts;
    if (*size > 64) *size = (*size + 63) & ~(npy_intp)63;  // no two threads write to one line of the cache
    return (n + *size - 1) / *size;
}
