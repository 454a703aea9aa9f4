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

// stateFile holds the key pair that the daemon made. Key and certificate are one file, so that they come into being
// together.
const stateFile = "identity.pem"

// DefaultStateDir is where the XDG Base Directory Specification has programs keep what should survive restarts:
// $XDG_STATE_HOME/mock-ec2-metadata, else ~/.local/state/mock-ec2-metadata; "" when there is no home. A relative
// $XDG_STATE_HOME is ignored, as the specification demands.
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

// kept returns the pair in dir, after making it if there is none. A pair that cannot be kept is used all the same, with
// one warning. A file that is there but of no use is an error: whoever trusts its certificate must learn of it.
func kept(dir string, now time.Time, log *slog.Logger) (*pair, error) {
	p, err := readState(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return p, err
	}
	if p, err = newPair(now); err != nil {
		return nil, fmt.Errorf("making the identity key pair: %w", err)
	}
	if err := writeState(dir, p, os.Link); err != nil {
		where := "make " + dir + " writable, or set identity.state_dir to a directory that is"
		if dir == "" {
			where = "set identity.state_dir to a directory that is writable"
		}
		log.Warn("the identity key pair cannot be kept, so that signatures and certificate change at each restart; "+where, "error", reason(err))
		p.volatile = true
		return p, nil
	}
	// Another daemon may have been faster: the pair in the file counts.
	if p, err = readState(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the daemon's identity key pair, %s, is gone just after it was made; look who removes it, or whether it is a symbolic link to nowhere", filepath.Join(dir, stateFile))
	}
	return p, err
}

// readState returns fs.ErrNotExist when there is no file, or none can be there.
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
			return nil, fs.ErrNotExist // there is no way to it, which writeState finds out
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

// writeState puts the pair into dir, whole or not at all, unless there is one already, which is no error.
func writeState(dir string, p *pair, link func(from, to string) error) error {
	if dir == "" {
		return errors.New("no home directory")
	}
	text, err := p.encode()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, "."+stateFile+"-*") // of mode 0600
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
	file := filepath.Join(dir, stateFile)
	err = link(temp.Name(), file)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	// Some file systems have no hard links (FAT, shared folders of virtual machines). Renaming would replace the pair of
	// another daemon; two that start in the same instant can still do that to each other, until the next restart.
	if _, err := os.Lstat(file); err == nil {
		return nil
	}
	return os.Rename(temp.Name(), file)
}
