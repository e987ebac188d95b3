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

PKGS := libxxhash libzstd yaml-0.1 jansson libutf8proc
WARN := -Wall -Wextra -Wshadow -Wconversion -Wpedantic -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
WARN += $(if $(WERROR),-Werror)
SANITIZE := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)

CPPFLAGS_ALL := -I. -D_GNU_SOURCE $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(CPPFLAGS)
# -ffp-contract=off: only the fused multiply-adds that the source writes (spec/arithmetic.md).
CFLAGS_ALL := -std=c17 -ffp-contract=off -fno-math-errno -pthread $(WARN) $(CFLAGS) $(EXTRA_CFLAGS) $(SANITIZE)
LDLIBS_ALL := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm -pthread $(LDLIBS)
LINK = $(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $(filter %.o %.a,$^)

all: $(BUILD)/ingot

# ---- rooms: every .c file of a room belongs to its library
FORMAT_SRC  := $(wildcard format/*.c format/simd/*.c)
CONVERT_SRC := $(wildcard convert/*.c)
RUNTIME_SRC := $(wildcard runtime/*.c runtime/kernels/*.c)
INSPECT_SRC := $(filter-out inspect/main.c,$(wildcard inspect/*.c inspect/cli/*.c))
obj = $(patsubst %.c,$(BUILD)/%.o,$(1))

LIBS := $(BUILD)/libingot_convert.a $(BUILD)/libingot_runtime.a $(BUILD)/libingot_format.a
$(BUILD)/libingot_format.a:  $(call obj,$(FORMAT_SRC))
$(BUILD)/libingot_convert.a: $(call obj,$(CONVERT_SRC))
$(BUILD)/libingot_runtime.a: $(call obj,$(RUNTIME_SRC))
$(BUILD)/libinspect.a:       $(call obj,$(INSPECT_SRC))
%.a:
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/ingot: $(BUILD)/inspect/main.o $(BUILD)/libinspect.a $(LIBS)
	$(LINK) $(LDLIBS_ALL)

# ---- instruction sets: by file name, never globally
%avx2.o:   ISA := -mavx2 -mfma -mf16c
%avx512.o: ISA := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma -mf16c
$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(ISA) -MMD -MP -c -o $@ $<

# Other flags, or another compiler: everything is built again.
$(BUILD)/flags: force
	@mkdir -p $(@D)
	@echo '$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS)' | cmp -s - $@ || \
	    echo '$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS)' >$@

# ---- tests: each tests/*/test_NAME.c is a cmocka program, the other files beside them are shared between these
TEST_SRC  := $(wildcard tests/*/test_*.c)
TEST_HELP := $(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c))
TESTS     := $(patsubst %.c,$(BUILD)/%,$(TEST_SRC))
TOOLS     := $(BUILD)/tests/tools/random_checkpoint $(BUILD)/spec/decoder
BATS      := $(wildcard tests/*/*.bats)

$(TESTS): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(call obj,$(TEST_HELP)) $(BUILD)/libinspect.a $(LIBS)
	$(LINK) -lcmocka $(LDLIBS_ALL)
$(BUILD)/tests/tools/%: $(BUILD)/tests/tools/%.o
	$(LINK) -lm
# The independent reader of spec/: nothing of ours, nothing but libc.
$(BUILD)/spec/decoder: $(call obj,$(wildcard spec/decoder/*.c))
	$(LINK) -lm

tests: $(BUILD)/ingot $(TESTS) $(TOOLS)
test-run: tests
	@INGOT_BUILD=$(BUILD) tests/run $(TEST_FLAGS) $(BATS) $(TESTS)
test:
	@.ci/setup test
	@$(MAKE) --no-print-directory test-run

# ---- the demonstration: from the shipped checkpoint to text
DEMO := $(BUILD)/demo.ingot
$(DEMO): $(BUILD)/ingot $(wildcard tests/models/bard/*)
	$(BUILD)/ingot convert tests/models/bard -o $@ -f
demo:
	@.ci/setup build
	@$(MAKE) --no-print-directory $(BUILD)/ingot
	@rm -f $(DEMO)
	@$(MAKE) --no-print-directory $(DEMO)
	$(BUILD)/ingot ls $(DEMO)
	$(BUILD)/ingot params $(DEMO)
	$(BUILD)/ingot verify $(DEMO) && echo "every byte is what the converter wrote"
	$(BUILD)/ingot run $(DEMO) -p "KING RICHARD II:" -n 120 --temperature 0.8 --top-k 40 --seed 7

clean:
	rm -rf $(BUILD)
force:
.PHONY: all tests test test-run demo clean force
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
