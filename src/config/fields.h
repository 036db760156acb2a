/* The words in which the tables of fields are written: inside of src/config/fields*.c only. */
#ifndef LAMINA_CONFIG_FIELDS_H
#define LAMINA_CONFIG_FIELDS_H

#include "shape.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define AT(type, member) .offset = offsetof(struct type, member), .width = sizeof(((struct type *)0)->member)
#define NO_SLOT .offset = LAM_NO_SLOT
#define REST .part = LAM_PART_REST
#define IDENTITY .part = LAM_PART_IDENTITY
#define ANALYSIS .part = LAM_PART_ANALYSIS
#define MAPPED_IDENTITY .part = LAM_PART_MAPPED_IDENTITY
#define MAPPED_ANALYSIS .part = LAM_PART_MAPPED_ANALYSIS

#define MEBI 1048576.0
#define GIBI 1073741824.0
#define YEAR 31536000.0

#define ENV_PATTERN "^[A-Za-z_][A-Za-z0-9_]*$"

#endif
