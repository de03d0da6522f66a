package identity

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/dswarm/dswarm/clients/go/status"
)

const maxKeyFileBytes = 1024

var keyFileText = regexp.MustCompile(`^[0-9a-f]{64}\n?$`)

// LoadOrCreateKeyFile reads a key file: 64 lower-case hex digits of the seed and a newline, mode 0600. It makes both key and
// file when there is none; of two processes that make it at once, both get the same key. Error key_file_invalid.
func LoadOrCreateKeyFile(path string) (*Keys, error) {
	keys, err := readKeyFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	keys = GenerateKeys()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, keyFileError("", err)
	}
	// Written whole under another name first, so that nobody sees half a key. CreateTemp makes files of mode 0600.
	draft, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".")
	if err != nil {
		return nil, keyFileError("", err)
	}
	defer os.Remove(draft.Name())
	_, err = draft.WriteString(hex.EncodeToString(keys.Seed()) + "\n")
	if err := errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return nil, keyFileError("", err)
	}
	if err := os.Link(draft.Name(), path); errors.Is(err, fs.ErrExist) {
		return readKeyFile(path)
	} else if err != nil {
		return nil, keyFileError("", err)
	}
	return keys, nil
}

func keyFileError(detail string, cause error) error {
	if detail == "" {
		detail = cause.Error()
	}
	return status.Fail("key_file_invalid", detail, cause)
}

func readKeyFile(path string) (*Keys, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, keyFileError("", err)
	case !info.Mode().IsRegular():
		return nil, keyFileError(fmt.Sprintf("%s is not a file", path), nil)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, keyFileError(fmt.Sprintf("others may read %s; run: chmod 600 %s", path, path), nil)
	case info.Size() > maxKeyFileBytes:
		return nil, keyFileError(fmt.Sprintf("%s is too long", path), nil)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, keyFileError("", err)
	}
	if !keyFileText.Match(text) {
		return nil, keyFileError(fmt.Sprintf("%s does not hold 64 lower-case hex digits", path), nil)
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, keyFileError("", err)
	}
	return KeysFromSeed(seed)
}
