// The room of a block stands before it (`src/heap.rs`). QuickJS asks for it at each allocation and
// each release, so that a call for it would be felt.
#include <malloc.h>
#define malloc_usable_size(block) (((const unsigned *)(block))[-1] & ~3u)
