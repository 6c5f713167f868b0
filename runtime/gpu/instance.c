/* The Vulkan instance, its debug messages and the names of results. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gpu/internal.h"

static const char VALIDATION_LAYER[] = "VK_LAYER_KHRONOS_validation";

static const char *result_name(VkResult result)
{
    static const struct { VkResult result; const char *name; } names[] = {
        {VK_NOT_READY, "not ready"},
        {VK_TIMEOUT, "timeout"},
        {VK_ERROR_OUT_OF_HOST_MEMORY, "out of host memory"},
        {VK_ERROR_OUT_OF_DEVICE_MEMORY, "out of device memory"},
        {VK_ERROR_INITIALIZATION_FAILED, "initialization failed"},
        {VK_ERROR_DEVICE_LOST, "device lost"},
        {VK_ERROR_MEMORY_MAP_FAILED, "mapping memory failed"},
        {VK_ERROR_LAYER_NOT_PRESENT, "layer not present"},
        {VK_ERROR_EXTENSION_NOT_PRESENT, "extension not present"},
        {VK_ERROR_FEATURE_NOT_PRESENT, "feature not present"},
        {VK_ERROR_INCOMPATIBLE_DRIVER, "no driver, or an incompatible one"},
        {VK_ERROR_TOO_MANY_OBJECTS, "too many objects"},
        {VK_ERROR_FRAGMENTED_POOL, "fragmented pool"},
        {VK_ERROR_OUT_OF_POOL_MEMORY, "out of pool memory"},
    };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (names[i].result == result)
            return names[i].name;
    return "unknown error";
}

tmb_status vk_check(VkResult result, const char *what)
{
    if (result == VK_SUCCESS)
        return TMB_OK;
    if (result == VK_ERROR_DEVICE_LOST)
        return fail(TMB_DEVICE_LOST,
                    "the driver reset the device (%s); a device kept too busy, too hot or out "
                    "of memory does that", what);
    tmb_status status = result == VK_ERROR_OUT_OF_DEVICE_MEMORY ? TMB_OUT_OF_DEVICE
                        : result == VK_ERROR_OUT_OF_HOST_MEMORY ? TMB_OUT_OF_HOST : TMB_FAILED;
    return fail(status, "%s: the driver answered \"%s\" (VkResult %d)%s", what,
                result_name(result), (int)result,
                status == TMB_FAILED ? "" : "; close other programs that use the device");
}

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(
    VkDebugUtilsMessageSeverityFlagBitsEXT severity, VkDebugUtilsMessageTypeFlagsEXT types,
    const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
    (void)severity;
    (void)types;
    Validation *validation = user;
    if (validation->errors++ == 0)
        snprintf(validation->first, sizeof validation->first, "%s", data->pMessage);
    return VK_FALSE;
}

static bool has_layer(const char *name)
{
    uint32_t count = 0;
    vkEnumerateInstanceLayerProperties(&count, NULL);
    VkLayerProperties *layers = MEM_NEW_ARRAY(VkLayerProperties, count);
    vkEnumerateInstanceLayerProperties(&count, layers);
    bool found = false;
    for (uint32_t i = 0; i < count; i++)
        found |= !strcmp(layers[i].layerName, name);
    free(layers);
    return found;
}

static tmb_status create_handle(bool validate, Instance *instance)
{
    static const VkValidationFeatureEnableEXT enabled[] = {
        VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT};
    const char *extensions[] = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME,
                                VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME};
    const char *layers[] = {VALIDATION_LAYER};
    VkDebugUtilsMessengerCreateInfoEXT messenger = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = instance->validation,
    };
    const VkValidationFeaturesEXT features = {
        .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
        .pNext = &messenger,
        .enabledValidationFeatureCount = COUNT_OF(enabled),
        .pEnabledValidationFeatures = enabled,
    };
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "timbre",
        .pEngineName = "timbre",
        .apiVersion = VK_API_VERSION_1_2,
    };
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pNext = validate ? &features : NULL,
        .pApplicationInfo = &application,
        .enabledLayerCount = validate ? 1 : 0,
        .ppEnabledLayerNames = layers,
        .enabledExtensionCount = validate ? COUNT_OF(extensions) : 0,
        .ppEnabledExtensionNames = extensions,
    };
    VkResult result = vkCreateInstance(&info, NULL, &instance->handle);
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
        return fail(TMB_NO_DEVICE, "no Vulkan driver is installed; install your graphics card's "
                                   "driver, or mesa-vulkan-drivers for a CPU driver");
    if (result != VK_SUCCESS) {
        TRY(vk_check(result, "creating a Vulkan instance"));
    }
    volkLoadInstanceOnly(instance->handle);
    if (validate)
        TRY(vk_check(vkCreateDebugUtilsMessengerEXT(instance->handle, &messenger, NULL,
                                                    &instance->messenger),
                     "listening to the validation layers"));
    return TMB_OK;
}

tmb_status instance_create(bool validate, Instance *out)
{
    Instance instance = {0};
    tmb_status status = TMB_OK;
    if (volkInitialize() != VK_SUCCESS)
        return fail(TMB_NO_DEVICE, "no Vulkan loader is installed; install your graphics card's "
                                   "driver (on Debian: libvulkan1 and mesa-vulkan-drivers)");
    if (validate && !has_layer(VALIDATION_LAYER))
        return fail(TMB_UNSUPPORTED, "the validation layers are not installed (on Debian: "
                                     "vulkan-validationlayers)");
    if (validate)
        instance.validation = MEM_NEW(Validation);
    TRY_OR(done, status, create_handle(validate, &instance));
    VkResult result = vkEnumeratePhysicalDevices(instance.handle, &instance.device_count, NULL);
    if (result == VK_SUCCESS && instance.device_count) {
        instance.devices = MEM_NEW_ARRAY(VkPhysicalDevice, instance.device_count);
        result = vkEnumeratePhysicalDevices(instance.handle, &instance.device_count,
                                            instance.devices);
    }
    if (result != VK_SUCCESS && result != VK_INCOMPLETE)
        status = fail(TMB_NO_DEVICE, "asking for Vulkan devices failed: %s", result_name(result));
    else if (!instance.device_count)
        status = fail(TMB_NO_DEVICE, "Vulkan is installed, but no driver offers a device; install "
                                     "your graphics card's driver, or mesa-vulkan-drivers");
done:
    if (status != TMB_OK)
        instance_destroy(&instance);
    else
        *out = instance;
    return status;
}

void instance_destroy(Instance *instance)
{
    if (instance->messenger)
        vkDestroyDebugUtilsMessengerEXT(instance->handle, instance->messenger, NULL);
    if (instance->handle)
        vkDestroyInstance(instance->handle, NULL);
    free(instance->devices);
    free(instance->validation);
    *instance = (Instance){0};
}
