// Inputs read four values at a time, as vec4 number i of the binding: from storage buffers, or
// with TEXEL defined from texel buffers, which lavapipe reads several times faster. A binding of
// texels holds whole fours, even where the count of this run ends inside one.
#ifndef LIB_VECTORS_GLSL
#define LIB_VECTORS_GLSL

#ifdef TEXEL
#define VECTORS(slot, name) \
    layout(set = 0, binding = slot, rgba32ui) readonly uniform uimageBuffer name##_vectors
#define VECTOR_AT(name, i) uintBitsToFloat(imageLoad(name##_vectors, int(i)))
#define VALUE_AT(name, e) VECTOR_AT(name, (e) / 4)[(e) % 4]
#else
#define VECTORS(slot, name) \
    layout(set = 0, binding = slot) readonly buffer name##Vectors { vec4 name##_vectors[]; }
#define VECTOR_AT(name, i) name##_vectors[i]
#define VALUE_AT(name, e) name[e]
#endif

#endif
