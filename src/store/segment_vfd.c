#include "segment_vfd.h"

#include <H5FDpublic.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* What HDF5 holds for the open file. Its first member has to be HDF5's own part. */
struct file {
    H5FD_t pub;
    struct lam_segment_vfd *vfd;
    haddr_t eoa, eof; /* end of what is allocated; of what is written */
};

/* What travels in a property list. */
struct info {
    struct lam_segment_vfd *vfd;
};

static pthread_mutex_t hdf5 = PTHREAD_MUTEX_INITIALIZER; /* guards the library, and driver */
static hid_t driver = H5I_INVALID_HID;

void lam_segment_hdf5_enter(void) { pthread_mutex_lock(&hdf5); }
void lam_segment_hdf5_leave(void) { pthread_mutex_unlock(&hdf5); }

static herr_t forget(void)
{
    driver = H5I_INVALID_HID; /* the library was closed, and numbers begin anew */
    return 0;
}

static H5FD_t *open_file(const char *name, unsigned flags, hid_t fapl, haddr_t maxaddr)
{
    const struct info *info = H5Pget_driver_info(fapl);
    struct file *file = info ? calloc(1, sizeof *file) : NULL;

    (void)name, (void)flags, (void)maxaddr;
    if (info && !file)
        info->vfd->rc = LAM_FAIL(&info->vfd->err, LAM_E_MEMORY, "no memory to open it");
    if (!file)
        return NULL;
    file->vfd = info->vfd;
    file->eof = info->vfd->size;
    return &file->pub;
}

static herr_t close_file(H5FD_t *pub)
{
    free(pub);
    return 0;
}

static herr_t query(const H5FD_t *pub, unsigned long *flags)
{
    (void)pub;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA;
    return 0;
}

static haddr_t get_eoa(const H5FD_t *pub, H5FD_mem_t type)
{
    (void)type;
    return ((const struct file *)pub)->eoa;
}

static herr_t set_eoa(H5FD_t *pub, H5FD_mem_t type, haddr_t addr)
{
    (void)type;
    ((struct file *)pub)->eoa = addr;
    return 0;
}

static haddr_t get_eof(const H5FD_t *pub, H5FD_mem_t type)
{
    (void)type;
    return ((const struct file *)pub)->eof;
}

static herr_t read_file(H5FD_t *pub, H5FD_mem_t type, hid_t dxpl, haddr_t addr, size_t size, void *bytes)
{
    struct lam_segment_vfd *vfd = ((struct file *)pub)->vfd;
    char *p = bytes;

    (void)type, (void)dxpl;
    while (size > 0 && !vfd->rc) {
        ssize_t n = vfd->fs->ops->pread(vfd->fs->arg, vfd->fd, p, size, (off_t)addr);

        if (n < 0) {
            vfd->rc = LAM_FAIL(&vfd->err, LAM_E_IO, "read %zu bytes at %llu: %s", size, (unsigned long long)addr, strerror((int)-n));
            break;
        }
        if (n == 0)
            break;
        p += n;
        size -= (size_t)n;
        addr += (haddr_t)n;
    }
    memset(p, 0, size); /* behind the end of the file there are zeros, as with every driver */
    return vfd->rc ? -1 : 0;
}

static herr_t write_file(H5FD_t *pub, H5FD_mem_t type, hid_t dxpl, haddr_t addr, size_t size, const void *bytes)
{
    struct file *file = (struct file *)pub;
    struct lam_segment_vfd *vfd = file->vfd;

    (void)type, (void)dxpl;
    if (!vfd->rc)
        vfd->rc = lam_fs_write_at(vfd->fs, vfd->fd, bytes, size, (off_t)addr, &vfd->err);
    if (addr + size > file->eof)
        file->eof = addr + size;
    return 0;
}

static herr_t truncate_file(H5FD_t *pub, hid_t dxpl, hbool_t closing)
{
    struct file *file = (struct file *)pub;
    struct lam_segment_vfd *vfd = file->vfd;

    (void)dxpl, (void)closing;
    if (file->eoa == file->eof)
        return 0;
    if (!vfd->rc) {
        int rc = vfd->fs->ops->truncate(vfd->fs->arg, vfd->fd, (off_t)file->eoa);

        if (rc)
            vfd->rc = LAM_FAIL(&vfd->err, LAM_E_IO, "truncate to %llu bytes: %s", (unsigned long long)file->eoa, strerror(-rc));
    }
    file->eof = file->eoa;
    return 0;
}

static const H5FD_class_t driver_class = {
#ifdef H5FD_CLASS_VERSION /* from HDF5 1.14 on */
    .version = H5FD_CLASS_VERSION,
    .value = 513, /* of those for drivers that are not registered with The HDF Group */
#endif
    .name = "lamina",
    .maxaddr = INT64_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .terminate = forget,
    .fapl_size = sizeof(struct info),
    .open = open_file,
    .close = close_file,
    .query = query,
    .get_eoa = get_eoa,
    .set_eoa = set_eoa,
    .get_eof = get_eof,
    .read = read_file,
    .write = write_file,
    .truncate = truncate_file,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

herr_t lam_segment_vfd_set(hid_t fapl, struct lam_segment_vfd *vfd)
{
    struct info info = {vfd};

    if (driver < 0 && (driver = H5FDregister(&driver_class)) < 0)
        return -1;
    return H5Pset_driver(fapl, driver, &info);
}
