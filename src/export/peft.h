#ifndef EXPORT_PEFT_H
#define EXPORT_PEFT_H
/* Hugging Face PEFT's folder: adapter_config.json and adapter_model.safetensors.
 *
 * GGUFs of the Llama architecture hold the rows of each q and k head interleaved (row 2j + p
 * of a head is row p · head_dim/2 + j in Hugging Face's order), so that RoPE turns adjacent
 * pairs. The rows of lora_B of q and k are moved on the way out and in; A is the same. */

#include "train/adapter.h"

/* Writes both files into an existing folder. */
TMB_MUST_USE tmb_status peft_save(const Adapter *adapter, const ModelConfig *config,
                                  const char *base_name, const char *folder);
/* Options of PEFT that we do not compute (DoRA, trained biases, …) are TMB_UNSUPPORTED. */
TMB_MUST_USE tmb_status peft_open(const char *folder, const ModelConfig *config, Adapter **out);

#endif
