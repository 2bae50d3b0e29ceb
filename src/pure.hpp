// pure: the layering rule, kept by the compiler. Included last by every pure file: pure code
// may throw and may own destructors, and therefore must never see a function that longjmps.
#ifdef POSTGRES_H
static_assert(false, "a pure file must not include postgres.h");
#endif
