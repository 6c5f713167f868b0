#ifndef GRAPH_STORE_H
#define GRAPH_STORE_H
/* Inside graph/: how a Program finds memory in a Store. */

#include "graph/program.h"

/* The slice behind a view of a tensor, as the plan of its graph and the Store place it.
 * TMB_USAGE when the Store was not created for that graph. */
TMB_MUST_USE tmb_status store_slice(const Store *store, const Plan *plan, const View *view,
                                    GpuSlice *out);

#endif
