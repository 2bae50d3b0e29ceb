# supaglue: build, install, lint, unit tests. Everything else is under scripts/.
EXTENSION = supaglue
EXTVERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" supaglue.control)

# One install script is kept by hand; its versioned name is made here. Upgrades are kept as they are.
VERSIONED_SCRIPT = sql/supaglue--$(EXTVERSION).sql
DATA_built = $(VERSIONED_SCRIPT)
DATA = $(wildcard sql/supaglue--*--*.sql)

CONNECTORS = $(sort $(wildcard connectors/*.json))
GENERATED = src/builtin_connectors.cpp
SOURCES = $(sort $(wildcard src/*.cpp src/provider/*.cpp) $(GENERATED))
MODULE_big = supaglue
OBJS = $(SOURCES:.cpp=.o)
SHLIB_EXPORTS = src/exports.txt

# pg_regress inputs in the order in which they run: the first creates the extension, the others use it.
REGRESS = providers destinations sync_configs connections schemas entities rights tokens managed_auth materialize deletions newest projections remote steering door jsonb id_set live metadata passthrough drift erasure apply
# Isolation specs, under test/isolation/specs.
ISOLATION = configuration feed

PG_CONFIG ?= /usr/lib/postgresql/15/bin/pg_config
PG_CPPFLAGS = -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server) \
              -isystem $(shell $(PG_CONFIG) --includedir) -DNDEBUG -MMD -MP
PG_CXXFLAGS = -std=c++20 -Wall -Wextra -Wshadow -Wno-register -Wno-missing-field-initializers \
              -fvisibility=hidden $(if $(WERROR),-Werror)
LIBRARIES = -lcurl -lsimdjson -lre2 -lcrypto -lpq -lzstd -ldeflate -lcsv
SHLIB_LINK = $(LIBRARIES) -lstdc++ -Wl,-Bsymbolic

EXTRA_CLEAN = build $(VERSIONED_SCRIPT) $(GENERATED) src/exports.list $(OBJS:.o=.d)

# The bitcode step ignores our flags, and there is nothing here to inline.
override with_llvm := no
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# A clone elsewhere finds what this one compiled: nothing in an object tells where it was made.
ifneq ($(shell command -v ccache),)
CXX := CCACHE_BASEDIR=$(CURDIR) CCACHE_PCH_EXTSUM=1 CCACHE_SLOPPINESS=pch_defines,time_macros ccache g++
endif
override CXXFLAGS += -ffile-prefix-map=$(CURDIR)=. $(COPT)  # PGXS gives COPT to C only

# The pure headers that pg files include, and pg.hpp, are most of their time, so they are compiled once. The sum is
# what ccache knows them by.
kind_of = $(shell awk 'FNR == 1 && /^\/\/ $(1):/ {print FILENAME}' $(2) /dev/null)
PG_SOURCES := $(call kind_of,pg,$(wildcard src/*.cpp))
PG_OBJS = $(PG_SOURCES:.cpp=.o)
PRELUDE = build/prelude/prelude.hpp
PRELUDE_HEADERS := $(filter $(notdir $(call kind_of,pure,$(wildcard src/*.hpp))), \
                     $(sort $(shell sed -n 's/^\#include "\(.*\)"/\1/p' $(PG_SOURCES)))) pg.hpp
$(PG_OBJS): private CPPFLAGS := -include $(PRELUDE) -fpch-preprocess $(CPPFLAGS)
$(PG_OBJS): $(PRELUDE).gch
$(PRELUDE).gch: build/flags
	@mkdir -p $(@D)
	@printf '#include "%s"\n' $(PRELUDE_HEADERS) > $(PRELUDE)
	g++ $(CXXFLAGS) $(CPPFLAGS) -MT $@ -MF $(PRELUDE).d -x c++-header -o $@ $(PRELUDE)
	@g++ $(CXXFLAGS) $(CPPFLAGS) -E -P $(PRELUDE) | cksum > $@.sum
-include $(PRELUDE).d

# Debian's PGXS tracks no header dependencies and no flags.
-include $(OBJS:.o=.d)
$(OBJS): build/flags
FLAGS = $(CXX) $(CXXFLAGS) $(PRELUDE_HEADERS)
build/flags: force
	@mkdir -p build
	@echo '$(FLAGS)' | cmp -s - $@ || echo '$(FLAGS)' > $@

$(VERSIONED_SCRIPT): sql/supaglue.sql
	cp $< $@

$(GENERATED): $(CONNECTORS) scripts/embed-connectors connectors
	scripts/embed-connectors $(CONNECTORS) > $@.new
	mv $@.new $@

# Unit tests: the objects that ship, of the files that say that they are pure. That they link
# without Postgres is itself a test. Tests of the simulator link its objects instead.
UNIT_CXXFLAGS = $(CXXFLAGS) -Isrc -Itest -Itest/simulator -DNDEBUG -MMD -MP -O1
SIMULATOR_TESTS = $(sort $(wildcard test/unit/soql_test.cpp test/unit/simulator_*_test.cpp))
UNIT_TESTS = $(filter-out $(SIMULATOR_TESTS),$(sort $(wildcard test/unit/*_test.cpp)))
PURE_OBJS = $(patsubst %.cpp,%.o,$(call kind_of,pure,$(wildcard src/*.cpp src/provider/*.cpp)) $(GENERATED))
UNIT_PROGRAMS = $(if $(UNIT_TESTS),build/unit/unit_test) \
                $(if $(SIMULATOR_TESTS),build/unit/simulator_test)

build/unit/%.o: test/unit/%.cpp build/flags
	@mkdir -p $(@D)
	$(CXX) $(UNIT_CXXFLAGS) -c -o $@ $<
-include $(wildcard build/unit/*.d)

# What tests of all kinds share.
build/jsonb_of.o: test/jsonb_of.cpp build/flags
	$(CXX) $(CXXFLAGS) -fPIC -Isrc -Itest -DNDEBUG -MMD -MP -c -o $@ $<
-include build/jsonb_of.d

build/unit/unit_test: $(UNIT_TESTS:test/%.cpp=build/%.o) build/jsonb_of.o $(PURE_OBJS)
	g++ -o $@ $(sort $^) $(LIBRARIES) -lgtest -lgtest_main -lssl -lpthread

build/unit/simulator_test: $(SIMULATOR_TESTS:test/%.cpp=build/%.o) simulator
	g++ -o $@ $(filter build/unit/%,$^) $$(ls build/simulator/*.o | grep -v /main.o) \
	  $$(pkg-config --libs cpp-httplib) -lgtest -lgtest_main -lssl -lcrypto -lz -lpthread

# The pieces that bench/run measures by Google Benchmark: those that ship, and pure, too.
build/bench/%.o: bench/pieces/%.cpp build/flags
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -Isrc -Itest -DNDEBUG -MMD -MP -c -o $@ $<
-include $(wildcard build/bench/*.d)

build/bench/pieces: build/bench/pieces.o build/jsonb_of.o $(PURE_OBJS)
	g++ -o $@ $(sort $^) $(LIBRARIES) -lbenchmark -lpthread

build/bench/quiet_provider: bench/quiet_provider.cpp build/flags
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -o $@ $<

# What sql/door.sql, sql/jsonb.sql and sql/id_set.sql load: it raises at each door between C++ and Postgres, compares
# jsonb, and fills sets of ids.
build/door_test.o: test/door/door_test.cpp build/flags
	$(CXX) $(CXXFLAGS) $(CPPFLAGS) -Itest -c -o $@ $<
-include build/door_test.d
build/supaglue_door_test.so: build/door_test.o build/jsonb_of.o $(addprefix src/,pg.o id_set.o error.o json.o jsonb.o provider/json_answer.o)
	g++ -shared -o $@ $^ -lsimdjson -Wl,-Bsymbolic

.PHONY: force unit-programs unit bench-pieces simulator lint format
force:
unit-programs: $(UNIT_PROGRAMS)
bench-pieces: build/bench/pieces
unit: unit-programs
	@status=0; for program in $(UNIT_PROGRAMS); do $$program || status=1; done; exit $$status

simulator:
	+$(MAKE) -C test/simulator BUILD=$(CURDIR)/build/simulator CXX='$(CXX)' simulator

lint: all
	@REGRESS='$(REGRESS)' ISOLATION='$(ISOLATION)' \
	  UNIT='$(UNIT_TESTS) $(SIMULATOR_TESTS)' scripts/lint

format:
	clang-format -i $(filter-out $(GENERATED),$(wildcard src/*.[ch]pp src/provider/*.[ch]pp \
	  test/*.[ch]pp test/unit/*.[ch]pp test/simulator/*.[ch]pp bench/*.cpp bench/pieces/*.[ch]pp))

# For scripts, that want to know a variable: make print-REGRESS
print-%:
	@echo '$($*)'
