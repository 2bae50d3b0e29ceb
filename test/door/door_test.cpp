// pg: raises at each door between C++ and Postgres, for sql/door.sql, and shows parts to SQL. No
// part of the extension.
#include "jsonb_of.hpp"

#include "id_set.hpp"
#include "pg.hpp"

#include <cstdio>
#include <ctime>
#include <stdexcept>

SUPAGLUE_MODULE() {}

namespace supaglue {

namespace {

int living = 0;  // Held objects

struct Held {
  Held() { ++living; }
  ~Held() { --living; }
  Held(const Held &) = delete;
  Held &operator=(const Held &) = delete;
  std::string text = std::string(1000, 'x');
};

struct Refusing {
  Refusing() { throw Error(ErrorClass::kQuota, "a constructor throws"); }
  Held held;
};

void raise_in_postgres() {
  ereport(ERROR, (errcode(ERRCODE_DIVISION_BY_ZERO), errmsg("postgres raises"),
                  errdetail("Its detail."), errhint("Its hint.")));
}

using Raise = void (*)();
struct Way {
  const char *name;
  Raise raise;
};

const Way kWays[] = {
    {"error",
     [] {
       guard([] {
         Held held;
         throw Error(ErrorClass::kQuota, "an Error", "Its detail.", "Its hint.");
       });
     }},
    {"standard exception",
     [] {
       guard([] {
         Held held;
         throw std::runtime_error("a standard exception");
       });
     }},
    {"out of memory", [] { guard([] { throw std::bad_alloc(); }); }},
    {"a number", [] { guard([] { throw 1; }); }},
    {"a long text",
     [] {
       guard([] {
         std::string text;
         for (int i = 0; i < 3000; ++i) text += "\xe2\x82\xac";  // a euro sign
         throw Error(ErrorClass::kProvider, text, text, text);
       });
     }},
    {"postgres in C++",
     [] {
       guard([] {
         Held held;
         pg_call([] { raise_in_postgres(); });
       });
     }},
    {"postgres with a result",
     [] {
       guard([] {
         Held held;
         return pg_call([] { return DirectFunctionCall1(int4in, CStringGetDatum("x")); });
       });
     }},
    {"guard in guard",
     [] {
       guard([] {
         Held held;
         pg_call([] { guard([] { throw Error(ErrorClass::kData, "from the inner guard"); }); });
       });
     }},
    {"entry", [] { throw Error(ErrorClass::kTransient, "past every inner guard"); }},
    {"constructor", [] { make_in<Refusing>(CurrentMemoryContext); }},
    {"after make_in",
     [] {
       make_in<Held>(CurrentMemoryContext);
       raise_in_postgres();
     }},
};

}  // namespace

}  // namespace supaglue

using namespace supaglue;

SUPAGLUE_FUNCTION(supaglue_door_raise) {
  const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
  for (const Way &way : kWays)
    if (strcmp(way.name, name) == 0) way.raise();
  ereport(ERROR, (errmsg("there is no way \"%s\", or it raised nothing", name)));
}

SUPAGLUE_FUNCTION(supaglue_door_ways) {
  Datum names[lengthof(kWays)];
  for (size_t i = 0; i < lengthof(kWays); ++i) names[i] = CStringGetTextDatum(kWays[i].name);
  PG_RETURN_ARRAYTYPE_P(construct_array(names, lengthof(kWays), TEXTOID, -1, false, TYPALIGN_INT));
}

SUPAGLUE_FUNCTION(supaglue_door_living) { PG_RETURN_INT32(living); }

/// Whether our bytes of a JSON text are those of jsonb_in().
SUPAGLUE_FUNCTION(supaglue_door_same_jsonb) {
  const char *json = text_to_cstring(PG_GETARG_TEXT_PP(0));
  auto *ours = make_in<std::string>(CurrentMemoryContext);
  guard([&] { *ours = jsonb_of(json); });
  const Jsonb *theirs = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
  PG_RETURN_BOOL(ours->size() == VARSIZE(theirs) &&
                 memcmp(ours->data(), theirs, ours->size()) == 0);
}

/// The CPU seconds that it takes to make jsonb of texts: our way, or jsonb_in's.
SUPAGLUE_FUNCTION(supaglue_door_time_jsonb) {
  Datum *given;
  int count;
  deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &given, nullptr,
                    &count);
  const bool ours = PG_GETARG_BOOL(1);
  auto **texts = static_cast<char **>(palloc(sizeof(char *) * count));
  for (int i = 0; i < count; ++i) texts[i] = TextDatumGetCString(given[i]);
  timespec start, end;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
  for (int i = 0; i < count; ++i) {
    if (ours)
      guard([&] { jsonb_of(texts[i]); });
    else
      DirectFunctionCall1(jsonb_in, CStringGetDatum(texts[i]));
  }
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
  PG_RETURN_FLOAT8(static_cast<double>(end.tv_sec - start.tv_sec) +
                   static_cast<double>(end.tv_nsec - start.tv_nsec) / 1e9);
}

/// What a set gives back of ids that are added in their order, some of them marked.
SUPAGLUE_FUNCTION(supaglue_door_id_set) {
  Datum *ids, *marks;
  int count;
  deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &ids, nullptr,
                    &count);
  deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), BOOLOID, 1, true, TYPALIGN_CHAR, &marks, nullptr,
                    &count);
  IdSet *set = make_id_set();
  for (int i = 0; i < count; ++i) {
    const text *id = DatumGetTextPP(ids[i]);
    add_id(set, {VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id)}, DatumGetBool(marks[i]));
  }
  ArrayBuildState *members = initArrayResult(TEXTOID, CurrentMemoryContext, false);
  for (Member member; next_id(set, &member);) {
    const auto length = static_cast<int>(member.id.size());
    const char *told = psprintf("%.*s " INT64_FORMAT " %c", length, member.id.data(), member.times,
                                member.marked ? 't' : 'f');
    accumArrayResult(members, CStringGetTextDatum(told), false, TEXTOID, CurrentMemoryContext);
  }
  end_id_set(set);
  PG_RETURN_DATUM(makeArrayResult(members, CurrentMemoryContext));
}

/// The resident memory of this process in kB.
SUPAGLUE_FUNCTION(supaglue_door_memory) {
  FILE *file = AllocateFile("/proc/self/statm", "r");
  long total = 0, resident = 0;
  if (file == nullptr || fscanf(file, "%ld %ld", &total, &resident) != 2)
    ereport(ERROR, (errmsg("cannot read /proc/self/statm")));
  FreeFile(file);
  PG_RETURN_INT64(resident * (sysconf(_SC_PAGESIZE) / 1024));
}
