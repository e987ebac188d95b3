# Ingot. Targets: all demo test lint install clean bench soak fuzz; see `make help`.
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:

CC      ?= cc
BUILD   ?= build
CFLAGS  ?= -O2 -g
PKGS    := libxxhash libzstd yaml-0.1 jansson libutf8proc

WARN := -Wall -Wextra -Wshadow -Wconversion -Wpedantic -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
ifdef WERROR
WARN += -Werror
endif
CPPFLAGS_ALL := -I. -D_GNU_SOURCE $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(CPPFLAGS)
# -ffp-contract=off: only the fused multiply-adds that the source writes (spec/arithmetic.md).
CFLAGS_ALL   := -std=c17 -ffp-contract=off -fno-math-errno -pthread $(WARN) $(CFLAGS) $(EXTRA_CFLAGS)
LDLIBS_ALL   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm -pthread $(LDLIBS)

all: $(BUILD)/ingot

# ---- rooms: every .c file of a room belongs to its library
FORMAT_SRC  := $(wildcard format/*.c format/simd/*.c)
CONVERT_SRC := $(wildcard convert/*.c)
RUNTIME_SRC := $(wildcard runtime/*.c runtime/kernels/*.c)
INSPECT_SRC := $(wildcard inspect/*.c inspect/cli/*.c)
obj = $(patsubst %.c,$(BUILD)/%.o,$(1))

LIBS := $(BUILD)/libingot_convert.a $(BUILD)/libingot_runtime.a $(BUILD)/libingot_format.a
$(BUILD)/libingot_format.a:  $(call obj,$(FORMAT_SRC))
$(BUILD)/libingot_convert.a: $(call obj,$(CONVERT_SRC))
$(BUILD)/libingot_runtime.a: $(call obj,$(RUNTIME_SRC))
%.a:
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/ingot: $(call obj,$(INSPECT_SRC)) $(LIBS)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)

# ---- instruction sets: by file name, never globally
%avx2.o:   ISA := -mavx2 -mfma -mf16c
%avx512.o: ISA := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma -mf16c
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(ISA) -MMD -MP -c -o $@ $<

clean:
	rm -rf $(BUILD)
.PHONY: all clean
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
