# SPDX-License-Identifier: Apache-2.0
# The commands of a day. Each installs what it needs and does nothing that is done already.
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
CMAKE_BUILD = cmake --build build/$(1) -j $(JOBS)

.PHONY: help demo build test test-asan test-tsan test-peers test-arm64 fmt lint fuzz bench install clean packages

help:
	@echo 'make demo        build, and show a picture, a sentence, a film and a chat answered'
	@echo 'make build       build the release'
	@echo 'make test        build and run all tests that need no PyPI'
	@echo 'make test-asan   the same with the address and undefined-behaviour sanitizers'
	@echo 'make test-tsan   the same with the thread sanitizer'
	@echo 'make test-peers  compare with Transformers, timm, tokenizers, Pillow (needs PyPI and npm)'
	@echo 'make test-arm64  cross-build for arm64 and run kernel and model tests under qemu'
	@echo 'make fmt lint    format the sources; check format and clang-tidy'
	@echo 'make fuzz        a short run of each fuzz target'
	@echo 'make bench       kernels beside what the machine can do, a random decoder'
	@echo 'make install     install under PREFIX ($(PREFIX))'

packages:
	@tools/install_debian.sh

build: packages
	@cmake --preset release > build-release.log 2>&1 || { cat build-release.log; exit 1; }
	@rm -f build-release.log
	$(call CMAKE_BUILD,release)

demo: build
	@tools/demo.sh build/release/bin/gemma3n

test: build
	@tools/install_debian.sh --page-tests
	ctest --preset release -j $(JOBS)

test-asan: packages
	cmake --preset asan > /dev/null
	$(call CMAKE_BUILD,asan)
	ctest --preset asan -j $(JOBS)

test-tsan: packages
	cmake --preset tsan > /dev/null
	$(call CMAKE_BUILD,tsan)
	ctest --preset tsan

test-peers: build
	tools/peers/install.sh
	.venv-peers/bin/python -m pytest tests/peers -q

test-arm64:
	tools/install_debian.sh --arm64
	cmake --preset arm64 > /dev/null
	$(call CMAKE_BUILD,arm64)
	ctest --preset arm64

fmt:
	tools/install_debian.sh --lint
	git ls-files '*.cc' '*.h' | xargs clang-format -i

lint:
	tools/install_debian.sh --lint
	git ls-files '*.cc' '*.h' | xargs clang-format --dry-run --Werror
	cmake --preset dev > /dev/null
	git ls-files 'src/*.cc' | grep -v -e _test.cc -e /test_files.cc -e /film_maker.cc -e /sandbox_probe.cc \
	  -e '^src/kernels/' | xargs -P $(JOBS) -n 4 clang-tidy --quiet -p build/dev

fuzz:
	tools/install_debian.sh --fuzz
	cmake --preset fuzz > /dev/null
	$(call CMAKE_BUILD,fuzz)
	tools/fuzz.sh build/fuzz/bin

bench: packages
	cmake --preset release -DGEMMA3N_BENCH=ON > /dev/null
	$(call CMAKE_BUILD,release)
	build/release/bin/kernel_bench
	build/release/bin/decoder_bench

install: build
	cmake --install build/release --prefix $(PREFIX)

clean:
	rm -rf build
