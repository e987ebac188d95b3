# Ingot. `make help` lists the targets; every variable below may be given on the command line.
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

CC      ?= cc
CFLAGS  ?= -O2 -g
PREFIX  ?= /usr/local
DESTDIR ?=
# WERROR=1 makes warnings errors; SAN=address,undefined builds with sanitizers, in a directory of its own.
comma := ,
BUILD ?= build$(addprefix -,$(subst $(comma),-,$(SAN)))
ifneq ($(words $(BUILD))$(findstring :,$(BUILD))$(findstring %,$(BUILD)),1)
$(error BUILD='$(BUILD)': make needs a directory without a space, a colon or a percent sign in its path)
endif

PKGS := libxxhash libzstd yaml-0.1 jansson libutf8proc
WARN := -Wall -Wextra -Wshadow -Wconversion -Wpedantic -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
# gcc 12 sees dangling pointers after inlining asprintf() and posix_memalign(), where there are none.
WARN += $(shell $(CC) -Werror -Wno-dangling-pointer -Wdangling-pointer -E -x c /dev/null >/dev/null 2>&1 && echo -Wno-dangling-pointer)
WARN += $(if $(WERROR),-Werror)
SANITIZE := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)

CPPFLAGS_ALL := -I. -D_GNU_SOURCE $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(CPPFLAGS)
# -ffp-contract=off: only the fused multiply-adds that the source writes (spec/arithmetic.md).
CFLAGS_ALL := -std=c17 -ffp-contract=off -fno-math-errno -pthread $(WARN) $(CFLAGS) $(EXTRA_CFLAGS) $(SANITIZE)
LDLIBS_ALL := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm -pthread $(LDLIBS)
# One short line for each step; V=1 shows the commands.
say = $(if $(V),,@echo '  $(1)  $(patsubst $(BUILD)/%,%,$@)';)
LINK = $(call say,LD) $(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $(filter %.o %.a,$^)

all: $(BUILD)/ingot

# ---- rooms: every .c file of a room belongs to its library
FORMAT_SRC  := $(wildcard format/*.c format/simd/*.c)
CONVERT_SRC := $(wildcard convert/*.c)
RUNTIME_SRC := $(wildcard runtime/*.c runtime/kernels/*.c)
INSPECT_SRC := $(filter-out inspect/main.c,$(wildcard inspect/*.c inspect/cli/*.c))
obj = $(patsubst %.c,$(BUILD)/%.o,$(1))

LIBS := $(BUILD)/libingot_convert.a $(BUILD)/libingot_runtime.a $(BUILD)/libingot_format.a
$(BUILD)/libingot_format.a:  $(call obj,$(FORMAT_SRC))
$(BUILD)/libingot_convert.a: $(call obj,$(CONVERT_SRC)) $(BUILD)/convert/recipe_texts.o
$(BUILD)/libingot_runtime.a: $(call obj,$(RUNTIME_SRC))
$(BUILD)/libinspect.a:       $(call obj,$(INSPECT_SRC)) $(BUILD)/inspect/page/texts.o
%.a:
	@rm -f $@
	$(call say,AR) $(AR) rcs $@ $^

$(BUILD)/ingot: $(BUILD)/inspect/main.o $(BUILD)/libinspect.a $(LIBS)
	$(LINK) $(LDLIBS_ALL)

# ---- the built-in recipes, compiled in; in the order in which they are tried
RECIPES := huggingface openai nanogpt mingpt gpt-by-hand gguf llm.c
RECIPE_FILES := $(RECIPES:%=convert/recipes/%.yaml)
$(BUILD)/convert/recipe_texts.c: $(RECIPE_FILES) Makefile
	@mkdir -p $(@D)
	$(call say,SED) { \
	    echo '#include "convert/recipe.h"'; \
	    echo '#pragma GCC diagnostic ignored "-Woverlength-strings"'; \
	    echo 'const struct ingot_recipe_info recipe_texts[] = {'; \
	    for file in $(RECIPE_FILES); do \
	        echo "{ \"$$(basename $$file .yaml)\", \"$$(sed -n 's/^about: //p' $$file)\","; \
	        sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $$file; echo '},'; \
	    done; \
	    echo '};'; \
	    echo 'const size_t n_recipe_texts = sizeof recipe_texts / sizeof *recipe_texts;'; } >$@
$(BUILD)/convert/recipe_texts.o: $(BUILD)/convert/recipe_texts.c $(BUILD)/flags
	$(call say,CC) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# ---- the page of `ingot report`, compiled in; its policy names the hashes of just these styles and this script
PAGE := $(BUILD)/inspect/page
$(PAGE)/texts.c: $(wildcard inspect/page/*) Makefile
	@mkdir -p $(@D)
	@cat inspect/page/kinds.css inspect/page/light.css >$(PAGE)/light.css
	@cat inspect/page/kinds-dark.css inspect/page/dark.css >$(PAGE)/dark.css
	$(call say,SED) text() { echo "const char page_$$1[] ="; sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' "$$2"; echo ';'; }; \
	    hash() { env printf "$$(sha256sum "$$1" | sed 's/ .*//; s/../\\x&/g')" | base64; }; { \
	    echo '#include "inspect/page.h"'; \
	    echo '#pragma GCC diagnostic ignored "-Woverlength-strings"'; \
	    text kinds_css inspect/page/kinds.css; \
	    text kinds_dark_css inspect/page/kinds-dark.css; \
	    text light_css $(PAGE)/light.css; \
	    text dark_css $(PAGE)/dark.css; \
	    text js inspect/page/page.js; \
	    echo "const char page_policy[] = \"default-src 'none'; base-uri 'none'; form-action 'none';\""; \
	    echo "\" style-src 'sha256-$$(hash $(PAGE)/light.css)' 'sha256-$$(hash $(PAGE)/dark.css)';\""; \
	    echo "\" script-src 'sha256-$$(hash inspect/page/page.js)'\";"; } >$@
$(PAGE)/texts.o: $(PAGE)/texts.c $(BUILD)/flags
	$(call say,CC) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# ---- instruction sets: by file name, never globally; a file for another architecture is empty there
AVX2   := -mavx2 -mfma -mf16c
CLMUL  := -mpclmul -msse4.2
AVX512 := $(AVX2) -mavx512f -mavx512bw -mavx512vl -mavx512dq
isa_aarch64 = $(if $(findstring neondot,$(notdir $(1))),-march=armv8.2-a+dotprod)
ifneq ($(findstring aarch64,$(shell $(CC) -dumpmachine 2>/dev/null)),)
isa = $(isa_aarch64)
endif
ifneq ($(findstring x86_64,$(shell $(CC) -dumpmachine 2>/dev/null)),)
for_name = $(if $(findstring $(1),$(notdir $(2))),$(3))
# What is emulated is compiled with no flags but those that find the emulation.
isa = $(if $(findstring tests/emulated/,$(1)),-Itests/emulated -Wno-psabi -O1,$(call for_name,avx2,$(1),$(AVX2)) \
    $(call for_name,avxvnni,$(1),$(AVX2) -mavxvnni) $(call for_name,avx512,$(1),$(AVX512)) \
    $(call for_name,quant_avx512,$(1),-mavx512vnni) $(call for_name,clmul,$(1),$(CLMUL)) \
    $(call for_name,amx,$(1),$(AVX512) -mamx-tile -mamx-int8) $(call for_name,fast_amx,$(1),-mavx512bf16 -mamx-bf16) \
    $(call for_name,avx512bf16,$(1),-mavx512bf16))
endif
$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(call isa,$<) -MMD -MP -c -o $@ $<

# Other flags, or another compiler: everything is built again. What Debian's packages lack is said; what is installed in
# another way only the compiler can tell.
$(BUILD)/flags: force
	@mkdir -p $(@D)
	@command -v $(firstword $(CC)) >/dev/null && pkg-config --exists $(PKGS) 2>/dev/null || .ci/setup --look build || true
	@echo '$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS)' | cmp -s - $@ || \
	    echo '$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS)' >$@

# ---- tests: each tests/*/test_NAME.c is a cmocka program; the files beside them are shared by all
TEST_SRC  := $(wildcard tests/*/test_*.c)
TEST_HELP := $(filter-out $(TEST_SRC) tests/fault/fail_nth.c,$(wildcard tests/unit/*.c tests/fault/*.c tests/conformance/*.c tests/emulated/*.c)) \
    tests/bench/limits.c spec/decoder/xxh3.c
FUZZ      := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
TESTS     := $(patsubst %.c,$(BUILD)/%,$(TEST_SRC)) $(FUZZ:%=$(BUILD)/tests/fuzz/replay_%) $(addprefix $(BUILD)/tests/soak/,corruption damage)
BATS      := $(wildcard tests/*/*.bats)
TOOLS     := $(addprefix $(BUILD)/tests/tools/,random_checkpoint many_tensors conformance_files) $(BUILD)/tests/fault/fail_nth.so $(BUILD)/spec/decoder/decoder
ALL_LIBS  := $(BUILD)/libinspect.a $(LIBS)

$(BUILD)/libtests.a: $(call obj,$(TEST_HELP))
# Google's Snappy compresses what ours uncompresses.
$(BUILD)/tests/%: $(BUILD)/tests/%.o $(BUILD)/libtests.a $(ALL_LIBS)
	$(LINK) -lcmocka -lsnappy $(LDLIBS_ALL)
# Preloaded into a program that has the sanitizers, it must have none itself.
$(BUILD)/tests/fault/fail_nth.so: tests/fault/fail_nth.c
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(filter-out $(SANITIZE),$(CFLAGS_ALL)) -D_GNU_SOURCE -fPIC -shared -o $@ $<
# The independent reader of spec/: nothing of ours, nothing but libc.
$(BUILD)/spec/decoder/decoder: $(wildcard spec/decoder/*.[ch]) $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,LD) $(CC) $(CFLAGS_ALL) -D_GNU_SOURCE -I. -o $@ $(filter %.c,$^)

tests: $(BUILD)/ingot $(TOOLS) $(TESTS) $(BUILD)/demo.ingot $(patsubst %,$(BUILD)/demo-%.ingot,f16 bf16 q8 q4)
test:
	@.ci/setup test
	@+$(PARALLEL_MAKE) test-run

# -jN unless the caller has chosen.
PARALLEL_MAKE = $(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

# ---- fuzzing: a target is one file tests/fuzz/fuzz_NAME.c; what it once crashed on is replayed by `make test`
FUZZ_SECONDS ?= 60
$(FUZZ:%=$(BUILD)/tests/fuzz/replay_%): $(BUILD)/tests/fuzz/replay_%: tests/fuzz/replay.c $(BUILD)/tests/fuzz/fuzz_%.o \
    $(ALL_LIBS)
	$(call say,LD) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS) -DFUZZ_NAME='"$*"' -o $@ $^ $(LDLIBS_ALL)
fuzz:
	@+$(PARALLEL_MAKE) CC=clang BUILD=$(BUILD)-fuzz SAN=fuzzer-no-link,address,undefined fuzz-run
$(FUZZ:%=$(BUILD)/tests/fuzz/fuzz_%): %: %.o $(ALL_LIBS)
	$(LINK) -fsanitize=fuzzer $(LDLIBS_ALL)
fuzz-run: $(FUZZ:%=$(BUILD)/tests/fuzz/fuzz_%)
	@tests/fuzz/run $(BUILD) $(FUZZ_SECONDS) $(FUZZ)

# ---- the reference logits, made again: an independent GPT-2 in float64; python3-torch is needed for nothing else
references: $(BUILD)/tests/tools/random_checkpoint $(BUILD)/ingot
	tests/reference/make_reference.py $<
	tests/reference/make_scores.py "$(abspath $(BUILD))/ingot"

# ---- what takes hours: every single-byte corruption, damaged checkpoints, every failing call, many more kills
SOAK_SECONDS ?= 3600
soak: tests
	INGOT_ROOT="$(CURDIR)" $(BUILD)/tests/soak/damage --seconds $(SOAK_SECONDS)
	INGOT_BUILD=$(BUILD) $(BUILD)/tests/soak/corruption --stride 1
	SOAK=1 TEST_TIMEOUT=36000 INGOT_BUILD=$(BUILD) tests/run $(filter $(BUILD)/tests/fault/%,$(TESTS))

# ---- measurements
BENCHES := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/bench_*.c))
bench: $(BUILD)/ingot $(TOOLS) $(BENCHES)
	@INGOT="$(abspath $(BUILD))/ingot" INGOT_BUILD="$(abspath $(BUILD))" tests/bench/gpt2.sh
	@cd $(BUILD) && tests/bench/bench_kernels
bench-inspect: $(BUILD)/ingot $(TOOLS) $(BENCHES)
	@INGOT="$(abspath $(BUILD))/ingot" INGOT_BUILD="$(abspath $(BUILD))" tests/bench/inspect.sh
bench-peers: $(BUILD)/ingot $(TOOLS) $(BENCHES)
	@INGOT="$(abspath $(BUILD))/ingot" INGOT_BUILD="$(abspath $(BUILD))" tests/bench/peers.sh
bench-quality: $(BUILD)/ingot
	@INGOT="$(abspath $(BUILD))/ingot" INGOT_BUILD="$(abspath $(BUILD))" tests/bench/quality.sh

# ---- another architecture, emulated: the file, the arithmetic and the text are the same there. Only what needs no library
# of that architecture: xxhash is all header, tests/aarch64/cmocka.h stands in for cmocka.
CROSS := aarch64-linux-gnu
A64   := $(BUILD)/aarch64
A64_SRC  := $(FORMAT_SRC) $(RUNTIME_SRC)
A64_NAME := unit/test_kernels unit/test_quant_kernels conformance/test_same_bits
A64_EXE  := $(A64_NAME:%=$(A64)/tests/%)
A64_RUN  := $(A64_EXE:%=%.sh) $(A64)/tests/unit/test_quant_kernels.plain.sh
ifneq ($(SAN),)
else ifneq ($(and $(shell command -v $(CROSS)-gcc),$(shell command -v qemu-aarch64),$(wildcard /usr/$(CROSS)/include)),)
A64_TESTS := $(A64_RUN)
else
A64_TESTS := tests/aarch64/skipped
endif
test-run: tests $(A64_TESTS)
	@INGOT_BUILD=$(BUILD) tests/run $(TEST_FLAGS) $(BATS) $(TESTS) $(A64_TESTS)
aarch64-test: $(A64_TESTS) $(BUILD)/ingot
	@INGOT_BUILD=$(BUILD) tests/run $(A64_TESTS)
$(A64)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D) $(A64)/include
	@ln -sf /usr/include/xxhash.h /usr/include/utf8proc.h $(A64)/include
	$(call say,CC) $(CROSS)-gcc -I. -Itests/aarch64 -I$(A64)/include -D_GNU_SOURCE -std=c17 -ffp-contract=off -fno-math-errno -pthread -O2 \
	    $(WARN) $(call isa_aarch64,$<) -MMD -MP -c -o $@ $<
$(A64)/libingot.a: $(A64_SRC:%.c=$(A64)/%.o) $(A64)/tests/unit/rungs.o
$(A64_EXE): $(A64)/%: $(A64)/%.o $(A64)/libingot.a
	$(call say,LD) $(CROSS)-gcc -static -pthread -o $@ $^ -lm
$(A64_EXE:%=%.sh): %.sh: %
	@printf '#!/bin/sh\nexec qemu-aarch64 "$${0%%.sh}"\n' >$@ && chmod +x $@
%.plain.sh: % # a CPU of ARMv8.0, without dot products
	@printf '#!/bin/sh\nexec qemu-aarch64 -cpu cortex-a57 "$${0%%.plain.sh}"\n' >$@ && chmod +x $@

# ---- lint
HEADERS   := $(wildcard */*.h */*/*.h)
LINT_SRC  := $(FORMAT_SRC) $(CONVERT_SRC) $(RUNTIME_SRC) $(INSPECT_SRC) $(wildcard inspect/main.c spec/*/*.c tests/*/*.c)
LINT_HARD := $(wildcard tests/lint/*.sh)
lint:
	@.ci/setup lint
	@+$(PARALLEL_MAKE) --output-sync=target lint-run
lint-run: $(LINT_SRC:%=$(BUILD)/lint/%.tidy) $(BUILD)/lint/cppcheck
	clang-format --dry-run -Werror $(LINT_SRC) $(HEADERS)
	shellcheck -x .ci/run .ci/setup tests/run $(wildcard tests/*/run tests/*/*.sh tests/*/*/*.sh)
	@for check in $(LINT_HARD); do echo $$check; $$check || exit 1; done
# The analyzer follows paths, of which a test's row of assertions has too many: there it gives up early. What is empty on
# x86 is read as the other machine's.
SHALLOW  := -Xclang -analyzer-config -Xclang max-nodes=5000
tidy_isa = $(if $(and $(findstring neon,$(1)),$(wildcard /usr/$(CROSS)/include)),--target=$(CROSS) $(isa_aarch64),$(isa))
$(BUILD)/lint/%.tidy: % $(HEADERS) .clang-tidy tests/.clang-tidy
	@mkdir -p $(@D)
	$(call say,TIDY) clang-tidy --quiet $< -- $(CPPFLAGS_ALL) -DFUZZ_NAME='""' -std=c17 $(call tidy_isa,$<) $(if $(filter tests/%,$<),$(SHALLOW)) \
	    $(if $(filter-out format/error.c spec/%,$<),-include tests/lint/analyzer.h) 2>/dev/null
	@touch $@
$(BUILD)/lint/cppcheck: $(LINT_SRC) $(HEADERS) tests/lint/cppcheck.txt
	@mkdir -p $(@D)
	$(call say,LINT) cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	    --suppressions-list=tests/lint/cppcheck.txt -I. -D__x86_64__ -D__BYTE_ORDER__=1 -D__ORDER_LITTLE_ENDIAN__=1 -D__SIZEOF_POINTER__=8 \
	    -DFUZZ_NAME='""' $(LINT_SRC)
	@touch $@

# ---- the demonstration: from the shipped checkpoint to text
$(BUILD)/demo.ingot: $(BUILD)/ingot $(wildcard tests/models/bard/*)
	$(BUILD)/ingot convert tests/models/bard -o $@ -f
$(BUILD)/demo-%.ingot: $(BUILD)/ingot $(wildcard tests/models/bard/*)
	$(BUILD)/ingot convert tests/models/bard -o $@ -f --dtype $*
demo:
	@.ci/setup build
	@+$(PARALLEL_MAKE) $(BUILD)/ingot
	$(BUILD)/ingot convert tests/models/bard -o $(BUILD)/demo.ingot -f
	$(BUILD)/ingot ls $(BUILD)/demo.ingot
	$(BUILD)/ingot params $(BUILD)/demo.ingot
	$(BUILD)/ingot verify $(BUILD)/demo.ingot && echo "verified: every byte is what the converter wrote"
	$(BUILD)/ingot run $(BUILD)/demo.ingot -p "KING RICHARD II:" -n 120 --temperature 0.8 --top-k 40 --seed 7

# ---- installation. Headers lie side by side: <ingot/ingot_runtime.h>. Of the libraries' names only the public ones stay as
# they are, so that a program may have a pool_create() or json_parse() of its own.
PUBLIC  := format/ingot_format.h convert/ingot_convert.h runtime/ingot_runtime.h
LIBDIR  ?= $(PREFIX)/lib
OBJCOPY ?= objcopy
NM      ?= nm
TO_BIN  = $(DESTDIR)$(PREFIX)/bin
TO_LIB  = $(DESTDIR)$(LIBDIR)
TO_PC   = $(DESTDIR)$(LIBDIR)/pkgconfig
TO_INC  = $(DESTDIR)$(PREFIX)/include/ingot
TO_MAN  = $(DESTDIR)$(PREFIX)/share/man/man1
TO_BASH = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
# name, description, what it requires, its own libraries
pkg_config = printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(LIBDIR)' '' 'Name: $(1)' 'Description: $(2)' \
    "Version: $$($(BUILD)/ingot version | cut -d' ' -f2)" 'Requires: $(3)' 'Libs: -L$${libdir} $(4)' \
    'Cflags: -I$${prefix}/include' >"$(TO_PC)/$(1).pc"
install: $(BUILD)/ingot $(LIBS)
	install -d "$(TO_BIN)" "$(TO_PC)" "$(TO_INC)" "$(TO_MAN)" "$(TO_BASH)"
	install $(BUILD)/ingot "$(TO_BIN)/ingot"
	install -m 644 $(LIBS) "$(TO_LIB)"
	@names=$$(mktemp) && trap 'rm -f "$$names"' EXIT && umask 022 && \
	    $(NM) -g --defined-only $(LIBS) | awk 'NF == 3 && $$3 !~ /^ingot_/ { print $$3, "ingot_private_" $$3 }' | sort -u >"$$names" && \
	    for lib in $(notdir $(LIBS)); do $(OBJCOPY) -D --redefine-syms="$$names" "$(TO_LIB)/$$lib" || \
	        { echo 'install: the libraries keep the names of what is private to them' >&2; break; }; done # as objects of -flto do
	@umask 022 && for h in $(PUBLIC); do sed 's|^#include "[a-z]*/|#include "|' $$h >"$(TO_INC)/$${h##*/}" || exit 1; done
	@umask 022 && $(call pkg_config,ingot,GPT-2 run straight from a mapped file,libutf8proc,-lingot_runtime -lingot_format -lm -pthread)
	@umask 022 && $(call pkg_config,ingot-convert,checkpoints of GPT-2 into .ingot files and out of them,ingot yaml-0.1 jansson,-lingot_convert)
	@umask 022 && $(BUILD)/ingot help --man >"$(TO_MAN)/ingot.1"
	@umask 022 && $(BUILD)/ingot help --completion >"$(TO_BASH)/ingot"
uninstall:
	rm -f "$(TO_BIN)/ingot" "$(TO_MAN)/ingot.1" "$(TO_BASH)/ingot" "$(TO_PC)/ingot.pc" "$(TO_PC)/ingot-convert.pc"
	cd "$(TO_LIB)" && rm -f $(notdir $(LIBS))
	rm -rf "$(TO_INC)"

help:
	@echo 'make            the program, $(BUILD)/ingot, and its three libraries'
	@echo 'make demo       from the shipped checkpoint to text, set-up included'
	@echo 'make test       all tests, set-up included; SAN=address,undefined with sanitizers'
	@echo 'make lint       formatting, clang-tidy, cppcheck, shellcheck, the rules of the house'
	@echo 'make bench      measurements'
	@echo 'make bench-inspect verify beside bare XXH3, stats, ls and params, of 124M parameters and of 100,000 tensors'
	@echo 'make bench-peers the same models run by llama.cpp, in turns; PEER=DIR or from the npm registry'
	@echo 'make bench-quality what q8 and q4 cost, beside the formats of llama.cpp; PEER as above, or none'
	@echo 'make fuzz       libFuzzer on every target; FUZZ_SECONDS=60 in all'
	@echo 'make soak       every corruption, damaged checkpoints (SOAK_SECONDS=3600), every failing call; takes long'
	@echo 'make references makes the reference logits again (needs python3-torch)'
	@echo 'make install    program, manual, completion, libraries, headers, pkg-config; PREFIX=$(PREFIX) LIBDIR= DESTDIR=; make uninstall'
	@echo 'variables       CC CPPFLAGS CFLAGS EXTRA_CFLAGS LDFLAGS LDLIBS BUILD WERROR=1 SAN= V=1'

# Whatever was built here has a file of its flags; where there are sources, nothing is removed even so.
clean:
	@[ ! -e $(BUILD) ] || { [ -f $(BUILD)/flags ] && [ -z '$(wildcard $(BUILD)/*.h $(BUILD)/*/*.h)' ]; } || \
	    { echo 'BUILD=$(BUILD): make did not build this directory, and does not remove it' >&2; exit 1; }
	rm -rf $(BUILD)
force:
.PHONY: all tests test test-run demo clean force fuzz fuzz-run soak bench bench-inspect bench-peers bench-quality references aarch64-test lint lint-run install uninstall help
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
