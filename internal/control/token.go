package control

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
)

// token is the secret of clients by TCP. Printing it gives "[redacted]".
type token string

// newToken makes 32 random bytes, as text.
func newToken() token {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return token(hex.EncodeToString(b))
}

const redacted = "[redacted]"

// Format implements fmt.Formatter for all verbs.
func (token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (token) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler.
func (token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// tokenFile is a file with the token, of mode 0600. The lock of the open file tells it from one of a killed daemon.
type tokenFile struct {
	path string
	text token
	file *os.File
}

// errOwned says that a file is in use, or not this user's to replace.
var errOwned = errors.New("the file is in use")

// makeTokenFile makes a file that does not exist. One that a killed daemon left is replaced.
func makeTokenFile(path string, text token) (*tokenFile, error) {
	const tries = 10 // daemons that start at the same time may take a file from each other
	for range tries {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // in the daemon's own directory
		switch {
		case err == nil && lock(f) && isAt(f, path):
			if _, err = f.WriteString(string(text)); err != nil {
				_ = f.Close()
				return nil, errors.Join(err, os.Remove(path))
			}
			return &tokenFile{path, text, f}, nil
		case err == nil:
			_ = f.Close()
		case !errors.Is(err, fs.ErrExist):
			return nil, fmt.Errorf("%w; %s", err, writableHint)
		default:
			if err := removeStaleToken(path); err != nil {
				return nil, err
			}
		}
	}
	return nil, fmt.Errorf("%s: %w", path, errOwned)
}

// removeStaleToken removes a file whose daemon does not live.
func removeStaleToken(path string) error {
	owned := fmt.Errorf("%s: %w", path, errOwned)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil || !info.Mode().IsRegular():
		return owned
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // in the daemon's own directory
	if err != nil {
		return owned
	}
	defer func() { _ = f.Close() }()
	if !lock(f) {
		return owned
	}
	if isAt(f, path) {
		return os.Remove(path)
	}
	return nil
}

// isAt tells whether an open file is the one at a path.
func isAt(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path) //nolint:gosec // the daemon's own path
	return err == nil && os.SameFile(opened, there)
}

// restore makes the file anew that something has removed, as logind does with XDG_RUNTIME_DIR at the last logout.
func (t *tokenFile) restore() {
	if _, err := os.Lstat(t.path); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	if f, err := makeTokenFile(t.path, t.text); err == nil {
		_ = t.file.Close()
		t.file = f.file
	}
}

// remove removes the file, unless another one is in its place.
func (t *tokenFile) remove() {
	if isAt(t.file, t.path) {
		_ = os.Remove(t.path) //nolint:gosec // likewise
	}
	_ = t.file.Close()
}
