// Package process starts the built azx binary as its users do, for the tests of whole processes:
// it builds it, waits until it is ready, reads values back, and stops or kills it.
package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Binary is the path of a built azx.
type Binary string

// Main builds azx into a folder of its own, runs the tests of a package with it, and returns their
// exit code. It is all that a TestMain does.
func Main(m *testing.M, azx *Binary) int {
	dir, err := os.MkdirTemp("", "azx-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "make folder for the binary:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	if *azx, err = Build(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// Build compiles cmd/azx into dir, with the build tags given. An error carries the compiler's output.
func Build(ctx context.Context, dir string, tags ...string) (Binary, error) {
	return BuildWith(ctx, dir, nil, tags...)
}

// BuildWith is Build with further flags of go build, such as -race. Where neither these nor tags are asked for, what the
// environment variable AZX_UNDER_TEST names is used as it is: scripts/test.sh builds one for all packages.
func BuildWith(ctx context.Context, dir string, flags []string, tags ...string) (Binary, error) {
	if built := os.Getenv("AZX_UNDER_TEST"); built != "" && len(flags)+len(tags) == 0 {
		return Binary(built), nil
	}
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, strings.Join(append([]string{"azx"}, tags...), "-"))
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s", "-tags", strings.Join(tags, ","), "-o", path}, flags...)
	build := exec.CommandContext(ctx, "go", append(args, "./cmd/azx")...)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build azx: %w\n%s", err, out)
	}
	return Binary(path), nil
}

// ModuleRoot returns the folder that holds go.mod, seen from the folder a test runs in.
func ModuleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find module root: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find module root: no go.mod above the working folder")
		}
	}
}
