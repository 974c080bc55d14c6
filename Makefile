# make test runs everything; each part also has its own target. See CONTRIBUTING.md.

PARTS = lint arch unit conformance e2e faults browser fuzz-short

.PHONY: build test fuzz bench faults-long mutants $(PARTS)

build:
	CGO_ENABLED=0 go build -trimpath -o bin/azx ./cmd/azx

test:
	@scripts/test.sh $(PARTS)

# Every fuzz target for a minute.
fuzz:
	@scripts/test.sh fuzz-long

# Every fault case in full length, with three seeds; see docs/reliability.md.
faults-long:
	@scripts/test.sh faults-long

# Plants faults into azx one by one, and prints which fault case finds them.
mutants:
	@scripts/test.sh mutants

# Measures the connector, its parts and its peers, in about 25 minutes, and some more the first time; see docs/performance.md.
bench:
	go run ./test/bench $(BENCHFLAGS)

$(PARTS):
	@scripts/test.sh $@
