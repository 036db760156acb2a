/* What stands in a segment's file, asked of HDF5, against what its entry says. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "segment.h"
#include "segment_vfd.h"

struct check {
    const struct lam_segment_entry *entry;
    const struct lam_layout *layout;
    struct lam_segment_vfd vfd;
    hid_t file;
};

static int read_number(struct check *check, const char *name, uint64_t expected, struct lam_error *err)
{
    hid_t attribute = H5Aopen(check->file, name, H5P_DEFAULT);
    uint64_t value = 0;
    herr_t rc = attribute < 0 ? -1 : H5Aread(attribute, H5T_NATIVE_UINT64, &value);

    if (attribute >= 0)
        H5Aclose(attribute);
    if (rc < 0 || value != expected)
        return LAM_FAIL(err, LAM_E_CORRUPT, "segment %s: attribute %s is %" PRIu64 " or missing, expected %" PRIu64, check->entry->path,
                        name, value, expected);
    return 0;
}

static int read_kind(struct check *check, struct lam_error *err)
{
    const char *expected = lam_segment_kind_name(check->entry->kind);
    char value[64] = "";
    hid_t attribute = H5Aopen(check->file, "kind", H5P_DEFAULT), type = attribute < 0 ? -1 : H5Aget_type(attribute);
    herr_t rc = -1;

    if (type >= 0 && H5Tget_class(type) == H5T_STRING && !H5Tis_variable_str(type) && H5Tget_size(type) < sizeof value)
        rc = H5Aread(attribute, type, value);
    if (type >= 0)
        H5Tclose(type);
    if (attribute >= 0)
        H5Aclose(attribute);
    if (rc < 0 || !expected || strcmp(value, expected))
        return LAM_FAIL(err, LAM_E_CORRUPT, "segment %s: attribute kind is '%s', expected '%s'", check->entry->path, value,
                        expected ? expected : "?");
    return 0;
}

static int check_dataset(struct check *check, uint32_t number, struct lam_error *err)
{
    const struct lam_dataset_entry *expected = &check->entry->datasets[number];
    char name[LAM_DATASET_NAME];
    enum lam_dataset_part part;
    hid_t dataset, space = -1, type = -1, list = -1;
    bool contiguous = false;
    uint64_t offset = 0, len = 0;

    lam_layout_column(check->layout, number, &part, name);
    dataset = H5Dopen2(check->file, name, H5P_DEFAULT);
    if (dataset >= 0 && (space = H5Dget_space(dataset)) >= 0 && (type = H5Dget_type(dataset)) >= 0 &&
        (list = H5Dget_create_plist(dataset)) >= 0) {
        contiguous = H5Pget_layout(list) == H5D_CONTIGUOUS && H5Pget_nfilters(list) == 0;
        len = (uint64_t)H5Sget_simple_extent_npoints(space) * H5Tget_size(type);
        offset = len ? H5Dget_offset(dataset) : 0;
    }
    if (list >= 0)
        H5Pclose(list);
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
    if (dataset >= 0)
        H5Dclose(dataset);
    if (!contiguous || len != expected->len || offset != expected->offset)
        return LAM_FAIL(err, LAM_E_CORRUPT,
                        "segment %s: dataset %s is missing, not contiguous, or not where the log says: %" PRIu64 " bytes at byte %" PRIu64
                        ", expected %" PRIu64 " at %" PRIu64,
                        check->entry->path, name, len, offset, expected->len, expected->offset);
    return 0;
}

static int check_file(struct check *check, struct lam_error *err)
{
    hid_t fapl;
    int rc;

    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    fapl = H5Pcreate(H5P_FILE_ACCESS);
    if (fapl >= 0 && lam_segment_vfd_set(fapl, &check->vfd) >= 0 && H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG) >= 0)
        check->file = H5Fopen(check->entry->path, H5F_ACC_RDONLY, fapl);
    if (fapl >= 0)
        H5Pclose(fapl);
    if (check->vfd.rc)
        return LAM_FAIL(err, check->vfd.rc, "segment %s: %s", check->entry->path, check->vfd.err.text);
    if (check->file < 0)
        return LAM_FAIL(err, LAM_E_CORRUPT, "segment %s: HDF5 cannot open it", check->entry->path);
    if ((rc = read_number(check, "format", LAM_SEGMENT_FORMAT, err)) || (rc = read_number(check, "layout", check->entry->layout, err)) ||
        (rc = read_number(check, "rows", check->entry->rows, err)) || (rc = read_kind(check, err)))
        return rc;
    for (uint32_t i = 0; !rc && i < check->layout->dataset_count; i++)
        rc = check_dataset(check, i, err);
    return rc;
}

int lam_segment_check(const struct lam_fs *fs, const char *root, const struct lam_segment_entry *entry, struct lam_error *err)
{
    struct check check = {.entry = entry, .layout = lam_layout(entry->layout), .file = -1};
    char path[LAM_PATH_MAX];
    struct stat st;
    int rc, fd;

    if (!check.layout || entry->dataset_count != check.layout->dataset_count)
        return LAM_FAIL(err, LAM_E_INVALID, "segment %s has layout %u with %u datasets, which this program does not know", entry->path,
                        entry->layout,
                        entry->dataset_count);
    if ((rc = lam_path_join(path, root, entry->path, err)))
        return rc;
    if ((rc = fs->ops->stat(fs->arg, path, &st)))
        return LAM_FAIL(err, rc == -ENOENT ? LAM_E_NOT_FOUND : LAM_E_IO, "stat segment %s: %s", path, strerror(-rc));
    if ((uint64_t)st.st_size != entry->bytes)
        return LAM_FAIL(err, LAM_E_CORRUPT, "segment %s has %lld bytes, its entry says %" PRIu64, path, (long long)st.st_size,
                        entry->bytes);
    if ((fd = fs->ops->open(fs->arg, path, O_RDONLY, 0)) < 0)
        return LAM_FAIL(err, LAM_E_IO, "open segment %s: %s", path, strerror(-fd));
    check.vfd = (struct lam_segment_vfd){.fs = fs, .fd = fd, .size = entry->bytes};
    lam_segment_hdf5_enter();
    rc = check_file(&check, err);
    if (check.file >= 0)
        H5Fclose(check.file);
    lam_segment_hdf5_leave();
    fs->ops->close(fs->arg, fd);
    return rc;
}
