/*
 * Only in builds with AddressSanitizer: what an MPI library never frees is not ours to report. Open MPI unloads its
 * plugins at the end, and then their leaks have no names that could be suppressed; so nothing is unloaded in such a
 * build.
 */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#endif

#ifdef WITH_ASAN
const char *__lsan_default_suppressions(void);
int dlclose(void *handle);

const char *__lsan_default_suppressions(void)
{
    return "leak:libmpi\nleak:libopen-rte\nleak:libopen-pal\nleak:libpmix\nleak:mca_\nleak:libhwloc\nleak:"
           "libevent\nleak:libucs\nleak:libucp\nleak:libuct\n"
           "leak:__vasprintf_internal\nleak:libfabric\nleak:libpsm\nleak:libpciaccess\nleak:libOpenCL\nleak:libze_"
           "loader\nleak:libxml2\nleak:libdl\n";
}

int dlclose(void *handle)
{
    (void)handle;
    return 0;
}
#endif

extern const int lam_leaks_linked;
const int lam_leaks_linked = 1; /* what the linker is told to look for, so that this file is not left out */
