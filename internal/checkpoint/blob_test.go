package checkpoint_test

import (
	"testing"

	"azx/internal/checkpoint"
	"azx/internal/checkpoint/blobtest"
	"azx/internal/secret"
)

func containerOf(service *blobtest.Service) checkpoint.Container {
	return checkpoint.Container{Name: blobtest.Container, ConnectionString: secret.Literal(service.ConnectionString())}
}

func openBlob(t *testing.T, service *blobtest.Service, opts ...checkpoint.Option) *checkpoint.Blob {
	t.Helper()
	b, err := checkpoint.OpenBlob(t.Context(), containerOf(service), plant, "Plant1Hub", opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}
