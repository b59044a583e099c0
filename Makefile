# Thin names for scripts/. Works without git, and in a folder whose name has spaces.
.DEFAULT_GOAL := help
.PHONY: help run install test quick check vllm test-vllm test-ray train-env test-training lock bench clean

# The scripts see this one only when it was given: make run PYTHON=/path/to/python3.12
ifdef PYTHON
export PYTHON
endif
# Given to pytest, or to the program a target runs: make test ARGS="-k probe"
ARGS ?=

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

run: ## install what is missing, download the embedded model, and serve the page on http://127.0.0.1:7860
	@sh scripts/run.sh

install: ## make .venv with what the app needs (PYTHON=... chooses the interpreter)
	@sh scripts/install.sh app

test: ## install what the tests need (a browser too, if it can) and run them (ARGS=... goes to pytest)
	@sh scripts/test.sh -m "not vllm and not ray and not training" $(ARGS)

quick: ## the tests of page code, and those that need no engine, browser, program or server: two minutes (ARGS=... goes to pytest)
	@sh scripts/install.sh dev
	@.venv/bin/node --test --test-reporter=dot "tests/**/*.test.js"
	@sh scripts/pytest.sh -n 2 --quick $(ARGS)

check: ## formatting, lint, types, tests of page code, import rules, shell scripts, Dockerfiles, compose files, manifests
	@sh scripts/check.sh

vllm: ## make .venv-vllm: the CUDA build of vLLM where a GPU answers, else the CPU build
	@bash scripts/make_vllm.sh

test-vllm: ## the engine tests and one probe on a real vLLM, after `make vllm`
	@[ -x .venv-vllm/bin/python ] || { echo "There is no .venv-vllm; run make vllm first." >&2; exit 1; }
	@sh scripts/install.sh dev
	@sh scripts/install_vocabularies.sh
	@sh scripts/pytest.sh -m vllm $(ARGS)

test-ray: ## jobs on a real one-node Ray, which the tests start
	@sh scripts/install.sh dev
	@sh scripts/install_ray.sh
	@sh scripts/pytest.sh -m ray $(ARGS)

train-env: ## make .venv-train, where fine-tuning runs; the first fine-tuning job makes it too
	@bash scripts/make_train.sh

test-training: ## train for a few steps, kill, resume and ask the result, after `make train-env`
	@[ -x .venv-train/bin/python ] || { echo "There is no .venv-train; run make train-env first." >&2; exit 1; }
	@sh scripts/install.sh dev
	@sh scripts/pytest.sh -m "training and not vllm" $(ARGS)

lock: ## recompile the lock files (ARGS=--upgrade takes the newest versions)
	@sh scripts/install.sh app
	@sh scripts/lock.sh $(ARGS)

bench: ## run the measurements in benchmarks/
	@sh scripts/install.sh app
	@for file in $$(grep -l '^if __name__ == "__main__"' benchmarks/*.py); do \
		name=$$(basename "$$file" .py); echo "== $$name"; .venv/bin/python -m "benchmarks.$$name" $(ARGS) || exit 1; \
	done

clean: ## remove .venv, .venv-lock and caches; keeps data/, .venv-vllm and .venv-train
	@rm -rf .venv .venv-lock node_modules .mypy_cache .ruff_cache .import_linter_cache .hypothesis test-results
	@find . -path './.venv*' -prune -o -path ./data -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf
