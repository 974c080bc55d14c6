# make test runs everything; each part also has its own target. See CONTRIBUTING.md.

PARTS = lint arch unit conformance e2e browser fuzz-short

.PHONY: build test fuzz bench $(PARTS)

build:
	CGO_ENABLED=0 go build -trimpath -o bin/azx ./cmd/azx

test:
	@scripts/test.sh $(PARTS)

# Every fuzz target for a minute.
fuzz:
	@scripts/test.sh fuzz-long

# Measures the connector and its parts, in about three minutes; see docs/performance.md.
bench:
	go run ./test/bench $(BENCHFLAGS)

$(PARTS):
	@scripts/test.sh $@
