package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAProxyWithoutAUserIsNoCredential(t *testing.T) {
	ownersOnly(t)
	least, err := os.ReadFile("testdata/least.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, proxy := range []string{"none", "http://proxy.example.com:3128", "proxy.example.com", "https://[2001:db8::1]"} {
		file := filepath.Join(t.TempDir(), "azx.yaml")
		put(t, file, "proxy: \""+proxy+"\"\n"+string(least))
		put(t, filepath.Join(filepath.Dir(file), "app-key"), "key")
		if _, warnings, err := Load(file); err != nil || len(warnings) > 0 {
			t.Errorf("%s: got %v, %v", proxy, warnings, err)
		}
	}
}
