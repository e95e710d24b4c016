# Every way into this project. `make` alone explains the targets.
#
# Nothing is written into the checkout: builds go to CARGO_TARGET_DIR, which stays between checkouts.

export CARGO_TARGET_DIR ?= $(HOME)/.cache/ostiary-target
# A toolchain that rustup put into the home is found by a shell that has not read the profile, too.
export PATH := $(PATH):$(HOME)/.cargo/bin

OSTIARY := $(CARGO_TARGET_DIR)/debug/ostiary
# Arguments for the program: make demo ARGS="--help"
ARGS ?=

.PHONY: help bootstrap build demo kiosk-demo test chaos fleet-load scale fuzz kernels-long fuzz-models miri test-aarch64 test-aarch64-product board-test board-cuts package count-aarch64 check fmt clippy deny bench evaluate clean

help: ## This text
	@echo "Ostiary: firmware for a face-recognition door"
	@echo
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-19s %s\n", $$1, $$2 }'
	@echo
	@echo "Builds go to $(CARGO_TARGET_DIR) (set CARGO_TARGET_DIR to move them)."

bootstrap: ## Install what the build needs and the machine lacks (Debian, as root)
	@scripts/bootstrap build

build: bootstrap ## Build the program, optimised where it counts
	@cargo build --locked

demo: build ## Rendered people, strangers, a print and a phone come to a simulated door
	@$(OSTIARY) demo $(ARGS)

kiosk-demo: build ## A morning at an attendance kiosk, on a fast clock; needs neither faces nor models
	@$(OSTIARY) demo --kiosk $(ARGS)

test: bootstrap ## Every test; ends with the numbers of passed, failed and skipped
	@scripts/test $(ARGS)

chaos: bootstrap ## Kill the program 200 times at its work, cut its packets, kill its broker, and 60 times while it changes its models
	@OSTIARY_KILLS=200 scripts/test --test mqtt kill:: -- --nocapture
	@OSTIARY_KILLS=30 scripts/test --test models a_gallery

fleet-load: bootstrap ## 1,000 simulated doors at a real Mosquitto: latency, loss, and the broker killed (three minutes)
	@OSTIARY_DOORS=$${OSTIARY_DOORS:-1000} OSTIARY_LOAD_S=$${OSTIARY_LOAD_S:-60} scripts/test --test mqtt a_fleet_of_doors -- --nocapture

scale: bootstrap ## 50,000 people and 1,000,000 events: start, search, lists, exports, pages, memory (minutes; docs/scale.md)
	@cargo test --locked --test scale -- --ignored --nocapture

fuzz: bootstrap ## Hostile payloads and bodies, 100,000 cases a property (PROPTEST_CASES for more)
	@PROPTEST_CASES=$${PROPTEST_CASES:-100000} cargo test --locked -p ostiary-link -- hostile whatever noise no_changed_bit nothing_grows

kernels-long: bootstrap ## Every set of integer kernels against the reference, 20,000 random cases a property
	@OSTIARY_KERNEL_CASES=$${OSTIARY_KERNEL_CASES:-20000} cargo test --locked -p ostiary-engine kernels

fuzz-models: bootstrap ## Damaged and bent model files, 20,000 of each kind: refused or run, in bounded memory, never a panic
	@OSTIARY_ENGINE_CASES=$${OSTIARY_ENGINE_CASES:-20000} cargo test --locked --test engine refused_or_run

miri: bootstrap ## The portable kernels and the engine's bookkeeping of bytes under Miri, which sees undefined behaviour (nightly)
	@rustup toolchain install nightly --profile minimal -c miri -c rust-src
	@OSTIARY_KERNEL_CASES=3 MIRIFLAGS=-Zmiri-disable-isolation \
		cargo +nightly miri test --locked -p ostiary-kernels-check --lib -- --skip the_deepest_product

test-aarch64: bootstrap ## The kernels on emulated 64-bit Arm processors (as root: installs a cross compiler and qemu)
	@scripts/cross setup
	@scripts/cross test

test-aarch64-product: bootstrap ## The whole program for 64-bit Arm, built and run on emulated processors (15 minutes the first time)
	@scripts/cross setup
	@scripts/cross product

board-test: bootstrap ## The package in an emulated Arm board with systemd: camera to relay, trouble, 1970, power cuts (30 minutes the first time)
	@scripts/board setup
	@scripts/board exam
	@scripts/board cuts $${OSTIARY_CUTS:-20}

board-cuts: bootstrap ## 500 power cuts of the emulated board while it enrols people and writes events (hours)
	@scripts/board setup
	@scripts/board cuts $${OSTIARY_CUTS:-500}

package: bootstrap ## Debian packages for amd64 and arm64, in out/ (the first time it compiles everything twice)
	@scripts/cross setup
	@scripts/package --arch amd64 $(or $(OUT),out)
	@scripts/package --arch arm64 $(or $(OUT),out)

count-aarch64: bootstrap ## Instructions that each set of 64-bit Arm kernels takes for a network's layers
	@scripts/cross setup
	@scripts/cross count

check: ## What must pass before a commit: fmt, clippy, deny, test
	@scripts/bootstrap check
	@$(MAKE) --no-print-directory fmt clippy deny test

fmt: bootstrap ## Is the code formatted? (cargo fmt mends it)
	@cargo fmt --all --check

clippy: bootstrap ## Lints, warnings are errors
	@cargo clippy --locked --workspace --all-targets -- -D warnings

deny: ## Licences, advisories and sources of every dependency
	@scripts/deny

bench: bootstrap ## Time each stage of a look against other programs, in turns: make bench ARGS="--only embed"
	@scripts/bench $(ARGS)

evaluate: build ## Accuracy on the evaluation sets: make evaluate ARGS="--help"
	@$(OSTIARY) evaluate $(ARGS)

clean: ## Remove everything built
	@rm -rf "$(CARGO_TARGET_DIR)"
