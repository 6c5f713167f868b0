/* The Vulkan loader is opened at run time; this file is volk's implementation. */
#define VOLK_IMPLEMENTATION
#include <volk.h>
