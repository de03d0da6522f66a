package identity

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dswarm/dswarm/clients/go/status"
)

func TestAKeyFileIsMadeOnceAndReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "key")
	var group sync.WaitGroup
	made := make([]*Keys, 8)
	for i := range made {
		group.Go(func() { made[i], _ = LoadOrCreateKeyFile(path) })
	}
	group.Wait()
	for _, keys := range made {
		if keys == nil || keys.ID() != made[0].ID() {
			t.Fatal("those who make it at once have different keys")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 65 {
		t.Error(info, err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Error("drafts are left:", entries)
	}
}

func TestBadKeyFilesAreRefused(t *testing.T) {
	good := strings.Repeat("0a", 32)
	for name, file := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"short": {good[:62], 0o600}, "upper": {strings.ToUpper(good), 0o600}, "long": {good + "\n\n", 0o600},
		"huge": {strings.Repeat("a", 2000), 0o600}, "public": {good, 0o644}, "empty": {"", 0o600},
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(file.text), file.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadOrCreateKeyFile(path); status.ReasonOf(err) != "key_file_invalid" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := LoadOrCreateKeyFile(t.TempDir()); status.ReasonOf(err) != "key_file_invalid" {
		t.Error("a directory:", err)
	}
}

func TestKeysPrintAsTheirPublicHalf(t *testing.T) {
	keys := GenerateKeys()
	seed := fmt.Sprintf("%x", keys.Seed())
	for _, format := range []string{"%s", "%v", "%+v", "%#v"} {
		if text := fmt.Sprintf(format, keys); text != keys.ID().String() || strings.Contains(text, seed) {
			t.Errorf("%s prints %s", format, text)
		}
	}
}
