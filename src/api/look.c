/* tmb_data_…: looking at examples the way training will see them. */
#include "api/api.h"
#include "data/dataset.h"
#include "train/settings.h"

tmb_status tmb_data_check(tmb_model *model, const char *path, uint32_t row_tokens,
                          tmb_data_report *out)
{
    const ChatTemplate *chat;
    Dataset dataset = {0};
    DataReport report;
    TRY(api_chat(model, &chat));
    tmb_status status = dataset_read(&dataset, &path, 1);
    if (status == TMB_OK)
        status = dataset_check(&dataset, model->tokenizer, chat,
                               settings_row_tokens(model->model, row_tokens), &report);
    if (status == TMB_OK)
        *out = (tmb_data_report){
            .examples = report.examples,
            .tokens = report.tokens,
            .supervised = report.supervised,
            .longest = report.longest,
            .truncated = report.truncated,
            .empty_replies = report.empty_replies,
            .duplicates = report.duplicates,
        };
    dataset_finish(&dataset);
    return status;
}

static tmb_status show(tmb_model *model, const char *path, size_t limit, DataStyle style, char **text)
{
    const ChatTemplate *chat;
    Dataset dataset = {0};
    Text out = {0};
    *text = NULL;
    TRY(api_chat(model, &chat));
    tmb_status status = dataset_read(&dataset, &path, 1);
    if (status == TMB_OK)
        status = dataset_show(&dataset, model->tokenizer, chat, limit, style, &out);
    dataset_finish(&dataset);
    if (status == TMB_OK) {
        text_append(&out, "", 0);
        *text = out.data;
    } else {
        text_finish(&out);
    }
    return status;
}

tmb_status tmb_data_show(tmb_model *model, const char *path, size_t limit, int colour, char **text)
{
    return show(model, path, limit, colour ? DATA_COLOURED : DATA_BRACKETED, text);
}

tmb_status tmb_data_show_json(tmb_model *model, const char *path, size_t limit, char **text)
{
    return show(model, path, limit, DATA_JSON, text);
}
