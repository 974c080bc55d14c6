package secret

import (
	"fmt"
	"strings"
	"testing"
)

func TestASecretOfAVaultIsWhatWasPutThere(t *testing.T) {
	var vaults Vaults
	source, err := ParseWith(&vaults, "HostName=h;SharedAccessKey=${keyvault:plant/hub-key}", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Value(); err == nil || !strings.Contains(err.Error(), "hub-key of the vault plant has not been read yet") {
		t.Errorf("before it is read: %v", err)
	}
	if _, err := ParseWith(&vaults, "${keyvault:plant/hub-key}", ""); err != nil {
		t.Fatal(err)
	}
	refs := vaults.References()
	if len(refs) != 1 || refs[0] != (InVault{"plant", "hub-key"}) {
		t.Fatalf("references %v", refs)
	}
	for i, change := range []bool{true, false, true} {
		text := fmt.Sprintf("%s-%d", canary, i/2)
		if got := vaults.Put(refs[0], New(text)); got != change {
			t.Errorf("put %d: changed is %v", i, got)
		}
		if got, err := source.Value(); err != nil || got != "HostName=h;SharedAccessKey="+text {
			t.Errorf("put %d: got %v", i, err)
		}
	}
	if shown := source.Shown(); shown != "***${keyvault:plant/hub-key}" || source.IsPlain() || source.Vaults() != &vaults {
		t.Errorf("shown as %s", shown)
	}
	if text := fmt.Sprintf("%v %+v %#v", source, source, source); strings.Contains(text, canary) {
		t.Errorf("it shows %s", text)
	}
}

func TestAReferenceToAVaultIsNoPathElsewhere(t *testing.T) {
	for _, text := range []string{"plant", "plant/", "/key", "plant/a/b", "plant:8080/key", "https://plant/key", "plant/a?b", "plant/..", "a@b/key", "plant/" + strings.Repeat("a", 128)} {
		if _, err := ParseWith(new(Vaults), "${keyvault:"+text+"}", ""); err == nil || strings.Contains(err.Error(), text+"}") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
