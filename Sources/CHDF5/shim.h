#pragma once
#include <hdf5.h>

// These constants are macros that call functions, which Swift does not import.
static inline hid_t assay_h5t_f32(void) { return H5T_IEEE_F32LE; }
static inline hid_t assay_h5t_f64(void) { return H5T_IEEE_F64LE; }
static inline hid_t assay_h5t_i64(void) { return H5T_STD_I64LE; }
static inline hid_t assay_h5t_i32(void) { return H5T_STD_I32LE; }
static inline hid_t assay_h5t_u8(void) { return H5T_STD_U8LE; }
static inline hid_t assay_h5t_c_s1(void) { return H5T_C_S1; }
static inline hid_t assay_h5p_file_create(void) { return H5P_FILE_CREATE; }
static inline hid_t assay_h5p_file_access(void) { return H5P_FILE_ACCESS; }
static inline hid_t assay_h5p_dataset_create(void) { return H5P_DATASET_CREATE; }
static inline hid_t assay_h5p_group_create(void) { return H5P_GROUP_CREATE; }
static inline unsigned assay_h5f_acc_rdonly(void) { return H5F_ACC_RDONLY; }
static inline unsigned assay_h5f_acc_excl(void) { return H5F_ACC_EXCL; }
static inline hsize_t assay_h5s_unlimited(void) { return H5S_UNLIMITED; }
static inline unsigned assay_h5f_obj_all(void) { return H5F_OBJ_ALL; }
static inline unsigned assay_h5o_info_basic(void) { return H5O_INFO_BASIC; }
