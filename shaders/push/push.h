// Push-constant structs are written once, in files read by GLSL and by C:
//
//     #include "push.h"
//     PUSH_BEGIN(AddPush) {
//         push_uint count;
//         float scale;
//     } PUSH_END(AddPush)
//
// In GLSL the members are push.count, push.scale; in C it is a typedef struct.
// Only 4-byte members (push_uint, float), so both languages lay them out alike.
#ifndef PUSH_PUSH_H
#define PUSH_PUSH_H
#ifdef VULKAN
#define push_uint uint
#define PUSH_BEGIN(name) layout(push_constant) uniform name
#define PUSH_END(name) push;
#else
#include <stdint.h>
typedef uint32_t push_uint;
#define PUSH_BEGIN(name) typedef struct name
#define PUSH_END(name) name;
#endif
#endif
