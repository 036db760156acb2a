#include "segment_declare.h"

#include "segment_vfd.h"

#define ALIGNMENT 64 /* what mapped readers rely on; HDF5 alone puts datasets on odd addresses */

/* A file being declared. */
struct frame {
    const struct lam_segment_spec *spec;
    const struct lam_layout *layout;
    const char *name;
    struct lam_segment_vfd vfd;
    hid_t file, list; /* list: how datasets are made */
};

static herr_t first_error(unsigned depth, const H5E_error2_t *error, void *arg)
{
    const char **desc = arg;

    if (depth == 0)
        *desc = error->desc;
    return 0;
}

/* A call of HDF5 failed: because our driver did, or by itself. */
static int failed(const struct frame *frame, const char *call, struct lam_error *err)
{
    const char *desc = "no reason given";

    if (frame->vfd.rc)
        return LAM_FAIL(err, frame->vfd.rc, "%s: %s", frame->name, frame->vfd.err.text);
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first_error, (void *)&desc);
    return LAM_FAIL(err, LAM_E_IO, "%s: %s: %s", frame->name, call, desc);
}

static hid_t file_type(enum lam_column_type type, enum lam_dataset_part part)
{
    if (part == LAM_PART_OFFSETS)
        return H5T_STD_U64LE;
    if (part == LAM_PART_BYTES)
        return H5T_STD_U8LE;
    switch (type) {
    case LAM_COL_U32:
        return H5T_STD_U32LE;
    case LAM_COL_U64:
        return H5T_STD_U64LE;
    case LAM_COL_I64:
        return H5T_STD_I64LE;
    case LAM_COL_F32:
    case LAM_COL_VECTOR:
        return H5T_IEEE_F32LE;
    default:
        return H5T_STD_U8LE;
    }
}

/* Shape of a dataset: its rank, and its dimensions in values of its type. */
static int shape(const struct lam_segment_spec *spec, uint32_t column, enum lam_column_type type, enum lam_dataset_part part,
                 hsize_t dims[2])
{
    dims[0] = spec->rows;
    dims[1] = 1;
    if (part == LAM_PART_OFFSETS)
        dims[0] = spec->rows + 1;
    else if (part == LAM_PART_BYTES || type == LAM_COL_BLOB)
        dims[0] = spec->bytes[column];
    else if (type == LAM_COL_BYTES16)
        dims[1] = 16;
    else if (type == LAM_COL_VECTOR)
        dims[1] = spec->dim;
    return part == LAM_PART_ONLY && (type == LAM_COL_BYTES16 || type == LAM_COL_VECTOR) ? 2 : 1;
}

static hid_t access_list(struct lam_segment_vfd *vfd)
{
    hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);

    if (fapl < 0)
        return fapl;
    if (lam_segment_vfd_set(fapl, vfd) < 0 || H5Pset_alignment(fapl, 1, ALIGNMENT) < 0 ||
        H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG) < 0) {
        H5Pclose(fapl);
        return -1;
    }
    return fapl;
}

static hid_t creation_list(void)
{
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);

    if (list < 0)
        return list;
    if (H5Pset_layout(list, H5D_CONTIGUOUS) < 0 || H5Pset_fill_time(list, H5D_FILL_TIME_NEVER) < 0 ||
        H5Pset_alloc_time(list, H5D_ALLOC_TIME_EARLY) < 0 ||
        H5Pset_obj_track_times(list, 0) < 0) {
        H5Pclose(list);
        return -1;
    }
    return list;
}

static herr_t add_number(hid_t file, const char *name, hid_t type, uint64_t value)
{
    hid_t space = H5Screate(H5S_SCALAR), attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    herr_t rc = attribute < 0 ? -1 : H5Awrite(attribute, H5T_NATIVE_UINT64, &value);

    if (attribute >= 0)
        H5Aclose(attribute);
    H5Sclose(space);
    return rc;
}

static herr_t add_text(hid_t file, const char *name, const char *text)
{
    hid_t space = H5Screate(H5S_SCALAR), type = H5Tcopy(H5T_C_S1), attribute = -1;
    herr_t rc = H5Tset_size(type, strlen(text) + 1);

    if (rc >= 0 && (attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT)) >= 0)
        rc = H5Awrite(attribute, type, text);
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Tclose(type);
    H5Sclose(space);
    return attribute < 0 ? -1 : rc;
}

static int declare_dataset(struct frame *frame, uint32_t number, struct lam_segment_place *place, struct lam_error *err)
{
    char name[LAM_DATASET_NAME];
    enum lam_dataset_part part;
    uint32_t column = lam_layout_column(frame->layout, number, &part, name);
    enum lam_column_type type = frame->layout->columns[column].type;
    hsize_t dims[2];
    hid_t space = H5Screate_simple(shape(frame->spec, column, type, part, dims), dims, NULL), dataset = -1;
    haddr_t offset;

    if (space >= 0)
        dataset = H5Dcreate2(frame->file, name, file_type(type, part), space, H5P_DEFAULT, frame->list, H5P_DEFAULT);
    H5Sclose(space);
    if (dataset < 0)
        return failed(frame, "H5Dcreate", err);
    *place = (struct lam_segment_place){.len = dims[0] * dims[1] * H5Tget_size(file_type(type, part))};
    offset = place->len ? H5Dget_offset(dataset) : 0; /* for what is empty nothing is allocated */
    H5Dclose(dataset);
    if (offset == HADDR_UNDEF)
        return failed(frame, "H5Dget_offset", err);
    place->offset = offset;
    return 0;
}

static int declare_all(struct frame *frame, struct lam_segment_place *places, struct lam_error *err)
{
    const struct lam_segment_spec *spec = frame->spec;
    int rc = 0;

    if (add_number(frame->file, "format", H5T_STD_U32LE, LAM_SEGMENT_FORMAT) < 0 ||
        add_number(frame->file, "layout", H5T_STD_U32LE, spec->layout) < 0 ||
        add_text(frame->file, "kind", lam_segment_kind_name(spec->kind)) < 0 ||
        add_number(frame->file, "rows", H5T_STD_U64LE, spec->rows) < 0)
        return failed(frame, "H5Awrite", err);
    for (uint32_t i = 0; !rc && i < frame->layout->dataset_count; i++)
        rc = declare_dataset(frame, i, &places[i], err);
    if (!rc && H5Fflush(frame->file, H5F_SCOPE_GLOBAL) < 0)
        rc = failed(frame, "H5Fflush", err);
    return rc;
}

static int write_frame(struct frame *frame, struct lam_segment_place *places, struct lam_error *err)
{
    hid_t fapl, fcpl;
    int rc = 0;

    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* what fails is in err, not on standard error */
    fapl = access_list(&frame->vfd);
    fcpl = H5Pcreate(H5P_FILE_CREATE);
    frame->list = creation_list();
    if (fapl < 0 || frame->list < 0 || fcpl < 0 || H5Pset_obj_track_times(fcpl, 0) < 0)
        rc = failed(frame, "H5Pcreate", err);
    else if ((frame->file = H5Fcreate(frame->name, H5F_ACC_TRUNC, fcpl, fapl)) < 0)
        rc = failed(frame, "H5Fcreate", err);
    else
        rc = declare_all(frame, places, err);
    if (rc && !frame->vfd.rc)
        frame->vfd.rc = rc; /* what HDF5 would still write is of no use */
    if (frame->file >= 0 && H5Fclose(frame->file) < 0 && !rc)
        rc = failed(frame, "H5Fclose", err);
    if (!rc && frame->vfd.rc)
        rc = failed(frame, "H5Fclose", err);
    H5Pclose(frame->list);
    H5Pclose(fcpl);
    H5Pclose(fapl);
    return rc;
}

int lam_segment_declare(const struct lam_fs *fs, int fd, const char *name, const struct lam_segment_spec *spec,
                        struct lam_segment_place places[LAM_LAYOUT_MAX_DATASETS], struct lam_error *err)
{
    struct frame frame = {.spec = spec, .layout = lam_layout(spec->layout), .name = name, .vfd = {.fs = fs, .fd = fd}, .file = -1, .list = -1};
    int rc;

    lam_segment_hdf5_enter();
    rc = write_frame(&frame, places, err);
    lam_segment_hdf5_leave();
    return rc;
}
