/* Where things stand in a checkpoint's header; the whole layout is at the top of checkpoint.c. */
#ifndef LAMINA_STORE_CHECKPOINT_BYTES_H
#define LAMINA_STORE_CHECKPOINT_BYTES_H

#define LAM_CHECKPOINT_MAGIC "LAMCKPT\n"

enum {
    LAM_HEAD_FORMAT = 8,
    LAM_HEAD_CRC = 12,
    LAM_HEAD_NUMBER = 16,
    LAM_HEAD_LOG_FROM = 24,
    LAM_HEAD_BODY = 32,
    LAM_HEAD_BODY_CRC = 40
};

#endif
