/*
 * A virtual file driver: lets HDF5 read and write one open file through a struct lam_fs.
 *
 * The descriptor is the caller's, before and after: HDF5 neither opens nor closes it, so that it can be synced once HDF5 is done with it.
 *
 * When a call fails while writing, the driver keeps the error, and from then on does nothing and says that all is well: a library that closes a
 * file after a failed flush leaks it, and tries again at exit with what is long gone. The caller looks at `rc` after H5Fclose. Failures of
 * reading are told to HDF5 as they are. Included by segment_declare.c and segment_check.c alone.
 *
 * Debian's HDF5 is not thread-safe: every call of it is made between lam_segment_hdf5_enter and _leave. Neither waits for anything but another
 * segment's metadata: no bytes of columns pass through HDF5.
 */
#ifndef LAMINA_STORE_SEGMENT_VFD_H
#define LAMINA_STORE_SEGMENT_VFD_H

#include <hdf5.h>
#include <lamina/error.h>

#include "base/fs.h"

struct lam_segment_vfd {
    const struct lam_fs *fs;
    int fd;
    uint64_t size;        /* of the file when it is opened */
    int rc;               /* of the first call that failed; 0: none */
    struct lam_error err; /* its text */
};

void lam_segment_hdf5_enter(void);
void lam_segment_hdf5_leave(void);

/* Makes a file access property list use the driver for this file. vfd stays where it is until the file is closed. Negative: HDF5 refused. */
herr_t lam_segment_vfd_set(hid_t fapl, struct lam_segment_vfd *vfd);

#endif
