// Package vectors reads the test vectors of the repository, test/vectors/*.json.
package vectors

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Bytes are written as hex, or as a list of parts: hex, or one byte that is repeated.
type Bytes []byte

// UnmarshalJSON reads either form.
func (b *Bytes) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		var digits string
		if err := json.Unmarshal(text, &digits); err != nil {
			return err
		}
		decoded, err := hex.DecodeString(digits)
		*b = decoded
		return err
	}
	if text[0] == '[' {
		var parts []Bytes
		if err := json.Unmarshal(text, &parts); err != nil {
			return err
		}
		*b = []byte{}
		for _, part := range parts {
			*b = append(*b, part...)
		}
		return nil
	}
	var run struct {
		Repeat Bytes
		Times  int
	}
	if err := json.Unmarshal(text, &run); err != nil {
		return err
	}
	if len(run.Repeat) != 1 || run.Times < 1 {
		return fmt.Errorf("not a run of bytes: %s", text)
	}
	*b = bytes.Repeat(run.Repeat, run.Times)
	return nil
}

// Each runs a test for each case of a file. T has the fields of a case.
func Each[T any](t *testing.T, name string, test func(t *testing.T, vector T)) {
	t.Helper()
	for caseName, vector := range All[T](t, name) {
		t.Run(caseName, func(t *testing.T) { test(t, vector) })
	}
}

// All reads the cases of a file, by name. Of a file with names only in part, those without are numbered.
func All[T any](t testing.TB, name string) map[string]T {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(here), "../../../../test/vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases, Vectors []json.RawMessage }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	cases := map[string]T{}
	for i, raw := range append(file.Cases, file.Vectors...) {
		var head struct{ Name string }
		var vector T
		if err := json.Unmarshal(raw, &head); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &vector); err != nil {
			t.Fatal(err)
		}
		if head.Name == "" {
			head.Name = fmt.Sprintf("case %d", i)
		}
		if _, isKnown := cases[head.Name]; isKnown {
			t.Fatalf("two cases of the name %q", head.Name)
		}
		cases[head.Name] = vector
	}
	if len(cases) == 0 {
		t.Fatalf("%s has no cases", name)
	}
	return cases
}
