package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// stateFile holds the key pair that the daemon made: both in one file, so that they are written atomically.
const stateFile = "identity.pem"

// DefaultStateDir is $XDG_STATE_HOME/mock-ec2-metadata, else ~/.local/state/mock-ec2-metadata; "" without a home
// directory (XDG Base Directory Specification). It ignores a relative $XDG_STATE_HOME, as the specification demands.
func DefaultStateDir() string {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "mock-ec2-metadata")
}

// loadOrMake returns the pair in dir, and makes one if there is none. If the new pair cannot be saved, it logs a warning
// and uses the pair. An unusable file is an error, not a reason for a new pair: verifiers trust its certificate.
func loadOrMake(dir string, now time.Time, log *slog.Logger) (*pair, error) {
	p, err := readState(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return p, err
	}
	if p, err = newPair(now); err != nil {
		return nil, fmt.Errorf("making the identity key pair: %w", err)
	}
	if err := writeState(dir, p, os.Link); err != nil {
		fix := "make " + dir + " writable, or set identity.state_dir to a directory that is"
		if dir == "" {
			fix = "set identity.state_dir to a directory that is writable"
		}
		log.Warn("cannot save the identity key pair", "error", reason(err),
			"hint", "signatures and certificate change at each restart; "+fix)
		p.volatile = true
		return p, nil
	}
	// Another daemon may have written its pair first: use the pair in the file.
	if p, err = readState(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the daemon's identity key pair, %s, disappeared after it was made; check what deletes it, or whether it is a dangling symbolic link", filepath.Join(dir, stateFile))
	}
	return p, err
}

// readState reads the pair in dir. It returns fs.ErrNotExist if there is no file or dir cannot be searched.
func readState(dir string) (*pair, error) {
	if dir == "" {
		return nil, fs.ErrNotExist
	}
	file := filepath.Join(dir, stateFile)
	text, err := os.ReadFile(file) //nolint:gosec // the user names the directory
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		if _, err := os.Lstat(file); err != nil {
			return nil, fs.ErrNotExist // writeState reports why
		}
		return nil, fmt.Errorf("the daemon's identity key pair, %s, cannot be read: %w; let the daemon's user read it, or delete it to have a new one made (verifiers need its certificate then)",
			file, reason(err))
	}
	p, f := parsePair(text)
	if f != noFlaw {
		return nil, fmt.Errorf("the daemon's identity key pair, %s, %s; delete it to have a new one made (verifiers need its certificate then)", file, f)
	}
	return p, nil
}

// writeState writes the pair into dir; see writeNew.
func writeState(dir string, p *pair, link func(from, to string) error) error {
	text, err := p.encode()
	if err != nil {
		return err
	}
	return writeNew(dir, stateFile, text, link)
}

// writeNew writes a file called name, of mode 0600, into dir atomically. It keeps an existing file, which is no error. link is
// os.Link.
func writeNew(dir, name string, text []byte, link func(from, to string) error) error {
	if dir == "" {
		return errors.New("no home directory")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, "."+name+"-*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	_, err = temp.Write(text)
	if err == nil {
		err = temp.Sync()
	}
	if err := errors.Join(err, temp.Close()); err != nil {
		return err
	}
	file := filepath.Join(dir, name)
	err = link(temp.Name(), file)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	// Some file systems have no hard links (FAT, shared folders of virtual machines). Rename replaces an existing file:
	// two daemons that start at the same moment can still do that to each other, until the next restart.
	if _, err := os.Lstat(file); err == nil {
		return nil
	}
	return os.Rename(temp.Name(), file)
}
