package identity

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
)

const (
	// secretFile holds a secret as hexadecimal digits and LF.
	secretFile  = "session-tokens.key"
	secretBytes = 32
)

// Secret keys the session tokens of IMDSv2. In a file it makes them survive a restart, as those of the real service do. It is
// immutable.
type Secret struct {
	dir   string
	key   []byte
	saved bool
}

// OpenSecret reads the secret in dir, "" for DefaultStateDir. Without a usable file it makes a secret that is not saved; it writes
// and logs nothing.
func OpenSecret(dir string) *Secret {
	if dir == "" {
		dir = DefaultStateDir()
	}
	if key, err := readSecret(dir); err == nil {
		return &Secret{dir: dir, key: key, saved: true}
	}
	key := make([]byte, secretBytes)
	_, _ = rand.Read(key) // never fails
	return &Secret{dir: dir, key: key}
}

// Key returns the 32 bytes. They must not be changed.
func (s *Secret) Key() []byte { return s.key }

// Format redacts the secret under every verb.
func (s *Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "secret [redacted]") }

// Keep returns a secret that is saved: s, or the one that another daemon has saved meanwhile. It replaces a file that is damaged or
// that other users can read. If it cannot save the secret, it logs why and returns s.
func (s *Secret) Keep(log *slog.Logger) *Secret {
	if s.saved {
		return s
	}
	file := filepath.Join(s.dir, secretFile)
	key, err := readSecret(s.dir)
	var unusable unusableSecret
	if errors.As(err, &unusable) {
		if err = os.Remove(file); err != nil {
			err = fmt.Errorf("%w, and it cannot be replaced: %w", unusable, reason(err))
		} else {
			err = fs.ErrNotExist
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err = writeNew(s.dir, secretFile, []byte(hex.EncodeToString(s.key)+"\n"), os.Link); err == nil {
			key, err = readSecret(s.dir) // another daemon may have been first
		}
	}
	switch {
	case err != nil:
		log.Warn("session tokens will end with the daemon", "file", file, "error", reason(err),
			"hint", "to have them survive a restart, set identity.state_dir to a directory that the daemon's user alone can read and write")
		return s
	case unusable.err != nil:
		log.Warn("replaced the secret of session tokens", "file", file, "error", unusable.err,
			"hint", "tokens from before are not valid; clients that get 401 ask for new ones")
	}
	return &Secret{dir: s.dir, key: key, saved: true}
}

// unusableSecret is the error of a file that another secret may replace: no token is worth more than six hours.
type unusableSecret struct{ err error }

func (u unusableSecret) Error() string { return u.err.Error() }

// readSecret reads the secret in dir. The error is fs.ErrNotExist without a file, an unusableSecret, or why the file cannot be read.
func readSecret(dir string) ([]byte, error) {
	if dir == "" {
		return nil, fs.ErrNotExist
	}
	file := filepath.Join(dir, secretFile)
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	// Windows has no file modes.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, unusableSecret{fmt.Errorf("other users could read it: mode %#o instead of 0600", mode)}
	}
	const size = 2*secretBytes + 1
	if info.Size() != size {
		return nil, unusableSecret{fmt.Errorf("it is damaged: %d bytes instead of %d", info.Size(), size)}
	}
	text, err := os.ReadFile(file) //nolint:gosec // the user names the directory
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(string(text[:max(0, len(text)-1)]))
	if err != nil || len(text) != size || text[size-1] != '\n' {
		return nil, unusableSecret{errors.New("it is damaged: it does not hold 64 hexadecimal digits")}
	}
	return key, nil
}
